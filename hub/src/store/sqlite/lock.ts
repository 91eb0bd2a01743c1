// One process per database. The lock is the kernel's (SQLite's exclusive lock on a file beside the database), so that it is gone
// with its process, even after kill -9. A second file says who holds it; it is words for people and never decides anything.
import { readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import Database from "better-sqlite3";
import { StoreOpenError } from "./open-error.ts";

export interface DatabaseLock {
  release(): void;
}

/** A second hub is told at once: waiting would look like a hang. */
const LOCK_WAIT_MS = 0;

export function lockDatabase(databasePath: string, startedAtMs: number): DatabaseLock {
  const holderPath = `${databasePath}.holder`;
  const lock = new Database(`${databasePath}.lock`, { timeout: LOCK_WAIT_MS });
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    lock.close();
    throw new StoreOpenError(
      "locked",
      `The database ${databasePath} is in use by ${holder(holderPath)}. ` +
        "Only one hub may use it. Stop that one first, or give this one another --data folder.",
      { cause },
    );
  }
  const holderText = `process ${process.pid} on ${hostname()} since ${new Date(startedAtMs).toISOString()}`;
  try {
    writeFileSync(holderPath, holderText, { mode: 0o600 });
  } catch {
    // A full disk must not keep the hub from starting: the name of the holder is a courtesy.
  }
  return { release: () => lock.close() };
}

function holder(path: string): string {
  try {
    return readFileSync(path, "utf8").slice(0, 200) || "another process";
  } catch {
    return "another process";
  }
}
