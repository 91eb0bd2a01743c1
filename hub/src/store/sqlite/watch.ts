// The log that watchers resume from: what each commit changed, in rows of up to a hundred changes. Read only by watchers.
// An `app-set` is logged by reference, for its spec and source are in `revision` already.
import type { AppName } from "@skerry/shared/model/ids.ts";
import type { Database, Statement } from "better-sqlite3";
import type { DurableChange } from "../../core/change.ts";
import type { FailedSpec } from "../../core/rollout-state.ts";
import { isWatched, wholeCommits } from "../history.ts";
import { WATCH_ITEMS_PER_ROW } from "../limits.ts";
import type { Commit, Store, WatchItem } from "../store.ts";
import { json, parseSpec, specOf } from "./load.ts";

type LoggedChange =
  | Exclude<DurableChange, { readonly kind: "app-set" }>
  | {
      readonly kind: "app-set-by-reference";
      readonly app: AppName;
      readonly revision: number;
      readonly older: readonly number[];
      readonly lastGood: number | null;
      readonly failedSpecs: readonly FailedSpec[];
    };
/** With its place in the commit. */
type LoggedItem = readonly [index: number, change: LoggedChange];

/** Returns how many changes were logged. Runs inside the commit's transaction. */
export function prepareLog(db: Database): (seq: number, commit: Commit) => number {
  const last: Statement<[], { id: number | null }> = db.prepare("SELECT max(id) AS id FROM change_log");
  const insert = db.prepare("INSERT INTO change_log (id, seq, wall_ms, actor, body) VALUES (?, ?, ?, ?, ?)");
  return (seq, { changes, wallMs, actor }) => {
    const items: LoggedItem[] = [];
    for (const [index, change] of changes.entries()) if (isWatched(change)) items.push([index, toLogged(change)]);
    let id = items.length === 0 ? 0 : (last.get()?.id ?? 0);
    for (let from = 0; from < items.length; from += WATCH_ITEMS_PER_ROW) {
      const row = items.slice(from, from + WATCH_ITEMS_PER_ROW);
      id += row.length;
      insert.run(id, seq, wallMs, actor, JSON.stringify(row));
    }
    return items.length;
  };
}

function toLogged(change: DurableChange): LoggedChange {
  if (change.kind !== "app-set") return change;
  const { name, revision, older, lastGood, failedSpecs } = change.app;
  const olderRevisions = older.map((one) => one.revision);
  return { kind: "app-set-by-reference", app: name, revision, older: olderRevisions, lastGood, failedSpecs };
}

interface LogRow {
  readonly seq: number;
  readonly wallMs: number;
  readonly body: string;
}

export function prepareWatch(db: Database): Store["watch"] {
  const bounds: Statement<[], { seq: number; floor: number }> = db.prepare("SELECT seq, watch_floor AS floor FROM hub");
  const after: Statement<[number], LogRow> = db.prepare(
    "SELECT seq, wall_ms AS wallMs, body FROM change_log WHERE seq > ? ORDER BY id",
  );
  const resolve = prepareResolve(db);
  return (since, limit) => {
    const { seq, floor } = bounds.get() ?? { seq: 0, floor: 0 };
    if (since < floor || since > seq) return null;
    const found: Omit<WatchItem, "change">[] = [];
    const logged: LoggedChange[] = [];
    for (const row of after.iterate(since)) {
      // Written by this program from typed values; a migration that changes the form empties the log.
      for (const [index, change] of json("change", row.body) as LoggedItem[]) {
        found.push({ seq: row.seq, index, wallMs: row.wallMs });
        logged.push(change);
      }
      // Past the limit and past the first commit: where to cut is known.
      if (found.length > limit && row.seq !== found[0]?.seq) break;
    }
    const kept = wholeCommits(found, limit);
    return kept.flatMap((item, at) => {
      const change = logged[at];
      return change === undefined ? [] : [{ ...item, change: resolve(change) }];
    });
  };
}

function prepareResolve(db: Database): (logged: LoggedChange) => DurableChange {
  const one: Statement<[AppName, number], { spec: string; source: string; by: string; atMs: number }> = db.prepare(
    "SELECT spec, source, applied_by AS 'by', applied_at_ms AS atMs FROM revision WHERE app = ? AND revision = ?",
  );
  return (logged) => {
    if (logged.kind !== "app-set-by-reference") return logged;
    const { app: name, revision } = logged;
    // A revision that is not there is not readable as a spec either, which is said.
    const stored = one.get(name, revision) ?? { spec: "", source: "", by: "", atMs: 0 };
    const spec = parseSpec(name, revision, stored.spec);
    const older = logged.older.map((number) => ({ revision: number, spec: specOf(db, name, number) }));
    const { lastGood, failedSpecs } = logged;
    const app = { name, revision, spec, older, appliedBy: stored.by, appliedAtMs: stored.atMs, lastGood, failedSpecs };
    return { kind: "app-set", app, source: stored.source };
  };
}
