// Rows → the entities that the World starts from. The door for stored JSON: what does not parse stops the start in plain words.
import { type AppSpec, appSpecSchema } from "@skerry/shared/model/app.ts";
import { intentSchema } from "@skerry/shared/model/assignment.ts";
import {
  type AppName,
  appNameSchema,
  counterSchema,
  installationIdSchema,
  type NodeId,
  nodeIdSchema,
  nodeNameSchema,
  publicKeySchema,
  type Revision,
  revisionSchema,
  serviceNameSchema,
  slotSchema,
  specHashSchema,
  type WorkloadId,
  workloadIdSchema,
} from "@skerry/shared/model/ids.ts";
import { markSchema } from "@skerry/shared/model/mark.ts";
import { nodeFactsSchema } from "@skerry/shared/model/node.ts";
import { type WorkloadStatus, workloadStatusSchema } from "@skerry/shared/model/report.ts";
import {
  type Policy,
  policyFieldsSchema,
  policyNameSchema,
  resolvedPolicySchema,
} from "@skerry/shared/policy/policy.ts";
import type { Database } from "better-sqlite3";
import * as z from "zod/mini";
import type { LoadedWorld } from "../../core/apply-change.ts";
import type { App, Node, Placement, Tombstone } from "../../core/world.ts";
import { StoreError } from "../store.ts";
import {
  failedSpecsSchema,
  gateResultSchema,
  rolloutSchema,
  saidSchema,
  stepSchema,
  wishSchema,
} from "./rollout-rows.ts";
import { storedValueSchema } from "./stored-value.ts";

const wallMs = () => z.number();

const hubRow = z.object({ installation: installationIdSchema, epoch: counterSchema, seq: z.int() });
const appRow = z.object({
  name: appNameSchema,
  revision: revisionSchema,
  spec: z.string(),
  older: z.string(),
  applied_by: z.string(),
  applied_at_ms: wallMs(),
  last_good: z.nullable(revisionSchema),
  failed_specs: z.string(),
});
const nodeRow = z.object({
  id: nodeIdSchema,
  name: nodeNameSchema,
  labels: z.string(),
  availability: z.enum(["active", "cordoned", "draining"]),
  joined_at_ms: wallMs(),
  facts: z.nullable(z.string()),
  assigned_epoch: counterSchema,
  assigned_generation: counterSchema,
  accepted_epoch: z.nullable(counterSchema),
  accepted_generation: z.nullable(counterSchema),
  refusal: z.nullable(z.string()),
  events_acked: counterSchema,
  availability_said: z.nullable(z.string()),
  drain_deadline_ms: z.nullable(wallMs()),
  drain_over_ms: z.nullable(wallMs()),
  standing: z.enum(["member", "pending", "frozen"]),
  lineage: z.string(),
  key_roll: z.string(),
});
const placementRow = z.object({
  workload: workloadIdSchema,
  app: appNameSchema,
  service: serviceNameSchema,
  slot: slotSchema,
  node: nodeIdSchema,
  revision: revisionSchema,
  spec_hash: specHashSchema,
  fencing_token: counterSchema,
  since_generation: counterSchema,
  silent_run_ms: z.nullable(z.number()),
  intent: z.string(),
  step: z.string(),
  policy: z.string(),
});
const bodyRow = z.object({ body: z.string() });
const tombstoneRow = z.object({
  workload: workloadIdSchema,
  node: nodeIdSchema,
  generation: counterSchema,
  reason: z.string(),
  silent_run_ms: z.nullable(z.number()),
});
const fencingRow = z.object({ workload: workloadIdSchema, token: counterSchema });
const observedRow = z.object({ node: nodeIdSchema, workloads: z.string() });
const lineageSchema = z.object({
  current: z.nullable(markSchema),
  next: z.nullable(markSchema),
  runId: z.string(),
});
const wish = { atMs: z.number(), by: z.string() };
const keyRollSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("none") }),
  z.object({ kind: z.literal("asked"), ...wish }),
  z.object({ kind: z.literal("named"), ...wish, next: publicKeySchema }),
]);
/** One that cannot be read stops the start: without it, nobody knows what it refused. */
const policySchema: z.ZodMiniType<Policy> = z.extend(policyFieldsSchema, {
  name: policyNameSchema,
  revision: counterSchema,
});
const labelsSchema = z.record(z.string(), z.string());
const refusalSchema = z.object({ reason: z.string(), message: z.string() });
const observedSchema = z.array(workloadStatusSchema);

/** Reads everything in one read transaction. Throws StoreError("broken") naming the row that cannot be read. */
export function loadAll(db: Database): LoadedWorld {
  return db.transaction((): LoadedWorld => {
    const hub = parse("hub", hubRow, db.prepare("SELECT * FROM hub").get());
    return {
      ...hub,
      apps: rows(db, APPS_SQL).map((row) => toApp(db, row)),
      nodes: rows(db, "SELECT * FROM node ORDER BY id").map(toNode),
      placements: rows(db, "SELECT * FROM placement ORDER BY workload").map(toPlacement),
      tombstones: rows(db, "SELECT * FROM tombstone ORDER BY node, workload").map(toTombstone),
      fencingTokens: new Map(
        rows(db, "SELECT * FROM fencing_token ORDER BY workload").map((row): [WorkloadId, number] => {
          const { workload, token } = parse("fencing token", fencingRow, row);
          return [workload, token];
        }),
      ),
      rollouts: bodies(db, "rollout", rolloutSchema, NEWEST_ROLLOUTS_SQL),
      wishes: bodies(db, "wish", wishSchema, "SELECT body FROM wish ORDER BY key"),
      policies: bodies(db, "policy", policySchema, "SELECT body FROM policy ORDER BY name"),
      registries: bodies(
        db,
        "registry credential",
        storedValueSchema,
        "SELECT body FROM value WHERE kind = 'registry' ORDER BY name",
      ),
      gates: bodies(db, "gate", gateResultSchema, "SELECT body FROM gate ORDER BY workload"),
      observed: new Map(rows(db, "SELECT * FROM observed ORDER BY node").flatMap(toObserved)),
    };
  })();
}

function rows(db: Database, sql: string): unknown[] {
  return db.prepare(sql).all();
}

const NEWEST_ROLLOUTS_SQL =
  "SELECT body FROM rollout JOIN app ON app.name = rollout.app AND app.revision = rollout.revision ORDER BY rollout.app";

export function bodies<T>(db: Database, what: string, schema: z.ZodMiniType<T>, sql: string, ...args: unknown[]): T[] {
  return db
    .prepare(sql)
    .all(...args)
    .map((row) => parse(what, schema, json(what, parse(what, bodyRow, row).body)));
}

const APPS_SQL =
  "SELECT name, app.revision AS revision, older, spec, applied_by, applied_at_ms, last_good, failed_specs FROM app " +
  "JOIN revision ON revision.app = app.name AND revision.revision = app.revision ORDER BY name";

function toApp(db: Database, row: unknown): App {
  const app = parse("app", appRow, row);
  return {
    name: app.name,
    revision: app.revision,
    spec: parseSpec(app.name, app.revision, app.spec),
    older: parse("app", z.array(revisionSchema), json("app", app.older)).map((revision) => ({
      revision,
      spec: specOf(db, app.name, revision),
    })),
    appliedBy: app.applied_by,
    appliedAtMs: app.applied_at_ms,
    lastGood: app.last_good,
    failedSpecs: parse("app", failedSpecsSchema, json("app", app.failed_specs)),
  };
}

/** The spec of a revision that must be there. */
export function specOf(db: Database, app: AppName, revision: Revision): AppSpec {
  const row = db.prepare<[string, number], { spec: string }>(SPEC_SQL).get(app, revision);
  if (row === undefined) throw new StoreError("broken", `the database lacks revision ${revision} of app ${app}`);
  return parseSpec(app, revision, row.spec);
}
const SPEC_SQL = "SELECT spec FROM revision WHERE app = ? AND revision = ?";

export function parseSpec(app: string, revision: number, text: string): AppSpec {
  return parse(`app ${app} revision ${revision}`, appSpecSchema, json(`app ${app} revision ${revision}`, text));
}

function toNode(row: unknown): Node {
  const node = parse("node", nodeRow, row);
  const what = `node ${node.id}`;
  const accepted = { epoch: node.accepted_epoch, generation: node.accepted_generation };
  return {
    id: node.id,
    name: node.name,
    labels: parse(what, labelsSchema, json(what, node.labels)),
    availability: node.availability,
    joinedAtMs: node.joined_at_ms,
    facts: node.facts === null ? null : parse(what, nodeFactsSchema, json(what, node.facts)),
    assigned: { epoch: node.assigned_epoch, generation: node.assigned_generation },
    accepted:
      accepted.epoch === null || accepted.generation === null
        ? null
        : { epoch: accepted.epoch, generation: accepted.generation },
    refusal: node.refusal === null ? null : parse(what, refusalSchema, json(what, node.refusal)),
    eventsAcked: node.events_acked,
    availabilitySaid:
      node.availability_said === null ? null : parse(what, saidSchema, json(what, node.availability_said)),
    drainDeadlineMs: node.drain_deadline_ms,
    drainOverMs: node.drain_over_ms,
    standing: node.standing,
    lineage: parse(what, lineageSchema, json(what, node.lineage)),
    keyRoll: parse(what, keyRollSchema, json(what, node.key_roll)),
  };
}

function toPlacement(row: unknown): Placement {
  const placement = parse("placement", placementRow, row);
  return {
    workload: placement.workload,
    app: placement.app,
    service: placement.service,
    slot: placement.slot,
    node: placement.node,
    revision: placement.revision,
    specHash: placement.spec_hash,
    fencingToken: placement.fencing_token,
    sinceGeneration: placement.since_generation,
    silentRunMs: placement.silent_run_ms,
    intent: parse("placement", intentSchema, json("placement", placement.intent)),
    step: parse("placement", stepSchema, json("placement", placement.step)),
    policy: parse("placement", z.nullable(resolvedPolicySchema), json("placement", placement.policy)),
  };
}

function toTombstone(row: unknown): Tombstone {
  const { workload, node, generation, reason, silent_run_ms: silentRunMs } = parse("tombstone", tombstoneRow, row);
  return { workload, node, generation, reason, silentRunMs };
}

/** What was seen is said again by the nodes: an entry that an older version wrote in another form is let go. */
function toObserved(row: unknown): [NodeId, readonly WorkloadStatus[]][] {
  const { node, workloads } = parse("observed", observedRow, row);
  const parsed = observedSchema.safeParse(json(`observed ${node}`, workloads));
  return parsed.success ? [[node, parsed.data]] : [];
}

export function json(what: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new StoreError("broken", `the database holds a ${what} that is not JSON`, { cause });
  }
}

export function parse<T>(what: string, schema: z.ZodMiniType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const first = parsed.error.issues[0];
  throw new StoreError(
    "broken",
    `the database holds a ${what} that cannot be read: ${first?.path.join(".") ?? ""} ${first?.message ?? ""}`.trim(),
  );
}
