-- A batch goes when what its account keeps is over, as its verifications do; null: it has not ended, or stays.
ALTER TABLE batches ADD COLUMN retained_until timestamptz;
-- Its errors file holds pictures, which go earlier; null: it holds none, or they stay as long as the rest.
ALTER TABLE batches ADD COLUMN pictures_until timestamptz;
CREATE INDEX batches_pictures ON batches (pictures_until) WHERE pictures_until IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX batches_retained ON batches (retained_until) WHERE retained_until IS NOT NULL AND deleted_at IS NULL;
-- Rows that ended without a verification and whose chosen key is still to be removed.
CREATE INDEX batch_rows_unused_keys ON batch_rows (batch_id, number)
    WHERE wrapped_key IS NOT NULL AND state <> 'processing';
-- Accounts share the batch lane by these; what was set by hand before is left alone.
ALTER TABLE accounts ADD CONSTRAINT accounts_batch_weight CHECK (batch_weight BETWEEN 1 AND 1000) NOT VALID;
