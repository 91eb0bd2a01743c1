// What a node sees: one status per workload. Ages are relative to the sending of the report: clocks are never compared.
import * as z from "zod/mini";
import { positionSchema } from "./assignment.ts";
import { revisionSchema, specHashSchema, workloadIdSchema } from "./ids.ts";
import { conditionSchema, nodeFactsSchema, nodeFiguresSchema, portInUseSchema } from "./node.ts";

const shortText = () => z.string().check(z.maxLength(4_096), z.regex(/^[^\0]*$/));
const nat = () => z.int().check(z.gte(0));

/** How a container ended. `oom`: the kernel killed it at its memory limit. */
export const exitSchema = z.object({ code: z.int(), oom: z.boolean(), error: shortText(), ranMs: nat() });
export type Exit = z.infer<typeof exitSchema>;

/** Why an image did not come. The first four last until somebody changes something; the others may pass by themselves. */
export const PULL_FAILURES = [
  "not-found",
  "unauthorised",
  "wrong-architecture",
  "too-big",
  "disk-full",
  "untrusted",
  "too-many-requests",
  "unreachable",
  "other",
] as const;
/** A kind that only a newer peer knows is "other". */
export const pullFailureSchema = z.catch(z.enum(PULL_FAILURES), "other");
export type PullFailure = z.infer<typeof pullFailureSchema>;

/** How far a pull has come. 0 as a total: not known yet. A layer is done when it is unpacked. */
const pullAmounts = {
  doneBytes: nat(),
  totalBytes: nat(),
  doneLayers: z._default(nat(), 0),
  totalLayers: z._default(nat(), 0),
};
/** `forMs`: for how long it has been under way. */
export const pullSchema = z.object({ ...pullAmounts, forMs: nat() });
export type Pull = z.infer<typeof pullSchema>;

/** One state at a time; a variant holds only what is true in it. */
export const workloadStateSchema = z.discriminatedUnion("kind", [
  /** Not begun: `reason` says for what it waits (a dependency, the engine, its turn, a lease). */
  z.object({ kind: z.literal("waiting"), reason: shortText() }),
  z.object({ kind: z.literal("pulling"), ...pullAmounts }),
  z.object({ kind: z.literal("starting") }),
  z.object({ kind: z.literal("running"), health: z.enum(["none", "starting", "healthy", "unhealthy"]) }),
  /** Failed and will be tried again. `during`: which step failed. */
  z.object({
    kind: z.literal("backing-off"),
    during: z.enum(["pull", "create", "start", "run"]),
    reason: shortText(),
    exit: z.nullable(exitSchema),
    attempt: nat(),
    nextTryInMs: nat(),
  }),
  /** Ran to its end and is not to be restarted (restart intent `no`, or `on-failure` with code 0). */
  z.object({ kind: z.literal("completed"), exit: exitSchema }),
  /** Will not be tried again until something changes. */
  z.object({ kind: z.literal("failed"), reason: shortText(), exit: z.nullable(exitSchema) }),
  /** Stands stopped because an operator wants it so. */
  z.object({ kind: z.literal("stopped") }),
  /** Stopped by its own fence: the node has not heard from the hub for `after`. */
  z.object({ kind: z.literal("fenced") }),
  z.object({ kind: z.literal("stopping") }),
]);
export type WorkloadState = z.infer<typeof workloadStateSchema>;

/** The last answer of one of our own probes (not the engine's health check). */
export const probeAnswerSchema = z.object({
  probe: z.enum(["startup", "readiness", "liveness"]),
  ok: z.boolean(),
  /** "HTTP 503 in 12 ms", "connection refused". */
  answer: shortText(),
  failures: nat(),
});
export type ProbeAnswer = z.infer<typeof probeAnswerSchema>;

/**
 * Whether the wanted spec has shown itself good on this node (the node's own judgement, by its monotonic clock, also offline).
 * `none`: what is wanted is what ran before. `waits`: why the change-over has not begun, or what the gate still waits for.
 */
export const gateSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("none") }),
  z.object({
    kind: z.literal("open"),
    waits: z.enum(["image", "window", "hold", "start", "health", "safe-mode", "other"]),
    reason: shortText(),
  }),
  z.object({ kind: z.literal("passed") }),
  /** `reverted`: the previous one runs again. */
  z.object({ kind: z.literal("failed"), reason: shortText(), reverted: z.boolean() }),
]);
export type Gate = z.infer<typeof gateSchema>;

/** A lease by which a workload puts its own update off. */
export const holdSchema = z.object({ owner: shortText(), reason: shortText(), leftMs: nat() });
export type Hold = z.infer<typeof holdSchema>;

/** How the last run ended: kept after the container is gone. `words` names who killed it, as far as is known. */
export const lastEndSchema = z.object({ exit: exitSchema, words: shortText(), agoMs: z.nullable(nat()) });
export type LastEnd = z.infer<typeof lastEndSchema>;

export const workloadStatusSchema = z.object({
  id: workloadIdSchema,
  revision: revisionSchema,
  /** The hash of what is there, which may be older than what is wanted. null: nothing is there. */
  specHash: z.nullable(specHashSchema),
  state: workloadStateSchema,
  /** For how long it has been in this state. */
  forMs: nat(),
  containerId: z.nullable(shortText()),
  imageId: z.nullable(shortText()),
  /** Times restarted by the agent since this spec hash was first started. */
  restarts: nat(),
  /** How far the wanted spec's image has come while something else is the state; null: none comes. */
  pull: z._default(z.nullable(pullSchema), null),
  /** Why the last pull for the wanted spec failed; null: it did not. */
  pullFailure: z._default(z.nullable(pullFailureSchema), null),
  /** By the startup and readiness probes; null: it has none. */
  ready: z._default(z.nullable(z.boolean()), null),
  probes: z._default(z.array(probeAnswerSchema).check(z.maxLength(3)), []),
  gate: z._default(gateSchema, { kind: "none" }),
  /** The spec hash and attempt that `gate` is about; null with `none`. */
  gateFor: z._default(z.nullable(z.object({ specHash: specHashSchema, attempt: nat() })), null),
  hold: z._default(z.nullable(holdSchema), null),
  lastEnd: z._default(z.nullable(lastEndSchema), null),
});
export type WorkloadStatus = z.infer<typeof workloadStatusSchema>;

/** Only what changed since the last report on this connection; the first one on a connection is `whole`. */
export const reportSchema = z.object({
  whole: z.boolean(),
  /** The assignment by which the engine was last looked at, and `workloads` judged; 0.0: the agent has not looked yet. */
  observed: positionSchema,
  workloads: z.array(workloadStatusSchema),
  /** Ids that were reported before and are no longer there. */
  gone: z.array(workloadIdSchema),
  facts: z.nullable(nodeFactsSchema),
  figures: z.nullable(nodeFiguresSchema),
  ports: z.nullable(z.array(portInUseSchema)),
  conditions: z.nullable(z.array(conditionSchema)),
});
export type Report = z.infer<typeof reportSchema>;
