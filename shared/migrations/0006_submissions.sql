-- Requests that may be sent again, calls for a single stage, and sessions in which a phone uploads.

-- One-shot calls are rows like any other, with one stage and without a declared document.
ALTER TABLE verifications
    ADD COLUMN purpose  text NOT NULL DEFAULT 'verification',
    ALTER country DROP NOT NULL,
    ALTER document_type DROP NOT NULL,
    ADD CONSTRAINT verifications_declared
        CHECK (purpose <> 'verification' OR (country IS NOT NULL AND document_type IS NOT NULL)) NOT VALID;

-- A record commits with the row that it protects; there is none of a request that was refused.
CREATE TABLE idempotency (
    key_id           uuid NOT NULL REFERENCES api_keys,
    endpoint         text NOT NULL,
    key              text NOT NULL,
    -- sha256 of what was asked, pictures included
    fingerprint      bytea NOT NULL,
    request_id       text NOT NULL,
    -- what it made; the answer is sealed under its data key
    verification_id  uuid NOT NULL,
    -- both absent while the first caller still waits
    status_code      integer,
    sealed_answer    bytea,
    expires_at       timestamptz NOT NULL,
    PRIMARY KEY (key_id, endpoint, key)
);
CREATE INDEX idempotency_expired ON idempotency (expires_at);
CREATE INDEX idempotency_of_verification ON idempotency (verification_id);

CREATE TABLE sessions (
    id               uuid PRIMARY KEY,
    account_id       uuid NOT NULL REFERENCES accounts,
    key_id           uuid NOT NULL REFERENCES api_keys,
    -- what it becomes when it is completed: uploads lie in its place already
    verification_id  uuid NOT NULL,
    -- sha256 of the client token
    token_hash       bytea NOT NULL UNIQUE,
    -- data key of the verification, wrapped under the account key
    wrapped_key      bytea,
    status           text NOT NULL,
    country          text NOT NULL,
    document_type    text NOT NULL,
    checks           text[] NOT NULL,
    metadata         jsonb NOT NULL,
    images           jsonb NOT NULL,
    sealed_request   bytea NOT NULL,
    created_at       timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    completed_at     timestamptz
);
CREATE INDEX sessions_open ON sessions (expires_at) WHERE status IN ('pending', 'ready');
CREATE INDEX sessions_of_verification ON sessions (verification_id);

-- How long what an account sends is kept; null: as the configuration says. The sweeper removes what is due.
ALTER TABLE accounts
    ADD COLUMN retain_images_s  bigint,
    ADD COLUMN retain_data_s    bigint;
ALTER TABLE verifications
    ADD COLUMN expires_at        timestamptz,
    -- null: kept, or gone already
    ADD COLUMN images_expire_at  timestamptz;
-- Not over `erased_at IS NULL`: every statement on living rows says that, and would be invited to walk all of them.
CREATE INDEX verifications_expired ON verifications (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX verifications_images_expired ON verifications (images_expire_at) WHERE images_expire_at IS NOT NULL;
