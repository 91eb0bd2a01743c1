// Assignment: everything one node should run, ordered by (epoch, generation). The hub writes it, the node accepts it whole.
import * as z from "zod/mini";
import { resolvedPolicySchema } from "../policy/policy.ts";
import { appNetworkSchema, appVolumeSchema, disconnectSchema } from "./app.ts";
import { containerSpecSchema } from "./container.ts";
import {
  appNameSchema,
  counterSchema,
  installationIdSchema,
  nodeIdSchema,
  revisionSchema,
  serviceNameSchema,
  slotSchema,
  specHashSchema,
  workloadIdSchema,
} from "./ids.ts";
import { NO_UPDATE_TIMES, PLAIN_CHANGE_OVER, RUN_INTENT } from "./plain.ts";
import { probesSchema, updateTimesSchema } from "./update.ts";
import { valueRefSchema } from "./value.ts";

const nat = () => z.int().check(z.gte(0));

/** Orders a node's assignments: first by epoch (a restored hub opens a new one), then by generation. */
export const positionSchema = z.object({ epoch: counterSchema, generation: counterSchema });
export type Position = z.infer<typeof positionSchema>;

/**
 * What the operator wants of it beside its spec. `run` false: it is to stand stopped. `restarts`: the number of the newest restart that
 * was asked for; the node restarts it once when this is larger than what it has carried out.
 */
export const intentSchema = z.object({ run: z.boolean(), restarts: counterSchema });
export type Intent = z.infer<typeof intentSchema>;

/** The last good one in this place, to go back to. */
export const previousSchema = z.object({
  revision: revisionSchema,
  specHash: specHashSchema,
  spec: containerSpecSchema,
  probes: z.nullable(probesSchema),
});
export type Previous = z.infer<typeof previousSchema>;

/** How the node changes over to this spec, and how it judges it (its *gate*). */
export const changeOverSchema = z.object({
  order: z.enum(["stop-first", "start-first"]),
  /** Good for so long without a break: passed. */
  monitorMs: nat(),
  /** Not passed by then: failed. Only with a `previous`. */
  deadlineMs: nat(),
  /** When the gate fails: `revert` to `previous` at once; `wait` as it is for the operator (and revert when the hub is not heard); `carry-on` trying. */
  onFailure: z.enum(["revert", "wait", "carry-on"]),
  /** A spec hash whose gate failed is tried again only under a larger number. */
  attempt: counterSchema,
  /** Windows and holds do not count: an operator said --force. */
  force: z.boolean(),
  /** null: nothing to go back to; the gate then never fails, it stays open until it passes. */
  previous: z.nullable(previousSchema),
});
export type ChangeOver = z.infer<typeof changeOverSchema>;

/** One slot on one node at one spec hash. */
export const workloadSchema = z.object({
  id: workloadIdSchema,
  app: appNameSchema,
  service: serviceNameSchema,
  slot: slotSchema,
  revision: revisionSchema,
  specHash: specHashSchema,
  spec: containerSpecSchema,
  disconnect: disconnectSchema,
  /** For `fence`: larger than every one given out before for this slot; shown to the container as SKERRY_FENCING_TOKEN. 0 otherwise. */
  fencingToken: counterSchema,
  probes: z._default(z.nullable(probesSchema), null),
  intent: z._default(intentSchema, RUN_INTENT),
  changeOver: z._default(changeOverSchema, PLAIN_CHANGE_OVER),
  times: z._default(updateTimesSchema, NO_UPDATE_TIMES),
  /** What its container may ask of the machine; null: what the profile `restricted` allows. The node judges by it before it makes one. */
  policy: z._default(z.nullable(resolvedPolicySchema), null),
});
export type Workload = z.infer<typeof workloadSchema>;

/** The networks, volumes and registry credentials of one app that its workloads on this node need. */
export const assignedAppSchema = z.object({
  name: appNameSchema,
  networks: z.array(appNetworkSchema),
  volumes: z.array(appVolumeSchema),
  /** By which its images are pulled, sorted by registry. Absent: none, so that an assignment without has the hash of before. */
  registries: z.optional(z.array(valueRefSchema)),
});
export type AssignedApp = z.infer<typeof assignedAppSchema>;

/** A positive tombstone: only this removes a workload. A workload that is merely missing is never removed. */
export const retiredSchema = z.object({ id: workloadIdSchema, generation: counterSchema });
export type Retired = z.infer<typeof retiredSchema>;

export const assignmentSchema = z.object({
  installation: installationIdSchema,
  node: nodeIdSchema,
  position: positionSchema,
  /** sha256 of `assignmentHashInput` of the rest. */
  hash: specHashSchema,
  /** Sorted by name. */
  apps: z.array(assignedAppSchema),
  /** Sorted by id. */
  workloads: z.array(workloadSchema),
  /** Sorted by id. Kept by the hub until the node has accepted a generation at or past them. */
  retired: z.array(retiredSchema),
});
export type Assignment = z.infer<typeof assignmentSchema>;

/** The change from one position to the next, for a node that says it has `from`. Applying it must give `hash`. */
export const assignmentDeltaSchema = z.object({
  installation: installationIdSchema,
  node: nodeIdSchema,
  from: positionSchema,
  fromHash: specHashSchema,
  position: positionSchema,
  hash: specHashSchema,
  setApps: z.array(assignedAppSchema),
  unsetApps: z.array(appNameSchema),
  setWorkloads: z.array(workloadSchema),
  /** The whole list of the new position. It is also what takes workloads out of the held ones. */
  retired: z.array(retiredSchema),
});
export type AssignmentDelta = z.infer<typeof assignmentDeltaSchema>;
