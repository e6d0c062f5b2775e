-- What can happen to a verification after its verdict, and a trail of it that shows when it was changed.
ALTER TABLE verifications
    ADD COLUMN retry_of       uuid,
    -- decision, reason and reviewer, under the data key
    ADD COLUMN sealed_review  bytea,
    ADD COLUMN erased_at      timestamptz,
    -- erased, and its blobs are still to be removed
    ADD COLUMN remains        boolean NOT NULL DEFAULT false;
CREATE INDEX verifications_remains ON verifications (id) WHERE remains;

-- Entries are written unlinked, so that no transaction waits for another's entry; the sweeper links them
-- in order a moment later: hash = sha256(hash before, entry).
ALTER TABLE audit
    ADD COLUMN link  bigint UNIQUE,
    ADD COLUMN hash  bytea;
CREATE INDEX audit_unlinked ON audit (id) WHERE link IS NULL;

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only';
END $$;
CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
-- Linking is the one change, and happens once.
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    FOR EACH ROW WHEN (
        OLD.link IS NOT NULL
        OR (NEW.id, NEW.account_id, NEW.verification_id, NEW.at, NEW.actor, NEW.action, NEW.details)
           IS DISTINCT FROM
           (OLD.id, OLD.account_id, OLD.verification_id, OLD.at, OLD.actor, OLD.action, OLD.details)
    ) EXECUTE FUNCTION audit_is_append_only();
