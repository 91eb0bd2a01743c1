// The audit log on SQLite. An entry is written inside the commit's transaction: one insert, and the chain's end in the row of `hub` that every
// commit writes anyway. No index: a page looks at a bounded number of entries instead. What somebody changed by hand is given back as it is.
import type { Database, Statement } from "better-sqlite3";
import * as z from "zod/mini";
import { type AuditEntry, type AuditLink, type AuditRecord, chained } from "../audit-chain.ts";
import { auditRange, nextAudit } from "../history.ts";
import type { StoreLimits } from "../limits.ts";
import type { AuditPage, AuditQuery } from "../store.ts";

/** Adds the entry, then lets the oldest go. Runs inside a transaction only. */
export type WriteAudit = (record: AuditRecord, wallMs: number) => void;

export function prepareAuditWrites(db: Database, limits: StoreLimits): WriteAudit {
  const last: Statement<[], AuditLink> = db.prepare("SELECT audit_last AS number, audit_last_hash AS hash FROM hub");
  const insert = db.prepare(
    "INSERT INTO audit (number, at_ms, actor, target, target_id, outcome, body, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const setLast = db.prepare("UPDATE hub SET audit_last = ?, audit_last_hash = ?");
  const trim = prepareTrim(db, limits);
  return (record, wallMs) => {
    const { hash, ...content } = chained(record, wallMs, theRow(last.get()));
    const { number, actor, target, targetId, outcome } = content;
    insert.run(number, wallMs, actor, target, targetId, outcome, JSON.stringify(content), hash);
    setLast.run(number, hash);
    trim(number, wallMs);
  };
}

/** By number, and by age except for the newest: a bounded number in each commit, and remembering where the chain now begins. */
function prepareTrim(db: Database, { audit, trimmedPerCommit }: StoreLimits): (last: number, wallMs: number) => void {
  const trimmed: Statement<[], { number: number }> = db.prepare("SELECT audit_trimmed AS number FROM hub");
  const firstYoung: Statement<[number, number], { number: number }> = db.prepare(
    "SELECT number FROM audit WHERE number <= ? AND at_ms >= ? ORDER BY number LIMIT 1",
  );
  const lastGoing: Statement<[number], AuditLink> = db.prepare(
    "SELECT number, hash FROM audit WHERE number <= ? ORDER BY number DESC LIMIT 1",
  );
  const setTrimmed = db.prepare("UPDATE hub SET audit_trimmed = ?, audit_trimmed_hash = ?");
  const remove = db.prepare("DELETE FROM audit WHERE number <= ?");
  return (last, wallMs) => {
    const before = theRow(trimmed.get()).number;
    const most = before + trimmedPerCommit;
    const mayGo = Math.min(last - audit.least, most);
    const tooOld = mayGo <= before ? before : (firstYoung.get(mayGo, wallMs - audit.ageMs)?.number ?? mayGo + 1) - 1;
    const upTo = Math.min(Math.max(last - audit.most, tooOld), most);
    const going = upTo <= before ? undefined : lastGoing.get(upTo);
    if (going === undefined) return;
    setTrimmed.run(going.number, going.hash);
    remove.run(going.number);
  };
}

/** There is always the one row of `hub`: a database without it is not opened. */
function theRow<T>(row: T | undefined): T {
  if (row === undefined) throw new Error("bug: the hub's row is gone");
  return row;
}

interface Ends {
  readonly trimmed: number;
  readonly trimmedHash: string;
  readonly last: number;
  readonly lastHash: string;
}
interface Row {
  readonly number: number;
  readonly body: string;
  readonly hash: string;
}

export function prepareAuditReads(db: Database, limits: StoreLimits): (query: AuditQuery) => AuditPage {
  const ends: Statement<[], Ends> = db.prepare(
    "SELECT audit_trimmed AS trimmed, audit_trimmed_hash AS trimmedHash, audit_last AS last, audit_last_hash AS lastHash FROM hub",
  );
  const select = (order: "ASC" | "DESC"): Statement<[Record<string, unknown>], Row> =>
    db.prepare(`SELECT number, body, hash FROM audit WHERE number BETWEEN $least AND $most
      AND ($actor IS NULL OR actor = $actor)
      AND (($target IS NULL AND $targetId IS NULL) OR target = $target OR target_id = $targetId)
      AND ($sinceMs IS NULL OR at_ms >= $sinceMs)
      AND ($outcome IS NULL OR outcome = $outcome)
      ORDER BY number ${order} LIMIT $limit`);
  const [oldestFirst, newestFirst] = [select("ASC"), select("DESC")];
  return (query) => {
    const row = theRow(ends.get());
    const trimmed = { number: row.trimmed, hash: row.trimmedHash };
    const last = { number: row.last, hash: row.lastHash };
    const range = auditRange(query, { trimmed, last }, limits);
    const { least, most } = range;
    const { actor, target, targetId, sinceMs, outcome, limit } = query;
    const statement = query.from.kind === "after" ? oldestFirst : newestFirst;
    const items = statement.all({ least, most, actor, target, targetId, sinceMs, outcome, limit }).map(toEntry);
    return { items, next: nextAudit(query, range, items), trimmed, last };
  };
}

const text = () => z.nullable(z.string());
const contentSchema = z.object({
  number: z.int(),
  atMs: z.number(),
  actor: text(),
  credential: text(),
  address: text(),
  agent: text(),
  what: text(),
  target: text(),
  targetId: text(),
  before: text(),
  after: text(),
  outcome: z.enum(["done", "refused"]),
  code: text(),
  count: z.int(),
  previous: z.string(),
});

/** Not the usual door for stored JSON: an entry that was spoilt must not stop the hub, but be found by whoever verifies the chain. */
function toEntry({ number, body, hash }: Row): AuditEntry {
  const content = contentSchema.safeParse(parsed(body));
  return content.success ? { ...content.data, hash } : { ...SPOILT, number, hash };
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

const SPOILT: Omit<AuditEntry, "number" | "hash"> = {
  ...{ atMs: 0, actor: null, credential: null, address: null, agent: null, target: null, targetId: null, before: null },
  ...{ after: null, outcome: "refused", code: null, count: 1, previous: "" },
  what: "(not readable)",
};
