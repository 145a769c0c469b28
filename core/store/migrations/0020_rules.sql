-- Admission rules. Origin 'fed' is a federal rule: the primary's own, and what
-- its feed brought to a managed cluster. Body is the JSON of core/policy.Rule.

CREATE TABLE rules (
	origin TEXT NOT NULL,
	id     INTEGER NOT NULL,
	body   BLOB NOT NULL,
	PRIMARY KEY (origin, id)
);

-- The last id given per origin, so that the id of a removed rule is never given again.
CREATE TABLE rule_ids (
	origin TEXT PRIMARY KEY,
	last   INTEGER NOT NULL
);
