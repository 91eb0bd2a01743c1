// Assignment: everything one node should run, ordered by (epoch, generation). The hub writes it, the node accepts it whole.
import * as z from "zod/mini";
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

/** Orders a node's assignments: first by epoch (a restored hub opens a new one), then by generation. */
export const positionSchema = z.object({ epoch: counterSchema, generation: counterSchema });
export type Position = z.infer<typeof positionSchema>;

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
});
export type Workload = z.infer<typeof workloadSchema>;

/** The networks and volumes of one app that its workloads on this node need. */
export const assignedAppSchema = z.object({
  name: appNameSchema,
  networks: z.array(appNetworkSchema),
  volumes: z.array(appVolumeSchema),
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
