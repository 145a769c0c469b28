-- What this cluster is in a federation: one row, made at the first start.
CREATE TABLE membership (
	id   INTEGER PRIMARY KEY CHECK (id = 1),
	role TEXT NOT NULL, -- standalone, primary, managed
	body BLOB NOT NULL  -- JSON of model.Membership
);

-- Keys, certificates and a join that is under way, sealed by the caller. Leaving
-- or ending a federation removes them all.
CREATE TABLE fed_secrets (
	name TEXT PRIMARY KEY,
	body BLOB NOT NULL
);

-- Join tokens; of the secret only the public half. Times are unix milliseconds.
CREATE TABLE fed_tokens (
	id         TEXT PRIMARY KEY,
	public_key BLOB NOT NULL,
	created_by TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	max_uses   INTEGER NOT NULL,
	uses       INTEGER NOT NULL DEFAULT 0,
	revoked    INTEGER NOT NULL DEFAULT 0
);

-- The members of a primary. key_id is the SHA-256 of the public key that the
-- member enrolled with; token and certificate answer a repeated enrolment.
CREATE TABLE fed_clusters (
	id          TEXT PRIMARY KEY,
	name        TEXT NOT NULL UNIQUE,
	key_id      TEXT NOT NULL UNIQUE,
	token       TEXT NOT NULL,
	certificate BLOB NOT NULL,
	joined_at   BIGINT NOT NULL,
	last_seen   BIGINT NOT NULL,
	version     TEXT NOT NULL DEFAULT '',
	applied     BIGINT NOT NULL DEFAULT 0, -- revisions of the feed, summed over streams
	summary     BLOB NOT NULL
);

-- Members removed while they may have been away: what tells them so when they
-- come back.
CREATE TABLE fed_removed (
	key_id     TEXT PRIMARY KEY,
	cluster    TEXT NOT NULL,
	reason     TEXT NOT NULL,
	removed_at BIGINT NOT NULL
);
