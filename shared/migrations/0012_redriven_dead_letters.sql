-- When an operator had the stage of this letter enqueued again. Stage and lane are in `queue`.
ALTER TABLE dead_letters ADD COLUMN redriven_at timestamptz;
