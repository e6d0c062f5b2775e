-- Whether the account has a verification of the same file already: for checks of batches before their start.
CREATE INDEX verifications_front ON verifications (account_id, (images -> 0 ->> 'sha256'))
    WHERE purpose = 'verification';

-- What of a submission later ones are compared with; for verifications that ask for the `duplicate` check.
CREATE TABLE likenesses (
    -- the order in which processes read them
    number           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    verification_id  uuid NOT NULL UNIQUE REFERENCES verifications ON DELETE CASCADE,
    account_id       uuid NOT NULL,
    -- issuer and number of the document, hashed under a key of the account
    document         bytea,
    -- perceptual hashes and the code of the face, sealed under the account key
    sealed           bytea NOT NULL,
    -- the database's own clock: who reads must know which rows can still appear before this one
    recorded_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX likenesses_of_account ON likenesses (account_id, number);

-- What the check found, without anything of the persons: for the groups of a batch.
CREATE TABLE lookalikes (
    verification_id  uuid NOT NULL REFERENCES verifications ON DELETE CASCADE,
    other_id         uuid NOT NULL,
    -- what they have in common: document, face, image
    alike_in         text[] NOT NULL,
    PRIMARY KEY (verification_id, other_id)
);
CREATE INDEX lookalikes_of_other ON lookalikes (other_id);
