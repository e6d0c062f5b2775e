-- Endpoints that are managed, events about an account, and consumers that do not delay each other.

-- Null: about the account and not about one verification; the body is then sealed under the account key.
ALTER TABLE events ALTER verification_id DROP NOT NULL;

ALTER TABLE endpoints
    ADD COLUMN description             text,
    ADD COLUMN payload                 text NOT NULL DEFAULT 'full',
    -- signs beside the current one until then
    ADD COLUMN previous_sealed_secret  bytea,
    ADD COLUMN previous_secret_until   timestamptz,
    -- the first failure since the last success
    ADD COLUMN failing_since           timestamptz,
    ADD COLUMN disabled_at             timestamptz,
    ADD COLUMN disabled_reason         text,
    -- the row stays: deliveries point at it
    ADD COLUMN deleted_at              timestamptz;

ALTER TABLE deliveries
    -- for a request's own webhook_url: stands for account and host, which share their places
    ADD COLUMN consumer          uuid,
    -- attempts before the last replay: the schedule begins anew behind them
    ADD COLUMN earlier_attempts  integer NOT NULL DEFAULT 0,
    ADD COLUMN failure           text;

-- Consumer by consumer, each one's longest due first. Rows of the version before have no `consumer`:
-- those stand alone.
CREATE INDEX deliveries_of_consumer ON deliveries (coalesce(endpoint_id, consumer, id), due_at)
    WHERE state = 'pending';
-- The log of an endpoint, and what of it did not arrive: few among many.
CREATE INDEX deliveries_of_endpoint ON deliveries (endpoint_id, created_at, id);
CREATE INDEX deliveries_not_arrived ON deliveries (endpoint_id, state, created_at, id)
    WHERE state <> 'succeeded';
