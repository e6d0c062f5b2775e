-- Faults of the transport that a test account asked for, until they end by themselves.
ALTER TABLE accounts
    ADD COLUMN simulated_until       timestamptz,
    ADD COLUMN simulated_delay_ms    integer,
    ADD COLUMN simulated_status      integer,
    ADD COLUMN simulated_duplicates  boolean NOT NULL DEFAULT false;
