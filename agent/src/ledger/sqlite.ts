// The ledger in SQLite: WAL with synchronous=FULL, so that a commit that returned survives the power going in the next instant.
// Written only when something changes, never by a timer. A database that cannot be read is moved aside, never deleted, and the
// ledger starts empty and says why: containers are then adopted from their labels. It must never lose the node's identity.
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { syncFolderOf } from "@skerry/shared/runtime/durable-file.ts";
import Database from "better-sqlite3";
import { assignmentFault } from "./authentic.ts";
import { applyChanges, type Touched } from "./content.ts";
import { givesUpKeys, IdentityFile } from "./identity-file.ts";
import { type Identity, type Ledger, type LedgerChange, type LedgerContent, LedgerError } from "./ledger.ts";
import type { OpenedLedger } from "./opened.ts";
import { parseAssignment, parseBoots, parseEvent, parseIdentity, parseMemory, parseSeal } from "./stored.ts";

const SCHEMA_VERSION = 1;
/** 64 MB of 4 KB pages: twenty times the largest content. A runaway must not fill a node's disk. */
const MAX_PAGES = 16_384;
/** Folded back into the database at a commit once it has so many pages (0.8 MB); SQLite's own 4 MB is much on a small card. */
const WAL_PAGES = 200;
/** KiB of page cache: everything is read once at start, so a large one would be memory for nothing. */
const CACHE_KIB = 256;
/** Damaged databases kept for a look; an endless series must not fill the disk. */
const DAMAGED_KEPT = 3;
/** Let go when the disk is full, so that the newest assignment can still be written. */
const RESERVE_BYTES = 1_048_576;

const SCHEMA = `
  CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE memory (workload TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE container (id TEXT PRIMARY KEY, workload TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE outbox (seq INTEGER PRIMARY KEY, value TEXT NOT NULL) STRICT;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

export interface SqliteLedgerOptions {
  /** Made when missing, for its owner only. */
  readonly folder: string;
  /** For tests of a full disk. */
  readonly maxPages?: number;
}

/** Throws LedgerError when the folder cannot be used, another agent holds it, or a newer Skerry wrote it. */
export function openSqliteLedger({ folder, maxPages = MAX_PAGES }: SqliteLedgerOptions): OpenedLedger {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
    const identityFile = new IdentityFile(folder);
    const { store, content, rebuilt } = openStore(folder, maxPages, identityFile);
    keepReserve(folder);
    return { ledger: new SqliteLedger(folder, maxPages, store, identityFile, content), rebuilt };
  } catch (error) {
    throw ledgerError(`open the ledger in ${folder}`, error);
  }
}

class SqliteLedger implements Ledger {
  readonly #folder: string;
  readonly #maxPages: number;
  readonly #identityFile: IdentityFile;
  #store: Store;
  #content: LedgerContent;
  /** After a failed write nobody knows what the disk holds: it is read again before the next one. */
  #doubtful = false;

  constructor(folder: string, maxPages: number, store: Store, identityFile: IdentityFile, content: LedgerContent) {
    this.#folder = folder;
    this.#maxPages = maxPages;
    this.#store = store;
    this.#identityFile = identityFile;
    this.#content = content;
  }

  content(): LedgerContent {
    return this.#content;
  }

  commit(changes: readonly LedgerChange[]): void {
    if (changes.length === 0) return;
    try {
      if (this.#doubtful) this.#readAgain();
      this.#write(changes);
    } catch (error) {
      const failed = ledgerError("write the ledger", error);
      const eventsOnly = changes.every((change) => change.kind === "event" || change.kind === "hub-contact");
      this.#doubtful = failed.kind === "broken";
      if (failed.kind !== "full" || eventsOnly || !dropReserve(this.#folder)) throw failed;
      this.commit(changes);
    }
  }

  close(): void {
    this.#store.close();
  }

  #write(changes: readonly LedgerChange[]): void {
    const { content, touched } = applyChanges(this.#content, changes);
    // First the side file: it may know more than the database, never less.
    this.#identityFile.cover(content.identity, content.nextSeq);
    this.#store.write(content, touched);
    if (givesUpKeys(this.#content.identity, content.identity)) this.#store.foldIn();
    this.#content = content;
  }

  #readAgain(): void {
    this.#store.close();
    const { store, content } = openStore(this.#folder, this.#maxPages, this.#identityFile);
    this.#store = store;
    this.#content = content;
    this.#doubtful = false;
  }
}

function openStore(
  folder: string,
  maxPages: number,
  identityFile: IdentityFile,
): { store: Store; content: LedgerContent; rebuilt: string | null } {
  const path = join(folder, "ledger.db");
  const wasThere = existsSync(path) && statSync(path).size > 0;
  try {
    const store = new Store(path, maxPages);
    try {
      return readOrBegin(store, identityFile, wasThere ? "the ledger was empty" : "the ledger was missing");
    } catch (error) {
      store.close();
      throw error;
    }
  } catch (error) {
    const damage = damageIn(error);
    if (damage === null) throw error;
    moveAside(path);
    const store = new Store(path, maxPages);
    return readOrBegin(store, identityFile, `the ledger was damaged: ${damage}`);
  }
}

function readOrBegin(
  store: Store,
  identityFile: IdentityFile,
  whyNew: string,
): { store: Store; content: LedgerContent; rebuilt: string | null } {
  const { identity, seqReserved } = identityFile;
  // A power cut right after the tables are made must lose neither the numbering nor the fact that something was lost.
  store.begin(identity === null ? null : { nextSeq: seqReserved, rebuilt: whyNew });
  const { content: read, rebuilt } = store.read();
  const content = { ...read, identity: newer(identity, read.identity) };
  const fault = assignmentFault(content);
  if (fault !== null) throw new DamageError(fault);
  if (givesUpKeys(read.identity, content.identity)) catchUp(store, content);
  return { store, content, rebuilt };
}

/** The power went after a key was given up in the side file, and before that was in the database. */
function catchUp(store: Store, content: LedgerContent): void {
  const { identity } = content;
  if (identity === null) return;
  try {
    store.write(content, applyChanges(content, [{ kind: "identity", identity }]).touched);
    store.foldIn();
  } catch (error) {
    if (!(error instanceof Database.SqliteError)) throw error;
    // A disk that is full keeps no agent from starting: it is tried again at the next start.
  }
}

/** The side file's, unless it had to fall back to its older copy: a key or a mark that is behind would look like a copied disk's. */
function newer(beside: Identity | null, inside: Identity | null): Identity | null {
  if (beside === null || inside === null) return beside ?? inside;
  if (inside.keyStep !== beside.keyStep) return inside.keyStep > beside.keyStep ? inside : beside;
  return (inside.mark?.count ?? 0) > (beside.mark?.count ?? 0) ? inside : beside;
}

/** The statements. Prepared once: preparing costs more than running. */
class Store {
  readonly #db: Database.Database;
  #write: ((content: LedgerContent, touched: Touched) => void) | null = null;

  constructor(path: string, maxPages: number) {
    // Made here first, so that it and the WAL beside it are readable by their owner only.
    closeSync(openSync(path, "a", 0o600));
    this.#db = new Database(path, { timeout: 0 });
    try {
      // One agent per folder; it also spares the shared-memory file that a WAL otherwise needs.
      this.#db.pragma("locking_mode = EXCLUSIVE");
      this.#db.pragma("journal_mode = WAL");
      this.#db.pragma("synchronous = FULL");
      this.#db.pragma(`wal_autocheckpoint = ${WAL_PAGES}`);
      this.#db.pragma(`cache_size = -${CACHE_KIB}`);
      this.#db.pragma("temp_store = MEMORY");
      this.#db.pragma("trusted_schema = OFF");
      // A key that was given up must not lie in a page that is free.
      this.#db.pragma("secure_delete = ON");
      this.#db.pragma("cell_size_check = ON");
      this.#db.pragma(`max_page_count = ${maxPages}`);
      // Takes the lock now: a second agent must fail at its start, not at its first write.
      this.#db.exec("BEGIN IMMEDIATE; COMMIT");
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** A new database gets its tables. `lost`: this node had another one before. */
  begin(lost: { readonly nextSeq: number; readonly rebuilt: string } | null): void {
    const version = Number(this.#db.pragma("user_version", { simple: true }));
    if (version > SCHEMA_VERSION) {
      throw new LedgerError(
        "broken",
        `the ledger was written by a newer Skerry (format ${version}, this one knows ${SCHEMA_VERSION}): install that version again`,
      );
    }
    if (version === SCHEMA_VERSION) return;
    this.#db.transaction(() => {
      this.#db.exec(SCHEMA);
      if (lost === null) return;
      const setFact = this.#db.prepare("INSERT INTO fact (name, value) VALUES (?, ?)");
      setFact.run("next-seq", String(lost.nextSeq));
      setFact.run("rebuilt", lost.rebuilt);
    })();
    syncFolderOf(this.#db.name);
  }

  /** `rebuilt` stands until an event that tells of it is durable. */
  read(): { readonly content: LedgerContent; readonly rebuilt: string | null } {
    const check = this.#db.pragma("quick_check(1)", { simple: true });
    if (check !== "ok") throw new DamageError(String(check));
    const facts = new Map(this.#pairs("SELECT name, value FROM fact"));
    const fact = <T>(name: string, parse: (text: string) => T): T | null => {
      const value = facts.get(name);
      return value === undefined ? null : parse(value);
    };
    try {
      const content: LedgerContent = {
        identity: fact("identity", parseIdentity),
        assignment: fact("assignment", parseAssignment),
        seal: fact("seal", parseSeal),
        // Keys are what `write` put there from values of these types.
        memory: new Map(
          this.#pairs("SELECT workload, value FROM memory ORDER BY workload").map(([id, value]) => [
            id as WorkloadId,
            parseMemory(value),
          ]),
        ),
        containers: new Map(
          this.#pairs("SELECT id, workload FROM container ORDER BY id").map(([id, workload]) => [
            id,
            workload as WorkloadId,
          ]),
        ),
        outbox: this.#pairs("SELECT seq, value FROM outbox ORDER BY seq").map(([, value]) => parseEvent(value)),
        nextSeq: fact("next-seq", Number) ?? 1,
        bootId: fact("boot", String),
        boots: fact("boots", parseBoots),
        lastHubContactWallMs: fact("hub-contact", Number),
      };
      return { content, rebuilt: fact("rebuilt", String) };
    } catch (error) {
      if (error instanceof Database.SqliteError) throw error;
      throw new DamageError("a stored value does not fit its format", { cause: error });
    }
  }

  write(content: LedgerContent, touched: Touched): void {
    this.#write ??= this.#prepareWrite();
    this.#write(content, touched);
  }

  /** What was written over is not in the WAL any more either. */
  foldIn(): void {
    this.#db.pragma("wal_checkpoint(TRUNCATE)");
  }

  close(): void {
    this.#db.close();
  }

  #prepareWrite(): (content: LedgerContent, touched: Touched) => void {
    const db = this.#db;
    const setFact = db.prepare("INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)");
    const dropFact = db.prepare("DELETE FROM fact WHERE name = ?");
    const setMemory = db.prepare("INSERT OR REPLACE INTO memory (workload, value) VALUES (?, ?)");
    const dropMemory = db.prepare("DELETE FROM memory WHERE workload = ?");
    const setContainer = db.prepare("INSERT OR REPLACE INTO container (id, workload) VALUES (?, ?)");
    const dropContainer = db.prepare("DELETE FROM container WHERE id = ?");
    const dropEvents = db.prepare("DELETE FROM outbox WHERE seq <= ?");
    const putEvent = db.prepare("INSERT INTO outbox (seq, value) VALUES (?, ?)");
    const transaction = db.transaction((content: LedgerContent, touched: Touched) => {
      if (touched.identity) setFact.run("identity", JSON.stringify(content.identity));
      if (touched.assignment) {
        setFact.run("assignment", JSON.stringify(content.assignment));
        setFact.run("seal", JSON.stringify(content.seal));
      }
      if (touched.boot) setFact.run("boot", content.bootId);
      if (touched.boots) setFact.run("boots", JSON.stringify(content.boots));
      if (touched.hubContact) setFact.run("hub-contact", String(content.lastHubContactWallMs));
      for (const id of touched.memory) {
        const memory = content.memory.get(id);
        if (memory === undefined) dropMemory.run(id);
        else setMemory.run(id, JSON.stringify(memory));
      }
      for (const id of touched.containers) {
        const workload = content.containers.get(id);
        if (workload === undefined) dropContainer.run(id);
        else setContainer.run(id, workload);
      }
      if (touched.removedThrough > 0) dropEvents.run(touched.removedThrough);
      for (const event of touched.putEvents) {
        putEvent.run(event.seq, JSON.stringify(event));
        if (event.event.kind === "ledger-rebuilt") dropFact.run("rebuilt");
      }
      if (touched.removedThrough > 0 || touched.putEvents.length > 0) setFact.run("next-seq", String(content.nextSeq));
    });
    return (content, touched) => transaction.immediate(content, touched);
  }

  #pairs(sql: string): [string, string][] {
    // Both columns of these queries are TEXT or INTEGER by STRICT tables.
    const rows = this.#db.prepare(sql).raw().all() as [string | number, string][];
    return rows.map(([key, value]) => [String(key), value]);
  }
}

/** What was read is not what was ever written. */
class DamageError extends Error {
  override name = "DamageError";
}

function damageIn(error: unknown): string | null {
  if (error instanceof DamageError) return error.message;
  if (!(error instanceof Database.SqliteError)) return null;
  return /^SQLITE_(CORRUPT|NOTADB)/.test(error.code) ? error.message : null;
}

/** ledger.db → ledger.db.damaged-1; earlier ones move up, the oldest goes. */
function moveAside(path: string): void {
  for (const part of ["", "-wal", "-shm", "-journal"]) {
    for (let number = DAMAGED_KEPT; number >= 1; number -= 1) {
      const from = number === 1 ? path + part : `${path}.damaged-${number - 1}${part}`;
      const to = `${path}.damaged-${number}${part}`;
      rmSync(to, { force: true });
      if (existsSync(from)) renameSync(from, to);
    }
  }
  syncFolderOf(path);
}

const reservePath = (folder: string): string => join(folder, "reserve");

/** Real bytes, not a hole: only those give space back. */
function keepReserve(folder: string): void {
  const path = reservePath(folder);
  if (existsSync(path) && statSync(path).size === RESERVE_BYTES) return;
  try {
    writeFileSync(path, Buffer.alloc(RESERVE_BYTES, 0x55), { mode: 0o600 });
  } catch {
    // A disk that is full already has no room for a reserve: the ledger itself may still fit.
    rmSync(path, { force: true });
  }
}

/** True when there was one to let go. */
function dropReserve(folder: string): boolean {
  const path = reservePath(folder);
  if (!existsSync(path)) return false;
  rmSync(path, { force: true });
  return true;
}

function ledgerError(what: string, error: unknown): LedgerError {
  if (error instanceof LedgerError) return error;
  const words = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "SQLITE_FULL" || code === "ENOSPC" || code === "EDQUOT") {
    return new LedgerError("full", `could not ${what}: no space left on its disk; free some`, { cause: error });
  }
  if (code === "SQLITE_BUSY") {
    return new LedgerError("broken", `could not ${what}: another agent uses it; stop that one first`, { cause: error });
  }
  if (code === "EACCES" || code === "EPERM" || code === "EROFS" || code === "SQLITE_READONLY") {
    return new LedgerError("broken", `could not ${what}: it may not be written (${words})`, { cause: error });
  }
  return new LedgerError("broken", `could not ${what}: ${words}`, { cause: error });
}
