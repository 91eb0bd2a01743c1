// Queries of history: events, revisions, tokens. Never called by decisions.
import { nodeEventSchema } from "@skerry/shared/model/event.ts";
import {
  type AppName,
  type NodeId,
  nodeIdSchema,
  nodeNameSchema,
  type PublicKey,
  publicKeySchema,
  specHashSchema,
} from "@skerry/shared/model/ids.ts";
import type { Database, Statement } from "better-sqlite3";
import * as z from "zod/mini";
import type { HubEvent, JoinToken, RevokedKey } from "../../core/change.ts";
import type { EventQuery, EventRow, EventScope, Store } from "../store.ts";
import { bodies, json, parse, parseSpec } from "./load.ts";
import { rolloutSchema } from "./rollout-rows.ts";

export type Reads = Pick<
  Store,
  | "revisions"
  | "revision"
  | "lastRevision"
  | "rollouts"
  | "events"
  | "publicKey"
  | "keyHolder"
  | "revokedKey"
  | "revokedKeysOf"
  | "tokens"
  | "idempotent"
  | "setting"
>;

export function prepareReads(db: Database): Reads {
  const key: Statement<[NodeId], { publicKey: string }> = db.prepare(
    "SELECT public_key AS publicKey FROM node_key WHERE node = ?",
  );
  const holder: Statement<[PublicKey], { node: string }> = db.prepare("SELECT node FROM node_key WHERE public_key = ?");
  const token: Statement<[], { body: string }> = db.prepare("SELECT body FROM join_token ORDER BY id");
  const answer: Statement<[string], { requestHash: string; status: number; body: string }> = db.prepare(
    "SELECT request_hash AS requestHash, status, body FROM idempotency WHERE key = ?",
  );
  const setting: Statement<[string], { value: string }> = db.prepare("SELECT value FROM setting WHERE name = ?");
  return {
    ...prepareRevisions(db),
    events: prepareEvents(db),
    rollouts: (app, limit) => bodies(db, "rollout", rolloutSchema, ROLLOUTS_SQL, app, limit),
    publicKey(node): PublicKey | null {
      const row = key.get(node);
      return row === undefined ? null : parse("node key", publicKeySchema, row.publicKey);
    },
    keyHolder(wanted) {
      const row = holder.get(wanted);
      return row === undefined ? null : parse("node key", nodeIdSchema, row.node);
    },
    revokedKey: (wanted) => revokedKeys(db, "SELECT body FROM revoked_key WHERE public_key = ?", wanted)[0] ?? null,
    revokedKeysOf: (node) => revokedKeys(db, "SELECT body FROM revoked_key WHERE node = ?", node),
    tokens: () =>
      token.all().map((row): JoinToken => parse("join token", joinTokenSchema, json("join token", row.body))),
    idempotent: (key) => answer.get(key) ?? null,
    setting: (name) => setting.get(name)?.value ?? null,
  };
}

const ROLLOUTS_SQL = "SELECT body FROM rollout WHERE app = ? ORDER BY revision DESC LIMIT ?";

const revokedKeySchema = z.object({
  publicKey: publicKeySchema,
  node: nodeIdSchema,
  name: nodeNameSchema,
  revokedAtMs: z.number(),
  revokedBy: z.string(),
  why: z._default(z.enum(["revoked", "replaced"]), "revoked"),
});
const revokedKeys = (db: Database, sql: string, wanted: string): readonly RevokedKey[] =>
  bodies(db, "revoked key", revokedKeySchema, sql, wanted);

const joinTokenSchema = z.object({
  id: z.string(),
  secretHash: specHashSchema,
  usesLeft: z.int(),
  expiresAtMs: z.number(),
  labels: z.record(z.string(), z.string()),
  approval: z._default(z.boolean(), false),
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
    const within = scopeSql(query.within);
    const sql = eventSql(filters, within.sql, query.afterId !== null);
    const statement = statements.get(sql) ?? db.prepare<unknown[], StoredEventRow>(sql);
    statements.set(sql, statement);
    const bound = [
      ...filters.map((column) => query[column]),
      ...within.bound,
      ...(query.afterId === null ? [] : [query.afterId]),
    ];
    const found = statement.all(...bound, query.limit).map(toEventRow);
    return query.afterId === null ? found.reverse() : found;
  };
}

/** As conditions on columns, with what is bound to them: lists go in as JSON, so that one statement serves all of them. */
function scopeSql(within: EventScope | null): { readonly sql: readonly string[]; readonly bound: readonly string[] } {
  if (within === null) return { sql: [], bound: [] };
  const { apps, nodes } = within;
  const ofApp = apps === null ? "app IS NOT NULL" : "app IN (SELECT value FROM json_each(?))";
  const ofNode = nodes === null ? "node IS NOT NULL" : "node IN (SELECT value FROM json_each(?))";
  return {
    sql: [`(${ofApp} OR (app IS NULL AND ${ofNode}))`],
    bound: [apps, nodes].flatMap((list) => (list === null ? [] : [JSON.stringify(list)])),
  };
}

function eventSql(filters: readonly (keyof EventQuery & string)[], within: readonly string[], after: boolean): string {
  const conditions = [...filters.map((column) => `${column} = ?`), ...within, ...(after ? ["id > ?"] : [])];
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
