-- Bulk work: manifests with a row per verification, and what is uploaded for them.

CREATE TABLE uploads (
    id           uuid PRIMARY KEY,
    account_id   uuid NOT NULL REFERENCES accounts,
    -- its bytes are sealed under this key, which is wrapped under the account key
    wrapped_key  bytea NOT NULL,
    -- null until its last byte is stored
    size_bytes   bigint,
    sha256       text,
    -- its pieces lie under this name
    attempt      uuid,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX uploads_of_account ON uploads (account_id, id DESC);
CREATE INDEX uploads_expired ON uploads (expires_at);

CREATE TABLE batches (
    id            uuid PRIMARY KEY,
    account_id    uuid NOT NULL REFERENCES accounts,
    key_id        uuid NOT NULL REFERENCES api_keys,
    name          text,
    metadata      jsonb NOT NULL,
    status        text NOT NULL,
    -- how it will end once no row is open any more; null: completed
    ending        text,
    -- status -> when it was reached
    reached       jsonb NOT NULL,
    options       jsonb NOT NULL,
    -- sealed: where the manifest is, and what every row has where it does not say otherwise
    sealed_source bytea,
    -- its rows and files are sealed under this key, which is wrapped under the account key
    wrapped_key   bytea,
    retry_of      uuid,
    error         jsonb,
    preflight     jsonb,
    files         jsonb,
    -- One counter for each state of a row, changed by the statement that changes the rows.
    total         bigint NOT NULL DEFAULT 0,
    pending       bigint NOT NULL DEFAULT 0,
    processing    bigint NOT NULL DEFAULT 0,
    verified      bigint NOT NULL DEFAULT 0,
    failed        bigint NOT NULL DEFAULT 0,
    manual_review bigint NOT NULL DEFAULT 0,
    error_rows    bigint NOT NULL DEFAULT 0,
    cancelled     bigint NOT NULL DEFAULT 0,
    expired       bigint NOT NULL DEFAULT 0,
    duplicate     bigint NOT NULL DEFAULT 0,
    CONSTRAINT batches_counters_are_whole CHECK (total = pending + processing + verified + failed
        + manual_review + error_rows + cancelled + expired + duplicate),
    -- rows before it are pending no longer
    next_row      bigint NOT NULL DEFAULT 1,
    -- rows a second that were decided lately
    rate          double precision NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    -- its owner does not see it any more; rows and files are being removed
    deleted_at    timestamptz,
    -- one scheduler at a time drives a batch
    lease_token   uuid,
    lease_until   timestamptz
);
CREATE INDEX batches_of_account ON batches (account_id, id DESC);
-- Those that somebody has to drive.
CREATE INDEX batches_active ON batches (id)
    WHERE status NOT IN ('completed', 'failed', 'expired', 'cancelled') OR deleted_at IS NOT NULL;

CREATE TABLE batch_rows (
    batch_id         uuid NOT NULL REFERENCES batches,
    -- 1 for the first row of the manifest
    number           bigint NOT NULL,
    -- where it stands in the manifest, in lines of text
    line             bigint NOT NULL,
    custom_id        text,
    -- an earlier row has the same custom_id
    repeated         boolean NOT NULL DEFAULT false,
    state            text NOT NULL,
    -- its place in the batch's rows file
    start_byte       bigint NOT NULL,
    size_bytes       integer NOT NULL,
    -- chosen before it is accepted, so that a crash in between makes no second one
    verification_id  uuid,
    wrapped_key      bytea,
    -- sha256 of the document's front
    digest           bytea,
    -- number of the row that it repeats
    duplicate_of     bigint,
    -- why it was not accepted
    error            jsonb,
    -- reasons, checks and risk; nothing personal
    outcome          jsonb,
    completed_at     timestamptz,
    PRIMARY KEY (batch_id, number)
);
CREATE UNIQUE INDEX batch_rows_custom_id ON batch_rows (batch_id, custom_id) WHERE NOT repeated;
CREATE INDEX batch_rows_processing ON batch_rows (batch_id, number) WHERE state = 'processing';
CREATE INDEX batch_rows_digest ON batch_rows (batch_id, digest, number) WHERE digest IS NOT NULL;

-- What a verdict comes down to without personal data: for the rows of a batch.
ALTER TABLE verifications ADD COLUMN summary jsonb;
-- Share of the batch lane, against other accounts.
ALTER TABLE accounts ADD COLUMN batch_weight integer NOT NULL DEFAULT 1;
