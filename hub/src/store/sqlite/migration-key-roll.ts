// Another key of a node, while it is on its way. Released: never edited.
export const KEY_ROLL = `
ALTER TABLE node ADD COLUMN key_roll TEXT NOT NULL DEFAULT '{"kind":"none"}';
`;
