-- Ciphertext does not compress, and a verdict or an event of a few kilobytes is read as often as its row:
-- keeping it in the row saves the attempt, a second table with its index, and the way there.
ALTER TABLE verifications
    ALTER sealed_request SET STORAGE EXTERNAL,
    ALTER sealed_verdict SET STORAGE EXTERNAL,
    SET (toast_tuple_target = 8160);
ALTER TABLE events
    ALTER sealed_body SET STORAGE EXTERNAL,
    SET (toast_tuple_target = 8160);
