-- What was found in images before any vulnerability is looked up. Bodies are
-- zstd-compressed encodings of scanner/inventory.

-- Multi-platform images as their manifests say, attestations included.
CREATE TABLE index_manifests (
	digest TEXT PRIMARY KEY,
	body   BLOB NOT NULL -- JSON of model.Index
);

CREATE TABLE inventories (
	origin    TEXT NOT NULL,
	digest    TEXT NOT NULL,
	analyzers TEXT NOT NULL,           -- names and versions of the analyzers that made it
	body      BLOB NOT NULL,
	keys      BLOB,                    -- the match_keys of its packages; NULL where nothing is matched here
	stale     INTEGER NOT NULL DEFAULT 0, -- 1: a newer database answers differently and was not asked
	PRIMARY KEY (origin, digest)
);
CREATE INDEX inventories_by_digest ON inventories (digest, origin);

-- Every distinct thing that is looked up in the vulnerability database, and the
-- answer (in a form that changes with it) of the database in meta 'matched_db'.
CREATE TABLE match_keys (
	id     INTEGER PRIMARY KEY AUTOINCREMENT,
	name   TEXT NOT NULL UNIQUE,
	answer TEXT NOT NULL
);

-- Images whose verdict does not answer to the database in meta 'matched_db' but
-- to another revision: a re-match to that one is under way, or was cut off.
-- Revision is empty where nothing was looked up yet.
CREATE TABLE matched_ahead (
	digest   TEXT PRIMARY KEY,
	revision TEXT NOT NULL
);

-- Content-addressed and shared by all images that have them.
CREATE TABLE package_sets (
	hash         TEXT PRIMARY KEY,
	body         BLOB NOT NULL,
	orphan_since INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE inventory_sets (
	origin TEXT NOT NULL,
	digest TEXT NOT NULL,
	hash   TEXT NOT NULL,
	PRIMARY KEY (origin, digest, hash)
);
CREATE INDEX inventory_sets_by_hash ON inventory_sets (hash);

-- Layers that were analysed once and need not be pulled again.
CREATE TABLE layers (
	name    TEXT PRIMARY KEY, -- blob digest and analyzers
	body    BLOB NOT NULL,
	used_at INTEGER NOT NULL  -- unix milliseconds, to the day
);
