-- The feed: a keyed set of records in streams (scope, class). A primary writes
-- it; a managed cluster keeps its verified copy in the same tables. A cluster is
-- never both, and becoming neither empties them.

CREATE TABLE feed_state (
	id       INTEGER PRIMARY KEY CHECK (id = 1),
	epoch    BIGINT NOT NULL, -- of this cluster as a primary; never falls
	revision BIGINT NOT NULL  -- the last one given, of any stream
);
INSERT INTO feed_state (id, epoch, revision) VALUES (1, 1, 0);

CREATE TABLE feed_streams (
	id       BIGINT PRIMARY KEY,
	scope    TEXT NOT NULL,
	class    INTEGER NOT NULL,
	-- On a primary: the head.
	revision BIGINT NOT NULL DEFAULT 0,
	floor    BIGINT NOT NULL DEFAULT 0,
	root     BLOB,
	-- On a managed cluster: how far it has come, and the evidence.
	mark_epoch    BIGINT NOT NULL DEFAULT 0,
	mark_revision BIGINT NOT NULL DEFAULT 0,
	mark_floor    BIGINT NOT NULL DEFAULT 0,
	mark_seen     BIGINT NOT NULL DEFAULT 0,
	seal          BLOB,
	UNIQUE (scope, class)
);

CREATE TABLE feed_records (
	stream     BIGINT NOT NULL REFERENCES feed_streams (id),
	path       BLOB NOT NULL, -- SHA-256 of kind and name
	kind       TEXT NOT NULL,
	name       TEXT NOT NULL, -- the record's key
	hash       BLOB,          -- of the payload; null in a tombstone
	payload    BLOB NOT NULL,
	packed     INTEGER NOT NULL, -- 1: the payload is zstd
	revision   BIGINT NOT NULL,
	deleted_at BIGINT NOT NULL DEFAULT 0, -- unix milliseconds of a tombstone, else 0
	PRIMARY KEY (stream, path)
);
CREATE INDEX feed_records_by_revision ON feed_records (stream, revision);
CREATE INDEX feed_tombstones ON feed_records (deleted_at) WHERE deleted_at > 0;

-- The nodes of each stream's prefix tree, by hex prefix.
CREATE TABLE feed_nodes (
	stream BIGINT NOT NULL REFERENCES feed_streams (id),
	prefix TEXT NOT NULL,
	body   BLOB NOT NULL,
	PRIMARY KEY (stream, prefix)
);

-- Records that a change of epoch would have thrown away, until the primary
-- has taken them over.
CREATE TABLE feed_orphans (
	scope   TEXT NOT NULL,
	path    BLOB NOT NULL,
	hash    BLOB NOT NULL,
	kind    TEXT NOT NULL,
	name    TEXT NOT NULL,
	payload BLOB NOT NULL,
	packed  INTEGER NOT NULL,
	PRIMARY KEY (scope, path, hash)
);

-- Content keys that the primary has rotated to, oldest first.
CREATE TABLE feed_rotations (
	seq       BIGINT PRIMARY KEY,
	new_key   BLOB NOT NULL,
	signer    TEXT NOT NULL,
	signature BLOB NOT NULL
);
