// For what may be lost in a power cut: written without waiting for the disk; the next commit's fsync carries it along.
import type { Database } from "better-sqlite3";

export function behind(db: Database, write: () => void): void {
  db.pragma("synchronous = NORMAL");
  try {
    write();
  } finally {
    db.pragma("synchronous = FULL");
  }
}
