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

/** One state at a time; a variant holds only what is true in it. */
export const workloadStateSchema = z.discriminatedUnion("kind", [
  /** Not begun: `reason` says for what it waits (a dependency, the engine, its turn, a lease). */
  z.object({ kind: z.literal("waiting"), reason: shortText() }),
  z.object({ kind: z.literal("pulling"), doneBytes: nat(), totalBytes: nat() }),
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
  /** Stopped by its own fence: the node has not heard from the hub for `after`. */
  z.object({ kind: z.literal("fenced") }),
  z.object({ kind: z.literal("stopping") }),
]);
export type WorkloadState = z.infer<typeof workloadStateSchema>;

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
});
export type WorkloadStatus = z.infer<typeof workloadStatusSchema>;

/** Only what changed since the last report on this connection; the first one on a connection is `whole`. */
export const reportSchema = z.object({
  whole: z.boolean(),
  /** The last generation made durable: DESIGN's observed generation. */
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
