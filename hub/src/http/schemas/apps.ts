// Apps: applying a Compose file, what became of it, its revisions, and its removal.
import { appNameSchema, revisionSchema, serviceNameSchema, workloadIdSchema } from "@skerry/shared/model/ids.ts";
import * as z from "zod";
import { afterSchema, ifRevisionQuerySchema, limitSchema, nodeRefSchema, pageOf, problemSchema } from "./common.ts";
import { rolloutBriefSchema } from "./rollouts.ts";
import { sentValuesSchema } from "./values.ts";
import { saidSchema, stopViewSchema } from "./wishes.ts";
import { workloadViewSchema } from "./workloads.ts";

/** A Compose file of this size is generated or hostile; the largest real ones have some 50 KB. */
export const MAX_COMPOSE_CHARACTERS = 1_048_576;
/** Files that the Compose file names: env_file and the like. */
export const MAX_FILES = 64;
/** Of one of them; as much as the compiler reads of one. */
export const MAX_FILE_CHARACTERS = 262_144;
/** Of the caller's environment; `skerry apply` sends only those that the file names. */
export const MAX_VARIABLES = 1_000;
/** More than anybody keeps apart. */
export const MAX_PROFILES = 64;

const fewer = (most: number) => (record: Record<string, unknown>) => Object.keys(record).length <= most;

export const appParams = z.strictObject({ app: appNameSchema });

export const applyBodySchema = z.strictObject({
  /** The Compose file's text. */
  compose: z.string().min(1).max(MAX_COMPOSE_CHARACTERS),
  /** Files it names, by the path as written in it. */
  files: z
    .record(z.string().min(1).max(4_096), z.string().max(MAX_FILE_CHARACTERS))
    .refine(fewer(MAX_FILES), `at most ${MAX_FILES} files`)
    .default({}),
  /** For interpolation: the caller's environment as far as the file uses it, and .env. */
  variables: z
    .record(z.string().min(1).max(256), z.string().max(32_768))
    .refine(fewer(MAX_VARIABLES), `at most ${MAX_VARIABLES} variables`)
    .default({}),
  profiles: z.array(z.string().min(1).max(128)).max(MAX_PROFILES).default([]),
  /** Base64 of what its secrets and configs take from a file or a variable, by "secrets.KEY". Never part of what is kept of the file. */
  values: sentValuesSchema,
  /** Apply only if this is the current revision (0: only if there is no such app); null: whatever it is. */
  ifRevision: z.number().int().min(0).nullable().default(null),
  /** Try again what failed a rollout before. */
  retry: z.boolean().default(false),
  /** Windows and holds do not count for this revision; it is told who said so. */
  force: z.boolean().default(false),
  /** Change nothing; answer what would change, per node, and why. */
  dryRun: z.boolean().default(false),
});

export const serviceChangeSchema = z.object({
  service: serviceNameSchema,
  /** added, removed; recreated: its containers must be replaced; changed: only how it is placed or scaled; unchanged. */
  change: z.enum(["added", "removed", "recreated", "changed", "unchanged"]),
});

export const appliedSchema = z.object({
  dryRun: z.literal(false),
  app: appNameSchema,
  revision: revisionSchema,
  /** false: the same content as the current revision; nothing was written. */
  changed: z.boolean(),
  services: z.array(serviceChangeSchema),
  /** Things that are honoured and yet worth knowing. */
  warnings: z.array(problemSchema),
  /** Watch from here to see what follows. */
  seq: z.number().int(),
});
export type Applied = z.infer<typeof appliedSchema>;

export const plannedStepSchema = z.object({
  workload: workloadIdSchema,
  step: z.enum(["start", "replace", "remove", "keep"]),
  /** In plain words. */
  why: z.string(),
});
/** Of a service with something to change: its batches in order, if each of them turns out good and the fleet stays as it is. */
export const serviceAheadSchema = z.object({
  service: serviceNameSchema,
  /** At most ten; `rest` counts what comes after them. */
  batches: z.array(
    z.object({
      batch: z.number().int(),
      copies: z.number().int(),
      /** true: its copies are canaries. */
      canary: z.boolean(),
      /** The value of the label `batch_by` on all of its nodes; null: the file names none, or it is all at once. */
      group: z.string().nullable(),
      /** Of a large batch only some; `more`: how many are left out. */
      slots: z.array(z.object({ workload: workloadIdSchema, node: nodeRefSchema.nullable() })),
      more: z.number().int(),
      /** For what the next batch waits once this one has passed, in plain words; "": for nothing, or there is none. */
      next: z.string(),
    }),
  ),
  /** Copies after those batches, and how many of them at a time at most. */
  rest: z.object({ copies: z.number().int(), atMost: z.number().int() }),
  /** Why it would stand still after those batches although copies are left; "": it would not. */
  reason: z.string(),
  /** Copies on nodes that are not heard from: they get the revision when those are back, and hold nothing up. */
  away: z.number().int(),
});
export type ServiceAhead = z.infer<typeof serviceAheadSchema>;

export const dryRunSchema = z.object({
  dryRun: z.literal(true),
  app: appNameSchema,
  /** What applying now would make it. */
  revision: revisionSchema,
  changed: z.boolean(),
  services: z.array(serviceChangeSchema),
  warnings: z.array(problemSchema),
  /** Only nodes where something stands or would; by name. */
  nodes: z.array(z.object({ node: nodeRefSchema, reachable: z.boolean(), steps: z.array(plannedStepSchema) })),
  /** In which order, of each service that has something to change. */
  rollout: z.array(serviceAheadSchema),
  /** Slots that no node could take, and why. */
  unplaced: z.array(z.object({ workload: workloadIdSchema, why: z.string() })),
  /** Copies of other apps, of lower priority, that would lose their room to this one; `to` null: no other node takes them. */
  pushesOut: z.array(
    z.object({ workload: workloadIdSchema, node: nodeRefSchema, to: nodeRefSchema.nullable(), why: z.string() }),
  ),
  seq: z.number().int(),
});
export type DryRun = z.infer<typeof dryRunSchema>;

export const applyAnswerSchema = z.discriminatedUnion("dryRun", [appliedSchema, dryRunSchema]);
export type ApplyAnswer = z.infer<typeof applyAnswerSchema>;

/** good: all that should run does. working: on its way. troubled: something will not come right by itself. unknown: nodes are silent. */
export const appConditionSchema = z.enum(["good", "working", "troubled", "unknown"]);
export type AppCondition = z.infer<typeof appConditionSchema>;

const countsSchema = z.object({
  wanted: z.number().int(),
  good: z.number().int(),
  /** Of so many nothing is known now; they are neither good nor not. */
  unknown: z.number().int().default(0),
  unplaced: z.number().int(),
});

/** What a list of apps and the view of one begin with. */
const appHeading = {
  name: appNameSchema,
  revision: revisionSchema,
  appliedAtMs: z.number(),
  appliedBy: z.string(),
  condition: appConditionSchema,
  /** The condition in plain words. */
  reason: z.string(),
  /** Since when the hub changes nothing of it, by whom and why; null: it is not paused. */
  paused: saidSchema.nullable(),
};

export const appSummarySchema = z.object({
  ...appHeading,
  services: z.number().int(),
  workloads: countsSchema,
});
export type AppSummary = z.infer<typeof appSummarySchema>;

export const serviceViewSchema = z.object({
  name: serviceNameSchema,
  image: z.string(),
  /** "global", or the number of copies. */
  mode: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("global") }),
    z.object({ kind: z.literal("replicated"), replicas: z.number().int() }),
  ]),
  disconnect: z.object({ policy: z.enum(["keep", "replace", "fence"]), afterMs: z.number().nullable() }),
  condition: appConditionSchema,
  reason: z.string(),
  counts: countsSchema,
  /** Stopped as a whole, or with its app; null: it is to run. */
  stop: stopViewSchema.nullable(),
  /** In the order of slots. Of a large service only some, those that are not good first; `more` says how many are left out. */
  workloads: z.array(workloadViewSchema),
  /** Read all of them from /v1/workloads. Absent: none is left out. */
  more: z.number().int().optional(),
});
export type ServiceView = z.infer<typeof serviceViewSchema>;

export const appViewSchema = z.object({
  ...appHeading,
  /**
   * true: everything that should run runs at this revision and is good, and nothing is left to remove on nodes that are heard: what
   * `--wait` waits for.
   */
  converged: z.boolean(),
  /** How its newest revision gets on; null: there was no rollout of it. */
  rollout: rolloutBriefSchema.nullable(),
  services: z.array(serviceViewSchema),
  /** What is to go and may still stand, by workload; on a silent node for as long as it is silent. */
  retiring: z.array(
    z.object({ workload: workloadIdSchema, node: nodeRefSchema, reachable: z.boolean(), reason: z.string() }),
  ),
  /** Engine names. */
  networks: z.array(z.string()),
  volumes: z.array(z.string()),
  seq: z.number().int(),
});
export type AppView = z.infer<typeof appViewSchema>;

export const listAppsQuery = z.strictObject({ limit: limitSchema, after: afterSchema.optional() });
export const appPageSchema = pageOf(appSummarySchema);

export const removeAppQuery = z.strictObject({ ifRevision: ifRevisionQuerySchema.optional() });
export const removedAppSchema = z.object({
  app: appNameSchema,
  revision: revisionSchema,
  /** Workloads that are being removed from nodes; unreachable ones follow when they are back. */
  workloads: z.number().int(),
  /** Nodes that are not heard from and still have some. */
  waitingFor: z.array(nodeRefSchema),
  /** Volumes stay on the nodes until they are removed by name. */
  volumesKept: z.array(z.string()),
  seq: z.number().int(),
});
export type RemovedApp = z.infer<typeof removedAppSchema>;

export const revisionItemSchema = z.object({
  revision: revisionSchema,
  appliedAtMs: z.number(),
  appliedBy: z.string(),
  current: z.boolean(),
});
export const listRevisionsQuery = z.strictObject({ limit: limitSchema, after: afterSchema.optional() });
export const revisionPageSchema = pageOf(revisionItemSchema);
export type RevisionPage = z.infer<typeof revisionPageSchema>;

export const revisionParams = z.strictObject({
  app: appNameSchema,
  revision: z.coerce
    .number()
    .int()
    .min(1)
    .max(2 ** 48),
});
export const revisionViewSchema = revisionItemSchema.extend({
  app: appNameSchema,
  /** The Compose file as it was applied. */
  source: z.string(),
});
export type RevisionView = z.infer<typeof revisionViewSchema>;
