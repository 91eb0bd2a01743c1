// Secrets and configs. Released: never edited.
export const VALUES = `
-- app: '' for the installation's own. body: whom it is for, and its versions, the newest last.
CREATE TABLE value (
  kind TEXT NOT NULL,
  app TEXT NOT NULL,
  name TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (kind, app, name)
) STRICT, WITHOUT ROWID;
-- Sealed: ring_key names the key outside the database that wraps the content's own.
CREATE TABLE value_content (
  kind TEXT NOT NULL,
  app TEXT NOT NULL,
  name TEXT NOT NULL,
  version TEXT NOT NULL,
  ring_key TEXT NOT NULL,
  wrapped TEXT NOT NULL,
  sealed TEXT NOT NULL,
  PRIMARY KEY (kind, app, name, version)
) STRICT;
`;
