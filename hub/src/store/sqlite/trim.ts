// Lets the oldest history go, inside each commit. Events and the log go by id, so that it costs what the commit added and never a scan;
// stored answers, which are few, are counted.
import type { Database, Statement } from "better-sqlite3";
import { keysOfHolder } from "../history.ts";
import type { StoreLimits } from "../limits.ts";

export interface Added {
  readonly events: number;
  readonly watchItems: number;
  /** The idempotency key of an answer that was stored. */
  readonly answered: string | null;
}

export function prepareTrim(db: Database, limits: StoreLimits): (added: Added) => void {
  const trimEvents = prepareTable(db, "event", limits.events, limits);
  const trimAnswers = prepareAnswers(db, limits);
  const trimLog = prepareTable(db, "change_log", limits.watchItems, limits);
  const floorAt: Statement<[number], { seq: number }> = db.prepare(
    "SELECT seq FROM change_log WHERE id <= ? ORDER BY id DESC LIMIT 1",
  );
  const raiseFloor = db.prepare("UPDATE hub SET watch_floor = max(watch_floor, ?)");
  return (added) => {
    trimEvents(added.events, () => {});
    if (added.answered !== null) trimAnswers(added.answered);
    trimLog(added.watchItems, (upTo) => {
      const last = floorAt.get(upTo)?.seq;
      if (last !== undefined) raiseFloor.run(last);
    });
  };
}

/** First the holder's own, so that one who asks without end pushes out nobody else's. Counting a thousand takes 50 µs, all of them 15. */
function prepareAnswers(db: Database, limits: StoreLimits): (key: string) => void {
  const [all, own] = ["FROM idempotency", "FROM idempotency WHERE key >= ? AND key < ?"];
  const trim = (from: string, most: number): ((...keys: string[]) => void) => {
    const counted: Statement<string[], { count: number }> = db.prepare(`SELECT count(*) AS count ${from}`);
    const remove = db.prepare(`DELETE FROM idempotency WHERE id IN (SELECT id ${from} ORDER BY id LIMIT ?)`);
    return (...keys) => {
      const going = Math.min((counted.get(...keys)?.count ?? 0) - most, limits.trimmedPerCommit);
      if (going > 0) remove.run(...keys, going);
    };
  };
  const trimOwn = trim(own, limits.idempotentAnswersEach);
  const trimAll = trim(all, limits.idempotentAnswers);
  return (key) => {
    const { least, end } = keysOfHolder(key);
    trimOwn(least, end);
    trimAll();
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
