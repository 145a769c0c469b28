-- Sources of images. Origin is 'local' for what is administered here (on a
-- primary that includes the federated ones) and 'fed' for what the feed brought.
CREATE TABLE registries (
	origin       TEXT NOT NULL,
	name         TEXT NOT NULL,
	body         BLOB NOT NULL,    -- JSON of model.Registry, without secrets
	secrets      BLOB,             -- password and token, sealed together; NULL without
	scheduled_at INTEGER NOT NULL, -- unix milliseconds: the schedule is answered up to here
	PRIMARY KEY (origin, name)
);

-- Passes over a registry. The counters are written when a run ends; until then
-- they are counted from its jobs.
CREATE TABLE runs (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	registry    TEXT NOT NULL,
	cause       TEXT NOT NULL, -- model.Trigger
	state       TEXT NOT NULL, -- model.RunState
	started_at  INTEGER NOT NULL,
	finished_at INTEGER NOT NULL DEFAULT 0,
	error       TEXT NOT NULL DEFAULT '',
	scanned     INTEGER NOT NULL DEFAULT 0,
	unchanged   INTEGER NOT NULL DEFAULT 0,
	unsupported INTEGER NOT NULL DEFAULT 0,
	failed      INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX runs_by_registry ON runs (registry, id);
CREATE INDEX runs_by_state ON runs (state);

-- What a run must account for: one row per digest. Rows live as long as the run.
CREATE TABLE jobs (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	run_id      INTEGER NOT NULL,
	repository  TEXT NOT NULL,
	digest      TEXT NOT NULL,
	media_type  TEXT NOT NULL, -- as listed; empty when the registry does not tell
	state       TEXT NOT NULL, -- queued, leased; expanded (an index), unchanged, scanned, unsupported, failed
	attempt     INTEGER NOT NULL DEFAULT 0, -- leases so far
	owner       TEXT NOT NULL DEFAULT '',
	lease_until INTEGER NOT NULL DEFAULT 0,
	not_before  INTEGER NOT NULL DEFAULT 0,
	UNIQUE (run_id, digest)
);
CREATE INDEX jobs_by_run ON jobs (run_id, state);
CREATE INDEX jobs_by_state ON jobs (state, id);
CREATE INDEX jobs_by_digest ON jobs (digest);
