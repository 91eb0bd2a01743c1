// The schema's history. A migration that was released is never edited: a change of form is a new one at the end.
// Each runs in one transaction together with the new version number, so a kill in the middle leaves the older schema whole.
import type { Database } from "better-sqlite3";
import { GIVEN } from "./migration-given.ts";
import { KEY_ROLL } from "./migration-key-roll.ts";
import { PEOPLE } from "./migration-people.ts";
import { POLICIES } from "./migration-policies.ts";
import { STANDING } from "./migration-standing.ts";
import { USERS } from "./migration-users.ts";
import { VALUES } from "./migration-values.ts";
import { StoreOpenError } from "./open-error.ts";

/** "Skry" in ASCII, in the file's header: says that a database is ours. */
export const APPLICATION_ID = 0x536b_7279;

const V1 = `
CREATE TABLE hub (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  installation TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  watch_floor INTEGER NOT NULL
) STRICT;
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE revision (
  app TEXT NOT NULL,
  revision INTEGER NOT NULL,
  spec TEXT NOT NULL,
  source TEXT NOT NULL,
  applied_by TEXT NOT NULL,
  applied_at_ms INTEGER NOT NULL,
  PRIMARY KEY (app, revision)
) STRICT;
CREATE TABLE app (
  name TEXT PRIMARY KEY,
  revision INTEGER NOT NULL,
  older TEXT NOT NULL,
  FOREIGN KEY (name, revision) REFERENCES revision (app, revision) DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;
CREATE TABLE node (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  labels TEXT NOT NULL,
  availability TEXT NOT NULL,
  joined_at_ms INTEGER NOT NULL,
  facts TEXT,
  assigned_epoch INTEGER NOT NULL,
  assigned_generation INTEGER NOT NULL,
  accepted_epoch INTEGER,
  accepted_generation INTEGER,
  refusal TEXT,
  events_acked INTEGER NOT NULL,
  events_stored INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE credential (
  node TEXT PRIMARY KEY REFERENCES node (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  hash TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;
CREATE TABLE placement (
  workload TEXT PRIMARY KEY,
  app TEXT NOT NULL,
  service TEXT NOT NULL,
  slot TEXT NOT NULL,
  node TEXT NOT NULL,
  revision INTEGER NOT NULL,
  spec_hash TEXT NOT NULL,
  fencing_token INTEGER NOT NULL,
  since_generation INTEGER NOT NULL,
  silent_run_ms INTEGER,
  FOREIGN KEY (app, revision) REFERENCES revision (app, revision) DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;
CREATE TABLE tombstone (
  node TEXT NOT NULL,
  workload TEXT NOT NULL,
  generation INTEGER NOT NULL,
  reason TEXT NOT NULL,
  silent_run_ms INTEGER,
  PRIMARY KEY (node, workload)
) STRICT, WITHOUT ROWID;
CREATE TABLE fencing_token (workload TEXT PRIMARY KEY, token INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE join_token (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE observed (
  node TEXT PRIMARY KEY REFERENCES node (id) ON DELETE CASCADE,
  workloads TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  wall_ms INTEGER NOT NULL,
  node TEXT,
  app TEXT,
  workload TEXT,
  node_seq INTEGER,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX event_node ON event (node, id) WHERE node IS NOT NULL;
CREATE INDEX event_app ON event (app, id) WHERE app IS NOT NULL;
CREATE INDEX event_workload ON event (workload, id) WHERE workload IS NOT NULL;
-- One row holds up to a hundred changes of one commit. id: the number of its last change since the installation began.
CREATE TABLE change_log (
  id INTEGER PRIMARY KEY,
  seq INTEGER NOT NULL,
  wall_ms INTEGER NOT NULL,
  actor TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX change_log_seq ON change_log (seq);
CREATE TABLE idempotency (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE,
  request_hash TEXT NOT NULL,
  status INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
`;

/** Rollouts, operators' wishes, gates. What stood before counts as good: nothing may be rolled back because of an upgrade. */
const V2 = `
ALTER TABLE app ADD COLUMN last_good INTEGER;
ALTER TABLE app ADD COLUMN failed_specs TEXT NOT NULL DEFAULT '[]';
UPDATE app SET last_good = revision;
ALTER TABLE node ADD COLUMN availability_said TEXT;
ALTER TABLE node ADD COLUMN drain_deadline_ms INTEGER;
ALTER TABLE node ADD COLUMN drain_over_ms INTEGER;
ALTER TABLE placement ADD COLUMN intent TEXT NOT NULL DEFAULT '{"run":true,"restarts":0}';
ALTER TABLE placement ADD COLUMN step TEXT NOT NULL DEFAULT '{"kind":"first","previous":null,"attempt":0,"force":false}';
CREATE TABLE rollout (
  app TEXT NOT NULL,
  revision INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (app, revision)
) STRICT, WITHOUT ROWID;
-- The log's form of an app changed: watchers read everything anew.
UPDATE hub SET watch_floor = seq;
DELETE FROM change_log;
CREATE TABLE wish (key TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE gate (workload TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
`;

/** A node shows who it is by a key of its own. Of hashes of shared secrets no key can be made: nodes that joined before join again. */
const V3 = `
DROP TABLE credential;
CREATE TABLE node_key (
  node TEXT PRIMARY KEY REFERENCES node (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  public_key TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;
`;

/** The audit log. Its last entry and the last one that was let go stand apart from it: an end that was cut off is missed. */
const V4 = `
ALTER TABLE hub ADD COLUMN audit_last INTEGER NOT NULL DEFAULT 0;
ALTER TABLE hub ADD COLUMN audit_last_hash TEXT NOT NULL DEFAULT '${"0".repeat(64)}';
ALTER TABLE hub ADD COLUMN audit_trimmed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE hub ADD COLUMN audit_trimmed_hash TEXT NOT NULL DEFAULT '${"0".repeat(64)}';
-- body: the entry without its hash. The columns between are for looking things up; what counts is the body.
CREATE TABLE audit (
  number INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  actor TEXT,
  target TEXT,
  target_id TEXT,
  outcome TEXT NOT NULL,
  body TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;
`;

const MIGRATIONS: readonly string[] = [V1, V2, V3, V4, PEOPLE, STANDING, POLICIES, USERS, VALUES, KEY_ROLL, GIVEN];

/** The schema that this program reads and writes. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/** Brings the schema up to date; throws StoreOpenError("newer") for a database from a later version. `migrations` is a parameter for tests. */
export function migrate(db: Database, path: string, migrations: readonly string[] = MIGRATIONS): void {
  const found = Number(db.pragma("user_version", { simple: true }));
  if (found > migrations.length) {
    throw new StoreOpenError(
      "newer",
      `The database ${path} was written by a newer Skerry (schema ${found}; this one knows up to ${migrations.length}). ` +
        "Nothing was changed. Start the newer version again, or restore a backup made before the upgrade.",
    );
  }
  for (let version = found; version < migrations.length; version += 1) {
    const sql = migrations[version] ?? "";
    db.transaction(() => {
      db.exec(sql);
      db.pragma(`user_version = ${version + 1}`);
    }).immediate();
  }
}
