// Action: one idempotent engine call with no choices left. A lane is a short sequence for one key, run in order, given up at the
// first failure; lanes run side by side. The executor's map over `kind` fails to compile when one is missing.
import type { AppNetwork, AppVolume } from "@skerry/shared/model/app.ts";
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { NodeEvent } from "@skerry/shared/model/event.ts";
import type { AppName, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Condition } from "@skerry/shared/model/node.ts";
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import type { WorkloadMemory } from "./memory.ts";

export type Action =
  | {
      readonly kind: "pull-image";
      readonly workload: WorkloadId;
      readonly image: string;
      readonly platform: string | null;
      /** The credential that its registry is shown; null: the assignment names none. */
      readonly credential: ValueRef | null;
    }
  | { readonly kind: "create-network"; readonly app: AppName; readonly network: AppNetwork }
  | { readonly kind: "remove-network"; readonly name: string; readonly id: string }
  | { readonly kind: "create-volume"; readonly app: AppName; readonly volume: AppVolume }
  /** `named` false: without its aliases on its networks, which it is given later. */
  | {
      readonly kind: "create-container";
      readonly workload: Workload;
      readonly name: string;
      readonly named: boolean;
    }
  /** containerId null: the one that the lane's create-container made. */
  | { readonly kind: "start-container"; readonly workload: WorkloadId; readonly containerId: string | null }
  | {
      readonly kind: "stop-container";
      readonly workload: WorkloadId;
      readonly containerId: string;
      readonly graceMs: number | null;
      readonly reason: string;
    }
  | {
      readonly kind: "remove-container";
      readonly workload: WorkloadId;
      readonly containerId: string;
      readonly force: boolean;
      readonly reason: string;
    }
  | {
      readonly kind: "rename-container";
      readonly workload: WorkloadId;
      readonly containerId: string;
      readonly name: string;
    }
  | {
      readonly kind: "connect-network";
      readonly workload: WorkloadId;
      readonly containerId: string;
      readonly network: string;
      readonly aliases: readonly string[];
      readonly ipv4Address: string | null;
      readonly ipv6Address: string | null;
    }
  /** See Engine.changeAliases. */
  | {
      readonly kind: "change-aliases";
      readonly workload: WorkloadId;
      readonly containerId: string;
      readonly network: string;
      readonly aliases: readonly string[];
      readonly pinned: boolean;
    }
  /** The lane goes on after that time: whoever had looked its name up before has come by then. */
  | {
      readonly kind: "let-settle";
      readonly workload: WorkloadId;
      readonly containerId: string;
      readonly forMs: number;
    };

export interface Lane {
  /**
   * Single flight: while a lane with this key runs, no other one with it starts. A workload's id, or `network:NAME`, `volume:NAME`,
   * `image:REFERENCE PLATFORM` (one pull serves every workload that wants the image).
   */
  readonly key: string;
  readonly actions: readonly Action[];
}

export interface Plan {
  readonly lanes: readonly Lane[];
  /** One per wanted workload, and one per other workload of which a container of ours stands here. Sorted by id. `forMs` is 0: see `timeline`. */
  readonly statuses: readonly WorkloadStatus[];
  /** What must be remembered (durably, before the lanes run). null: forget. */
  readonly memory: readonly { readonly id: WorkloadId; readonly memory: WorkloadMemory | null }[];
  readonly events: readonly NodeEvent[];
  /** What is wrong with the node as far as its containers tell. */
  readonly conditions: readonly Condition[];
  /** Monotonic time of the next look that time itself makes needed; null: none. */
  readonly wakeAtMs: number | null;
}
