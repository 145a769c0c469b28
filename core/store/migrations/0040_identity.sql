-- Who may do what, and who did what. Times are unix milliseconds.

CREATE TABLE accounts (
	username      TEXT PRIMARY KEY,
	role          TEXT NOT NULL,
	password_hash TEXT NOT NULL, -- argon2id with its parameters
	created_at    INTEGER NOT NULL,
	last_login    INTEGER NOT NULL -- 0: never
);

-- A token is 256 random bits, so its plain SHA-256 is enough to keep.
CREATE TABLE sessions (
	token_hash TEXT PRIMARY KEY,
	username   TEXT NOT NULL REFERENCES accounts (username) ON DELETE CASCADE,
	created_at INTEGER NOT NULL,
	seen_at    INTEGER NOT NULL
);
CREATE INDEX sessions_by_username ON sessions (username, created_at);

CREATE TABLE api_keys (
	name        TEXT PRIMARY KEY,
	role        TEXT NOT NULL,
	secret_hash TEXT NOT NULL, -- SHA-256 of 256 random bits
	created_by  TEXT NOT NULL,
	created_at  INTEGER NOT NULL,
	expires_at  INTEGER NOT NULL -- 0: never
);

CREATE TABLE audit (
	id      INTEGER PRIMARY KEY,
	at      INTEGER NOT NULL,
	actor   TEXT NOT NULL,
	action  TEXT NOT NULL,
	target  TEXT NOT NULL,
	outcome TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (at);
