// The Store on SQLite: one commit is one transaction is one fsync (WAL, synchronous=FULL). After an I/O error it takes nothing more:
// what the kernel holds then is not what it says (fsyncgate), so only a new start may look again.
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { NodeId } from "@skerry/shared/model/ids.ts";
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { Database, Statement } from "better-sqlite3";
import { STORE_LIMITS, type StoreLimits } from "../limits.ts";
import { type Commit, type Store, StoreError } from "../store.ts";
import { prepareAuditReads, prepareAuditWrites, type WriteAudit } from "./audit.ts";
import { behind } from "./behind.ts";
import { loadAll } from "./load.ts";
import { errorCode, type FirstStart, openDatabase } from "./open.ts";
import { type OnUnreadable, preparePeople } from "./people.ts";
import { prepareReads } from "./read.ts";
import { prepareTrim } from "./trim.ts";
import { prepareUsers } from "./users.ts";
import { prepareValueReads } from "./values.ts";
import { prepareLog, prepareWatch } from "./watch.ts";
import { prepareWrites } from "./write.ts";

export interface SqliteStoreOptions {
  readonly path: string;
  /** Wall clock, for the words in the lock. */
  readonly startedAtMs: number;
  /** Asked once per installation. */
  readonly first: () => FirstStart;
  readonly limits?: StoreLimits;
  /** Told once of each API token and each role that cannot be read as it stands. */
  readonly onUnreadable?: OnUnreadable;
}

/** Less than this left on the disk makes an I/O error mean "full": SQLite cannot always tell (its shared-memory file, a quota). */
const FULL_BELOW_BYTES = 65_536;

/** Throws StoreOpenError when the database cannot be used. */
export function openSqliteStore(options: SqliteStoreOptions): Store {
  const { db, lock } = openDatabase(options.path, options.startedAtMs, options.first);
  const limits = options.limits ?? STORE_LIMITS;
  const writeAudit = prepareAuditWrites(db, limits);
  const appendAudit = db.transaction(writeAudit).immediate;
  const commit = prepareCommit(db, limits, writeAudit);
  const saveObserved = prepareObserved(db);
  const setSetting = db.prepare(
    "INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
  );
  const guard = prepareGuard(dirname(options.path));
  const reads = prepareReads(db);
  const watch = prepareWatch(db);
  const audit = prepareAuditReads(db, limits);
  return {
    load: () => guard(() => loadAll(db)),
    commit: (input) => guard(() => commit(input)),
    appendAudit: (record, wallMs) => guard(() => appendAudit(record, wallMs)),
    saveObserved: (node, workloads) => guard(() => saveObserved(node, workloads)),
    setSetting: (name, value) => guard(() => void setSetting.run(name, value)),
    revisions: (app) => guard(() => reads.revisions(app)),
    rollouts: (app, limit) => guard(() => reads.rollouts(app, limit)),
    revision: (app, revision) => guard(() => reads.revision(app, revision)),
    lastRevision: (app) => guard(() => reads.lastRevision(app)),
    events: (query) => guard(() => reads.events(query)),
    audit: (query) => guard(() => audit(query)),
    watch: (since, limit) => guard(() => watch(since, limit)),
    publicKey: (node) => guard(() => reads.publicKey(node)),
    keyHolder: (key) => guard(() => reads.keyHolder(key)),
    revokedKey: (key) => guard(() => reads.revokedKey(key)),
    revokedKeysOf: (node) => guard(() => reads.revokedKeysOf(node)),
    tokens: () => guard(() => reads.tokens()),
    ...guarded(preparePeople(db, options.onUnreadable ?? (() => {})), guard),
    ...guarded(prepareUsers(db, options.onUnreadable ?? (() => {})), guard),
    ...guarded(prepareValueReads(db), guard),
    idempotent: (key) => guard(() => reads.idempotent(key)),
    setting: (name) => guard(() => reads.setting(name)),
    close() {
      db.close();
      lock.release();
    },
  };
}

function prepareCommit(db: Database, limits: StoreLimits, audit: WriteAudit): (commit: Commit) => number {
  const write = prepareWrites(db);
  const trim = prepareTrim(db, limits);
  const advance: Statement<[], { seq: number }> = db.prepare("UPDATE hub SET seq = seq + 1 RETURNING seq");
  const log = prepareLog(db);
  const used = db.prepare("SELECT 1 FROM idempotency WHERE key = ?");
  const keep = db.prepare("INSERT INTO idempotency (key, request_hash, status, body) VALUES (?, ?, ?, ?)");
  return db.transaction((commit: Commit): number => {
    const { idempotency } = commit;
    if (idempotency !== null && used.get(idempotency.key) !== undefined) {
      throw new StoreError("duplicate", `the idempotency key ${idempotency.key} was used before`);
    }
    const seq = advance.get()?.seq ?? 0;
    let events = 0;
    for (const change of commit.changes) events += write(change, commit.wallMs);
    const watchItems = log(seq, commit);
    if (idempotency !== null) {
      keep.run(idempotency.key, idempotency.requestHash, idempotency.status, idempotency.body);
    }
    if (commit.audit !== null) audit(commit.audit, commit.wallMs);
    trim({ events, watchItems, answered: idempotency?.key ?? null });
    return seq;
  }).immediate;
}

export function prepareObserved(db: Database): (node: NodeId, workloads: readonly WorkloadStatus[]) => void {
  const set = db.prepare(
    "INSERT INTO observed (node, workloads) SELECT id, ? FROM node WHERE id = ? ON CONFLICT DO UPDATE SET workloads = excluded.workloads",
  );
  return (node, workloads) => behind(db, () => void set.run(JSON.stringify(workloads), node));
}

type Guard = <T>(work: () => T) => T;

/** The same rows, each of whose functions is guarded. */
function guarded<T extends object>(rows: T, guard: Guard): T {
  const entries = Object.entries(rows).map(([name, read]: [string, (...words: readonly unknown[]) => unknown]) => [
    name,
    (...words: readonly unknown[]) => guard(() => read(...words)),
  ]);
  // Each name has the function of that name, with the same parameters and answer.
  return Object.fromEntries(entries) as T;
}

/** SQLite's errors as the two kinds that a caller can act on; bugs pass through. */
function prepareGuard(folder: string): Guard {
  let broken: StoreError | null = null;
  return (work) => {
    if (broken !== null) throw broken;
    try {
      return work();
    } catch (cause) {
      const error = asStoreError(cause, folder);
      if (error instanceof StoreError && error.kind === "broken") broken = error;
      throw error;
    }
  };
}

function asStoreError(cause: unknown, folder: string): unknown {
  const code = errorCode(cause);
  if (code === "SQLITE_FULL" || (code.startsWith("SQLITE_IOERR") && diskIsFull(folder))) {
    return new StoreError("full", "the disk that holds the hub's database is full; nothing was changed", { cause });
  }
  if (/^SQLITE_(IOERR|CORRUPT|NOTADB|READONLY|CANTOPEN|PROTOCOL)/.test(code)) {
    return new StoreError(
      "broken",
      `the hub's database failed (${code}); it takes no more changes until the hub is restarted`,
      {
        cause,
      },
    );
  }
  return cause;
}

function diskIsFull(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize < FULL_BELOW_BYTES;
  } catch {
    return false;
  }
}
