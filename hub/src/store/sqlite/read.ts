// Queries of history: events, the watch, revisions, tokens. Never called by decisions.
import { nodeEventSchema } from "@skerry/shared/model/event.ts";
import { type AppName, type NodeId, nodeIdSchema, type SpecHash, specHashSchema } from "@skerry/shared/model/ids.ts";
import type { Database, Statement } from "better-sqlite3";
import * as z from "zod/mini";
import type { DurableChange, HubEvent, JoinToken } from "../../core/change.ts";
import { wholeCommits } from "../history.ts";
import type { EventQuery, EventRow, Store, WatchItem } from "../store.ts";
import { json, parse, parseSpec, specOf } from "./load.ts";

export type Reads = Pick<
  Store,
  | "revisions"
  | "revision"
  | "lastRevision"
  | "events"
  | "watch"
  | "credentialHash"
  | "credentialNode"
  | "tokens"
  | "idempotent"
  | "setting"
>;

export function prepareReads(db: Database): Reads {
  const hash: Statement<[NodeId], { hash: string }> = db.prepare("SELECT hash FROM credential WHERE node = ?");
  const holder: Statement<[SpecHash], { node: string }> = db.prepare("SELECT node FROM credential WHERE hash = ?");
  const token: Statement<[], { body: string }> = db.prepare("SELECT body FROM join_token ORDER BY id");
  const answer: Statement<[string], { requestHash: string; status: number; body: string }> = db.prepare(
    "SELECT request_hash AS requestHash, status, body FROM idempotency WHERE key = ?",
  );
  const setting: Statement<[string], { value: string }> = db.prepare("SELECT value FROM setting WHERE name = ?");
  return {
    ...prepareRevisions(db),
    events: prepareEvents(db),
    watch: prepareWatch(db),
    credentialHash(node): SpecHash | null {
      const row = hash.get(node);
      return row === undefined ? null : parse("credential", specHashSchema, row.hash);
    },
    credentialNode(wanted) {
      const row = holder.get(wanted);
      return row === undefined ? null : parse("credential", nodeIdSchema, row.node);
    },
    tokens: () =>
      token.all().map((row): JoinToken => parse("join token", joinTokenSchema, json("join token", row.body))),
    idempotent: (key) => answer.get(key) ?? null,
    setting: (name) => setting.get(name)?.value ?? null,
  };
}

const joinTokenSchema = z.object({
  id: z.string(),
  secretHash: specHashSchema,
  usesLeft: z.int(),
  expiresAtMs: z.number(),
  labels: z.record(z.string(), z.string()),
  createdAtMs: z.number(),
  createdBy: z.string(),
});

function prepareRevisions(db: Database): Pick<Reads, "revisions" | "revision" | "lastRevision"> {
  const all: Statement<[AppName], { revision: number; appliedAtMs: number; appliedBy: string }> = db.prepare(
    "SELECT revision, applied_at_ms AS appliedAtMs, applied_by AS appliedBy FROM revision WHERE app = ? ORDER BY revision",
  );
  const one: Statement<[AppName, number], { spec: string; source: string }> = db.prepare(
    "SELECT spec, source FROM revision WHERE app = ? AND revision = ?",
  );
  const last: Statement<[AppName], { last: number | null }> = db.prepare(
    "SELECT max(revision) AS last FROM revision WHERE app = ?",
  );
  return {
    revisions: (app) => all.all(app),
    revision(app, revision) {
      const row = one.get(app, revision);
      return row === undefined ? null : { spec: parseSpec(app, revision, row.spec), source: row.source };
    },
    lastRevision: (app) => last.get(app)?.last ?? 0,
  };
}

interface StoredEventRow {
  readonly id: number;
  readonly wallMs: number;
  readonly node: EventRow["node"];
  readonly app: EventRow["app"];
  readonly workload: EventRow["workload"];
  readonly nodeSeq: number | null;
  readonly body: string;
}

/** One statement per combination of filters, so that each can use its index; made when first asked for. */
function prepareEvents(db: Database): Reads["events"] {
  const statements = new Map<string, Statement<unknown[], StoredEventRow>>();
  return (query) => {
    const filters = (["workload", "node", "app"] as const).filter((column) => query[column] !== null);
    const sql = eventSql(filters, query.afterId !== null);
    const statement = statements.get(sql) ?? db.prepare<unknown[], StoredEventRow>(sql);
    statements.set(sql, statement);
    const bound = [...filters.map((column) => query[column]), ...(query.afterId === null ? [] : [query.afterId])];
    const found = statement.all(...bound, query.limit).map(toEventRow);
    return query.afterId === null ? found.reverse() : found;
  };
}

function eventSql(filters: readonly (keyof EventQuery & string)[], after: boolean): string {
  const conditions = [...filters.map((column) => `${column} = ?`), ...(after ? ["id > ?"] : [])];
  const where = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
  return (
    "SELECT id, wall_ms AS wallMs, node, app, workload, node_seq AS nodeSeq, body FROM event " +
    `${where} ORDER BY id ${after ? "ASC" : "DESC"} LIMIT ?`
  );
}

function toEventRow(row: StoredEventRow): EventRow {
  const { nodeSeq, body, ...rest } = row;
  const event = json("event", body);
  return {
    ...rest,
    event:
      nodeSeq === null
        ? // Written by this program from a typed value; a migration that changes the form of hub events rewrites or drops them.
          { source: "hub", event: event as HubEvent }
        : { source: "node", seq: nodeSeq, event: parse("event", nodeEventSchema, event) },
  };
}

interface LoggedRow {
  readonly seq: number;
  readonly index: number;
  readonly wallMs: number;
  readonly body: string;
}

/** What the log holds in place of an `app-set`, whose spec and source are in `revision` already. */
export type LoggedChange =
  | Exclude<DurableChange, { kind: "app-set" }>
  | {
      readonly kind: "app-set-by-reference";
      readonly app: AppName;
      readonly revision: number;
      readonly older: readonly number[];
    };

export function toLogged(change: DurableChange): LoggedChange {
  if (change.kind !== "app-set") return change;
  return {
    kind: "app-set-by-reference",
    app: change.app.name,
    revision: change.app.revision,
    older: change.app.older.map(({ revision }) => revision),
  };
}

function prepareWatch(db: Database): Reads["watch"] {
  const bounds: Statement<[], { seq: number; floor: number }> = db.prepare("SELECT seq, watch_floor AS floor FROM hub");
  const page: Statement<[number, number], LoggedRow> = db.prepare(
    'SELECT seq, position AS "index", wall_ms AS wallMs, body FROM change_log WHERE seq > ? ORDER BY id LIMIT ?',
  );
  const one: Statement<[number], LoggedRow> = db.prepare(
    'SELECT seq, position AS "index", wall_ms AS wallMs, body FROM change_log WHERE seq = ? ORDER BY id',
  );
  const resolve = prepareResolve(db);
  return (since, limit) => {
    const { seq, floor } = bounds.get() ?? { seq: 0, floor: 0 };
    if (since < floor || since > seq) return null;
    const found = page.all(since, limit + 1);
    const first = found[0];
    // The whole page may be one commit that goes on past it.
    const complete =
      first !== undefined && found.length > limit && found[limit]?.seq === first.seq ? one.all(first.seq) : found;
    return wholeCommits(
      complete.map((row) => ({ seq: row.seq, index: row.index, wallMs: row.wallMs, change: resolve(row.body) })),
      limit,
    );
  };
}

function prepareResolve(db: Database): (body: string) => WatchItem["change"] {
  const one: Statement<[AppName, number], { spec: string; source: string; by: string; atMs: number }> = db.prepare(
    "SELECT spec, source, applied_by AS 'by', applied_at_ms AS atMs FROM revision WHERE app = ? AND revision = ?",
  );
  return (body) => {
    // Written by this program from a typed value; a migration that changes the form empties the log.
    const logged = json("change", body) as LoggedChange;
    if (logged.kind !== "app-set-by-reference") return logged;
    const row = one.get(logged.app, logged.revision);
    const stored = row ?? { spec: "", source: "", by: "", atMs: 0 };
    const spec = parseSpec(logged.app, logged.revision, stored.spec);
    const older = logged.older.map((revision) => ({ revision, spec: specOf(db, logged.app, revision) }));
    const app = {
      name: logged.app,
      revision: logged.revision,
      spec,
      older,
      appliedBy: stored.by,
      appliedAtMs: stored.atMs,
    };
    return { kind: "app-set", app, source: stored.source };
  };
}
