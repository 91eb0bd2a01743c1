// Users and sessions. Released: never edited.
export const USERS = `
CREATE TABLE user (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
-- last_used_ms stands apart from the body: it is written behind, and often.
CREATE TABLE session (id TEXT PRIMARY KEY, user TEXT NOT NULL, body TEXT NOT NULL, last_used_ms INTEGER) STRICT, WITHOUT ROWID;
CREATE INDEX session_user ON session (user);
`;
