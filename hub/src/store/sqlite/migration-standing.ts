// Standing and lineage of nodes, and revoked keys. Released: never edited.
export const STANDING = `
ALTER TABLE node ADD COLUMN standing TEXT NOT NULL DEFAULT 'member';
ALTER TABLE node ADD COLUMN lineage TEXT NOT NULL DEFAULT '{"current":null,"next":null,"runId":""}';
-- What an assignment's hash covers has changed, and a position never means two things.
UPDATE node SET assigned_generation = assigned_generation + 1 WHERE assigned_generation > 0;
CREATE TABLE revoked_key (public_key TEXT PRIMARY KEY, node TEXT NOT NULL, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_key_node ON revoked_key (node);
`;
