// API tokens and own roles. Released: never edited.
export const PEOPLE = `
-- last_used_ms stands apart from the body: it is written behind, and often.
CREATE TABLE api_token (id TEXT PRIMARY KEY, body TEXT NOT NULL, last_used_ms INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE role (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
`;
