// Opens the hub's database, or says in plain words why not. It must never start fresh over something that is there already:
// a new database is made under another name and renamed when it is whole, so an empty or short file is always damage.
import { existsSync, mkdirSync, realpathSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { syncFolderOf } from "@skerry/shared/runtime/durable-file.ts";
import Database, { type Database as Db } from "better-sqlite3";
import { type DatabaseLock, lockDatabase } from "./lock.ts";
import { APPLICATION_ID, migrate } from "./migrations.ts";
import { StoreOpenError } from "./open-error.ts";

/** Only a person's sqlite3 shell can hold it besides us; half a second is longer than one statement of theirs. */
const BUSY_TIMEOUT_MS = 500;
/** Pages of write-ahead log (4 KiB each) after which SQLite copies them into the database: bounds the log at about 8 MB. */
const CHECKPOINT_PAGES = 2_000;
/** Of pages that were read or written, in place of better-sqlite3's 16 MB: the World is in memory, and history is read in order. */
const CACHE_KIB = 4_096;

const WHAT_TO_DO =
  "The hub does not start, so that nothing more is lost; containers on the nodes run on. " +
  "Keep a copy of the folder, check the disk, and put back a backup of the folder.";

export interface OpenDatabase {
  readonly db: Db;
  readonly lock: DatabaseLock;
}

export interface FirstStart {
  readonly installation: string;
  readonly epoch: number;
}

/** `first` is asked only when there is no database yet. `startedAtMs`: wall clock, for the words in the lock. */
export function openDatabase(path: string, startedAtMs: number, first: () => FirstStart): OpenDatabase {
  const real = realDatabasePath(path);
  const lock = attempt(real, () => lockDatabase(real, startedAtMs));
  let db: Db | null = null;
  try {
    if (!existsSync(real)) attempt(real, () => createDatabase(real, first()));
    db = attempt(real, () => openExisting(real));
    return { db, lock };
  } catch (error) {
    db?.close();
    lock.release();
    throw error;
  }
}

function realDatabasePath(path: string): string {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // Two paths to one folder must meet the same lock.
    return existsSync(path)
      ? realpathSync(path)
      : join(realpathSync(dirname(path)), path.slice(dirname(path).length + 1));
  } catch (cause) {
    throw new StoreOpenError(
      "unwritable",
      `The folder ${dirname(path)} cannot be used: ${message(cause)}. Create it with write access for this user, or give another --data folder.`,
      { cause },
    );
  }
}

function createDatabase(path: string, first: FirstStart): void {
  if (existsSync(`${path}-wal`)) {
    throw new StoreOpenError(
      "damaged",
      `The database ${path} is missing, but its log ${path}-wal is there. ${WHAT_TO_DO}`,
    );
  }
  const fresh = `${path}.new`;
  for (const left of [fresh, `${fresh}-journal`, `${fresh}-wal`, `${fresh}-shm`]) rmSync(left, { force: true });
  const db = new Database(fresh);
  try {
    db.pragma("synchronous = FULL");
    db.pragma(`application_id = ${APPLICATION_ID}`);
    migrate(db, path);
    db.prepare("INSERT INTO hub (id, installation, epoch, seq, watch_floor) VALUES (1, ?, ?, 0, 0)").run(
      first.installation,
      first.epoch,
    );
    db.pragma("journal_mode = WAL");
  } finally {
    db.close();
  }
  renameSync(fresh, path);
  syncFolderOf(path);
}

function openExisting(path: string): Db {
  if (statSync(path).size === 0) throw new StoreOpenError("damaged", `The database ${path} is empty. ${WHAT_TO_DO}`);
  const db = new Database(path, { fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  try {
    checkOurs(db, path);
    if (db.pragma("journal_mode = WAL", { simple: true }) !== "wal") {
      throw new StoreOpenError(
        "unwritable",
        `The database ${path} cannot use a write-ahead log: is its folder on a network file system?`,
      );
    }
    db.pragma("synchronous = FULL");
    db.pragma("foreign_keys = ON");
    db.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    db.pragma(`cache_size = -${CACHE_KIB}`);
    checkWhole(db, path);
    migrate(db, path);
    if (db.prepare("SELECT 1 FROM hub").get() === undefined) {
      throw new StoreOpenError("damaged", `The database ${path} holds no installation. ${WHAT_TO_DO}`);
    }
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function checkOurs(db: Db, path: string): void {
  if (Number(db.pragma("application_id", { simple: true })) === APPLICATION_ID) return;
  throw new StoreOpenError("damaged", `The file ${path} is not a database of a Skerry hub. ${WHAT_TO_DO}`);
}

/** quick_check reads every page once: about a second per gigabyte, at start only. */
function checkWhole(db: Db, path: string): void {
  const found = db.pragma("quick_check(1)", { simple: true });
  if (found === "ok") return;
  throw new StoreOpenError("damaged", `The database ${path} is damaged (${String(found)}). ${WHAT_TO_DO}`);
}

/** Turns SQLite's and the system's errors at opening into words. */
function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof StoreOpenError) throw cause;
    const code = errorCode(cause);
    if (code === "SQLITE_NOTADB" || code.startsWith("SQLITE_CORRUPT")) {
      throw new StoreOpenError("damaged", `The database ${path} is damaged (${message(cause)}). ${WHAT_TO_DO}`, {
        cause,
      });
    }
    if (code === "SQLITE_FULL" || code === "ENOSPC") {
      throw new StoreOpenError(
        "unwritable",
        `The disk that holds ${path} is full. Free some space and start again; nothing was lost.`,
        { cause },
      );
    }
    if (/^(SQLITE_(IOERR|CANTOPEN|READONLY|PERM|AUTH|BUSY)|E[A-Z]+$)/.test(code)) {
      throw new StoreOpenError(
        "unwritable",
        `The database ${path} cannot be opened (${message(cause)}). Check that this user may write there and that the disk works.`,
        { cause },
      );
    }
    throw cause;
  }
}

export function errorCode(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return "";
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
