// Which values each node was given, by name: what is to be changed when it is lost. Goes with the node. Released: never edited.
export const GIVEN = `
CREATE TABLE value_given (
  node TEXT NOT NULL REFERENCES node (id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  app TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (node, kind, app, name)
) STRICT, WITHOUT ROWID;
`;
