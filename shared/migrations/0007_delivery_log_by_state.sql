-- The log of an endpoint by status, also of what arrived: where a million wait for a dead endpoint, the few that
-- ever arrived are few among many, too.
CREATE INDEX deliveries_by_state ON deliveries (endpoint_id, state, created_at, id);
DROP INDEX deliveries_not_arrived;
