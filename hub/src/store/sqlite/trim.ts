// Lets the oldest history go, inside each commit and by id, so that it costs what the commit added and never a scan.
import type { Database, Statement } from "better-sqlite3";
import type { StoreLimits } from "../limits.ts";

export interface Added {
  readonly events: number;
  readonly watchItems: number;
  readonly idempotentAnswers: number;
}

export function prepareTrim(db: Database, limits: StoreLimits): (added: Added) => void {
  const trimEvents = prepareTable(db, "event", limits.events, limits);
  const trimAnswers = prepareTable(db, "idempotency", limits.idempotentAnswers, limits);
  const trimLog = prepareTable(db, "change_log", limits.watchItems, limits);
  const floorAt: Statement<[number], { seq: number }> = db.prepare(
    "SELECT seq FROM change_log WHERE id <= ? ORDER BY id DESC LIMIT 1",
  );
  const raiseFloor = db.prepare("UPDATE hub SET watch_floor = max(watch_floor, ?)");
  return (added) => {
    trimEvents(added.events, () => {});
    trimAnswers(added.idempotentAnswers, () => {});
    trimLog(added.watchItems, (upTo) => {
      const last = floorAt.get(upTo)?.seq;
      if (last !== undefined) raiseFloor.run(last);
    });
  };
}

/** `beforeDelete` is told the largest id that goes. */
type TrimTable = (added: number, beforeDelete: (upTo: number) => void) => void;

function prepareTable(db: Database, table: string, most: number, limits: StoreLimits): TrimTable {
  const ends: Statement<[], { first: number | null; last: number | null }> = db.prepare(
    `SELECT (SELECT min(id) FROM ${table}) AS first, (SELECT max(id) FROM ${table}) AS last`,
  );
  const remove = db.prepare(`DELETE FROM ${table} WHERE id <= ?`);
  return (added, beforeDelete) => {
    if (added === 0) return;
    const { first, last } = ends.get() ?? { first: null, last: null };
    if (first === null || last === null) return;
    // Ids count what is kept (a row of the log holds several changes, and its id counts all of them): rows go only from the front. Twice what came in, so that a lowered limit is reached in the end.
    const excess = last - first + 1 - most;
    const going = Math.min(excess, Math.max(limits.trimmedPerCommit, 2 * added));
    if (going <= 0) return;
    const upTo = first + going - 1;
    beforeDelete(upTo);
    remove.run(upTo);
  };
}
