-- What a run wants to tell a person though it did not fail.
ALTER TABLE runs ADD COLUMN warning TEXT NOT NULL DEFAULT '';

-- Why a job waits to be tried again, and how often its registry put it off.
ALTER TABLE jobs ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
