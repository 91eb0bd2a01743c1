// Workloads: what should run where, what was last seen there, and why. Ages, never clock times: the reader's clock may differ.
import { appNameSchema, serviceNameSchema, slotSchema, workloadIdSchema } from "@skerry/shared/model/ids.ts";
import { PULL_FAILURES } from "@skerry/shared/model/report.ts";
import * as z from "zod";
import { afterSchema, limitSchema, nodeRefSchema, pageOf } from "./common.ts";
import { stopViewSchema } from "./wishes.ts";

/**
 * unplaced: no node can take it (reason: why, per node). assigned: on its way to the node, which has said nothing of it yet.
 * unknown: the node is not heard from; `last` is what it said before. The others are the node's own words. What is on its way out is
 * told by the app (`retiring`).
 */
export const shownStateSchema = z.enum([
  "unplaced",
  "assigned",
  "waiting",
  "pulling",
  "starting",
  "running",
  "backing-off",
  "completed",
  "failed",
  "stopped",
  "fenced",
  "stopping",
  "unknown",
]);
export type ShownState = z.infer<typeof shownStateSchema>;

export const workloadViewSchema = z.object({
  id: workloadIdSchema,
  app: appNameSchema,
  service: serviceNameSchema,
  slot: slotSchema,
  /** null: unplaced. */
  node: nodeRefSchema.nullable(),
  state: shownStateSchema,
  /** Only while running. */
  health: z.enum(["none", "starting", "healthy", "unhealthy"]).nullable(),
  /** Only while running, by its startup and readiness probes; null: it has none. */
  ready: z.boolean().nullable(),
  /** true: what should run runs, and is healthy if it has a check (or has completed and should have). */
  good: z.boolean(),
  /** Why it is in this state, in plain words. */
  reason: z.string(),
  /** What to do next; null: nothing. */
  hint: z.string().nullable(),
  /** Why the last pull of its image failed; null: it did not, or nothing is known. */
  pullFailure: z.enum(PULL_FAILURES).nullable(),
  /** For how long it has been in this state; null: not known. */
  forMs: z.number().nullable(),
  /** How long ago the node said so; null: never, or before this hub started. */
  seenAgoMs: z.number().nullable(),
  /** For `unknown`: what the node last said. */
  last: shownStateSchema.nullable(),
  /** The revision that should run. */
  revision: z.number().int(),
  /** The revision that does; null: none, or not known. */
  seenRevision: z.number().int().nullable(),
  image: z.string(),
  containerId: z.string().nullable(),
  restarts: z.number().int(),
  /** An operator wants it stopped: who, since when, why; null: it is to run. */
  stop: stopViewSchema.nullable(),
});
export type WorkloadView = z.infer<typeof workloadViewSchema>;

export const listWorkloadsQuery = z.strictObject({
  app: z.optional(appNameSchema),
  service: z.optional(serviceNameSchema),
  /** Id or name. */
  node: z.string().min(1).max(63).optional(),
  limit: limitSchema,
  after: afterSchema.optional(),
});
export const workloadPageSchema = pageOf(workloadViewSchema);
