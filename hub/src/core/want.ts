// Want: a slot that needs a node, and what is said when none takes it. Asked by wants, drains and moves, answered by the placer.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { AppName, Revision, Slot, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Placement, Refusal, Step } from "./world.ts";

/**
 * A slot that wants a node. `update`: it stands at an older revision; `move`: it stands on a node that was silent for too long; `drain`:
 * on one that is being drained.
 */
export interface Want {
  readonly kind: "new" | "update" | "move" | "drain";
  readonly workload: WorkloadId;
  readonly app: AppName;
  readonly revision: Revision;
  readonly service: ServiceSpec;
  readonly slot: Slot;
  readonly standing: Placement | null;
  readonly reason: string;
  /** How it comes to its revision; null: it starts there. */
  readonly step: Step | null;
}

/** A slot that found no node in this pass. */
export interface Failure {
  readonly want: Want;
  readonly refusals: readonly Refusal[];
}
