// Policies, and what they came to for each placement. Released: never edited.
export const POLICIES = `
CREATE TABLE policy (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
-- 'null': no policy was bound.
ALTER TABLE placement ADD COLUMN policy TEXT NOT NULL DEFAULT 'null';
`;
