-- Keys that are bound to addresses, limited and rotated; plans; test data apart from live data; what was
-- asked of the API.
ALTER TABLE accounts
    ADD COLUMN plan             text NOT NULL DEFAULT 'enterprise',
    -- this account holds the test data of that one, and is nobody's otherwise
    ADD COLUMN live_account_id  uuid UNIQUE REFERENCES accounts;

ALTER TABLE api_keys
    -- addresses and networks; empty: from everywhere
    ADD COLUMN allowed_ips   text[] NOT NULL DEFAULT '{}',
    -- calls per minute, besides the account's plan
    ADD COLUMN rate_limit    integer,
    -- to the minute
    ADD COLUMN last_used_at  timestamptz,
    -- the key that a rotation made in its place
    ADD COLUMN replaced_by   uuid REFERENCES api_keys;
CREATE INDEX api_keys_of_account ON api_keys (account_id, id DESC);

-- No body, no header, no path: the route's pattern alone.
CREATE TABLE request_logs (
    account_id   uuid NOT NULL REFERENCES accounts,
    id           uuid NOT NULL,
    key_id       uuid NOT NULL,
    -- as answered in X-Request-Id; a caller may send its own
    request_id   text NOT NULL,
    at           timestamptz NOT NULL,
    method       text NOT NULL,
    route        text NOT NULL,
    status       integer NOT NULL,
    error_code   text,
    duration_ms  bigint NOT NULL,
    address      text,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX request_logs_by_time ON request_logs (at);

-- Counted with the logs and kept when they go.
CREATE TABLE usage (
    account_id    uuid NOT NULL REFERENCES accounts,
    day           date NOT NULL,
    -- method and route
    endpoint      text NOT NULL,
    requests      bigint NOT NULL,
    -- 4xx
    refused       bigint NOT NULL,
    -- 429, also among the refused
    rate_limited  bigint NOT NULL,
    -- 5xx
    failed        bigint NOT NULL,
    PRIMARY KEY (account_id, day, endpoint)
);
-- What an account submitted in a period.
CREATE INDEX verifications_by_time ON verifications (account_id, created_at);

-- Row triggers do not see it.
CREATE TRIGGER audit_is_not_truncated BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
