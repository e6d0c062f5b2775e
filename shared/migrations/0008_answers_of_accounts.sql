-- Requests that make something other than a verification may be sent again as well.
ALTER TABLE idempotency
    -- false: the answer is sealed under the data key of its verification; true: under the account key, and
    -- `verification_id` only names the verification, if any, with which the answer is erased
    ADD COLUMN of_account  boolean NOT NULL DEFAULT false,
    ALTER verification_id DROP NOT NULL;
