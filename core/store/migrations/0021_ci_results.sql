-- Documents that CI pipelines posted, as they were read. One per producer and
-- image: a newer document takes the place of the older. What admission uses of
-- them are the rows of table verdicts with source 'ci'.

CREATE TABLE ci_results (
	id            INTEGER PRIMARY KEY AUTOINCREMENT,
	producer      TEXT NOT NULL,
	digest        TEXT NOT NULL, -- empty: the document names no image by digest
	name          TEXT NOT NULL, -- what such an image was called; empty with a digest
	document_hash TEXT NOT NULL,
	posted_at     INTEGER NOT NULL, -- unix milliseconds
	body          BLOB NOT NULL, -- JSON of model.CIResult
	contents      BLOB NOT NULL, -- zstd-compressed JSON: the packages; without a digest the findings too
	UNIQUE (producer, digest, name)
);
CREATE INDEX ci_results_by_digest ON ci_results (digest);
CREATE INDEX ci_results_by_posted_at ON ci_results (posted_at);
