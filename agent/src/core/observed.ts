// Observed: one consistent look at the engine, as data. Built by the shell (reconciler/observe), read by `plan`.
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { PortInUse } from "@skerry/shared/model/node.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { ContainerDetails, ContainerSummary } from "../engine/engine.ts";

/** A container with our labels whose id is in the ledger (or was adopted): ours. */
export interface OwnContainer {
  readonly workload: WorkloadId;
  readonly specHash: string;
  readonly revision: number;
  /** As shown to the container; 0: not fenced. */
  readonly fencingToken: number;
  /** `app`'s, `service`'s and slot's labels as written at creation. */
  readonly summary: ContainerSummary;
  readonly details: ContainerDetails;
  /** Facts recorded in labels at creation; a difference from details.limits is drift. */
  readonly recordedLimits: string;
  /** Monotonic time at which its present run began; of one that does not run, at which this process first saw it so. */
  readonly sinceMs: Millis;
}

export interface Observed {
  /** Sorted by container id. */
  readonly own: readonly OwnContainer[];
  /** Every other container's name → why it is not ours ("foreign", "forged"). Never touched. */
  readonly foreignNames: ReadonlyMap<string, { readonly id: string; readonly reason: "foreign" | "forged" }>;
  /** Containers that the ledger holds as ours and that are gone without our doing. */
  readonly vanished: readonly { readonly id: string; readonly workload: WorkloadId }[];
  readonly ports: readonly PortInUse[];
  readonly networks: ReadonlyMap<string, { readonly id: string; readonly ours: boolean }>;
  readonly volumes: ReadonlyMap<string, { readonly ours: boolean }>;
  /** Per image reference wanted by the assignment: local id, or null when it is not there. A missing key: not looked up yet. */
  readonly images: ReadonlyMap<string, string | null>;
}
