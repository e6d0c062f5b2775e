-- Everything that must survive. Times are set by the program's clock, not by now().

CREATE TABLE accounts (
    id                     uuid PRIMARY KEY,
    name                   text NOT NULL UNIQUE,
    -- account key wrapped under the master key of that id
    master_key_id          text NOT NULL,
    wrapped_key            bytea NOT NULL,
    -- signs deliveries to a per-request webhook_url
    sealed_webhook_secret  bytea NOT NULL,
    created_at             timestamptz NOT NULL
);

CREATE TABLE api_keys (
    id           uuid PRIMARY KEY,
    account_id   uuid NOT NULL REFERENCES accounts,
    name         text NOT NULL,
    -- sha256 of the key; the key itself is shown once
    hash         bytea NOT NULL UNIQUE,
    hint         text NOT NULL,
    permissions  text[] NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    revoked_at   timestamptz
);

CREATE TABLE verifications (
    id              uuid PRIMARY KEY,
    account_id      uuid NOT NULL REFERENCES accounts,
    status          text NOT NULL,
    lane            text NOT NULL,
    country         text NOT NULL,
    document_type   text NOT NULL,
    checks          text[] NOT NULL,
    stages          text[] NOT NULL,
    metadata        jsonb NOT NULL,
    images          jsonb NOT NULL,
    -- data key wrapped under the account key; destroying it erases images, fields and evidence
    wrapped_key     bytea,
    sealed_request  bytea,
    sealed_verdict  bytea,
    traceparent     text,
    created_at      timestamptz NOT NULL,
    completed_at    timestamptz,
    -- the sweeper's view of pending rows
    enqueued_at     timestamptz NOT NULL,
    rounds          integer NOT NULL DEFAULT 0
);
CREATE INDEX verifications_overdue ON verifications (enqueued_at) WHERE status = 'pending';
CREATE INDEX verifications_of_account ON verifications (account_id, id DESC);

-- One row asks the relay to publish a job for each of its stages; deleted once the broker confirmed.
CREATE TABLE outbox (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    verification_id  uuid NOT NULL,
    stages           text[] NOT NULL,
    lane             text NOT NULL,
    traceparent      text,
    created_at       timestamptz NOT NULL,
    not_before       timestamptz NOT NULL,
    lease_token      uuid,
    lease_until      timestamptz,
    attempts         integer NOT NULL DEFAULT 0
);
CREATE INDEX outbox_due ON outbox (not_before);

-- Stage runs that did not end in a partial.
CREATE TABLE attempts (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    verification_id  uuid NOT NULL REFERENCES verifications ON DELETE CASCADE,
    stage            text NOT NULL,
    class            text NOT NULL,
    message          text NOT NULL,
    at               timestamptz NOT NULL
);
CREATE INDEX attempts_of_stage ON attempts (verification_id, stage);

CREATE TABLE dead_letters (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    verification_id  uuid,
    queue            text NOT NULL,
    reason           text NOT NULL,
    body             bytea NOT NULL,
    at               timestamptz NOT NULL
);

CREATE TABLE audit (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id       uuid NOT NULL,
    verification_id  uuid,
    at               timestamptz NOT NULL,
    actor            text NOT NULL,
    action           text NOT NULL,
    details          jsonb NOT NULL
);
CREATE INDEX audit_of_verification ON audit (verification_id, id);

CREATE TABLE endpoints (
    id             uuid PRIMARY KEY,
    account_id     uuid NOT NULL REFERENCES accounts,
    url            text NOT NULL,
    events         text[] NOT NULL,
    sealed_secret  bytea NOT NULL,
    enabled        boolean NOT NULL DEFAULT true,
    created_at     timestamptz NOT NULL
);
CREATE INDEX endpoints_of_account ON endpoints (account_id);

CREATE TABLE events (
    id               uuid PRIMARY KEY,
    account_id       uuid NOT NULL,
    verification_id  uuid NOT NULL REFERENCES verifications ON DELETE CASCADE,
    type             text NOT NULL,
    -- the exact bytes to send, sealed under the verification's data key
    sealed_body      bytea NOT NULL,
    traceparent      text,
    created_at       timestamptz NOT NULL
);
CREATE INDEX events_of_verification ON events (verification_id);

CREATE TABLE deliveries (
    id           uuid PRIMARY KEY,
    event_id     uuid NOT NULL REFERENCES events ON DELETE CASCADE,
    -- null: the request's own webhook_url, signed with the account's secret
    endpoint_id  uuid REFERENCES endpoints,
    url          text NOT NULL,
    state        text NOT NULL,
    attempts     integer NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL,
    lease_token  uuid,
    created_at   timestamptz NOT NULL,
    finished_at  timestamptz
);
-- due_at doubles as the lease's end while a delivery is under way
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE state = 'pending';
CREATE INDEX deliveries_of_event ON deliveries (event_id);

CREATE TABLE delivery_attempts (
    delivery_id   uuid NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    attempt       integer NOT NULL,
    started_at    timestamptz NOT NULL,
    duration_ms   bigint NOT NULL,
    status_code   integer,
    error         text,
    PRIMARY KEY (delivery_id, attempt)
);
