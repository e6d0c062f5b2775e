-- The first byte of `wrapped_key` in verifications and sessions tells what it is: 1 the whole data key, as written
-- until now, 2 one half of it, whose other half (its share) is in the object store. Rows of both kinds are read; the
-- first kind ends with its rows. An expired session leaves a share and uploads to be removed, as an erasure does.
ALTER TABLE sessions ADD COLUMN remains boolean NOT NULL DEFAULT false;
CREATE INDEX sessions_remains ON sessions (verification_id) WHERE remains;
