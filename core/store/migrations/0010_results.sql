-- What is known of images. Origin is 'local' (this cluster found out itself) or
-- 'fed' (the primary's feed said so, on a managed cluster); the same digest may
-- have both. Bodies are JSON of core/model.

CREATE TABLE images (
	origin TEXT NOT NULL,
	digest TEXT NOT NULL,
	status TEXT NOT NULL,
	body   BLOB NOT NULL,
	federated      INTEGER NOT NULL DEFAULT 0, -- 1: published into the feed, with all that belongs to it
	untagged_since INTEGER NOT NULL DEFAULT 0, -- unix milliseconds; 0 while a tag leads here
	PRIMARY KEY (origin, digest)
);
CREATE INDEX images_by_digest ON images (digest, origin, status);

CREATE TABLE tags (
	origin     TEXT NOT NULL,
	registry   TEXT NOT NULL,
	repository TEXT NOT NULL,
	tag        TEXT NOT NULL,
	host       TEXT NOT NULL,
	digest     TEXT NOT NULL,
	seen_at    INTEGER NOT NULL, -- unix milliseconds: since when the tag points to this digest
	PRIMARY KEY (origin, registry, repository, tag)
);
CREATE INDEX tags_by_name ON tags (host, repository, tag);
CREATE INDEX tags_by_digest ON tags (digest);

-- The children of multi-platform images that are looked at: those of the
-- platforms a registry selects, never attestations. Content, so without an origin.
CREATE TABLE index_children (
	index_digest TEXT NOT NULL,
	digest       TEXT NOT NULL,
	platform     TEXT NOT NULL,
	PRIMARY KEY (index_digest, digest)
);
CREATE INDEX index_children_by_digest ON index_children (digest);

CREATE TABLE verdicts (
	origin   TEXT NOT NULL,
	digest   TEXT NOT NULL,
	source   TEXT NOT NULL, -- scan, ci
	producer TEXT NOT NULL,
	findings TEXT NOT NULL, -- finding_lists.hash, which may arrive later
	worst    INTEGER NOT NULL DEFAULT -1, -- rank of the worst severity found, -1 for none
	body     BLOB NOT NULL,
	PRIMARY KEY (origin, digest, source, producer)
);
CREATE INDEX verdicts_by_digest ON verdicts (digest);
CREATE INDEX verdicts_by_findings ON verdicts (findings);

-- Content-addressed and shared; body is zstd-compressed JSON.
CREATE TABLE finding_lists (
	hash         TEXT PRIMARY KEY,
	body         BLOB NOT NULL,
	orphan_since INTEGER NOT NULL DEFAULT 0 -- unix milliseconds; 0 while something refers to it
);
