// Scene: everything one round of planning looks at, indexed once. Built by `plan`, read by the files beside this one.
import type { Assignment, Workload } from "@skerry/shared/model/assignment.ts";
import type { Ender } from "@skerry/shared/model/exit-words.ts";
import type { AppName, ServiceName, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { ProbeAnswer } from "@skerry/shared/model/report.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { PullProgress } from "../../engine/engine.ts";
import type { Lane } from "../action.ts";
import type { LinkState } from "../link-state.ts";
import type { WorkloadMemory } from "../memory.ts";
import type { Observed } from "../observed.ts";
import type { Existing } from "./existing.ts";

/** A lane that failed lately and whose failure is no workload's own. */
export interface Rest {
  readonly sinceMs: Millis;
  readonly untilMs: Millis;
  readonly reason: string;
}

export interface PullUnderWay extends PullProgress {
  readonly sinceMs: Millis;
}

export interface PlanContext {
  /** Lanes in flight, by key. */
  readonly busy: ReadonlyMap<string, Lane>;
  /** By the pull lane's key. One that is in flight and not here waits for its turn. */
  readonly pulls: ReadonlyMap<string, PullUnderWay>;
  readonly resting: ReadonlyMap<string, Rest>;
  readonly link: LinkState;
  readonly bootId: string;
  /** A fixed number in [0, 1) per key. */
  readonly chance: (key: string) => number;
  /** `depends_on` of workloads that are wanted no more: they still say in which order to stop. */
  readonly formerDependencies: ReadonlyMap<WorkloadId, readonly ServiceName[]>;
  /** What our own probes say. A missing entry: it has none, and counts as ready and alive. */
  readonly readiness: ReadonlyMap<WorkloadId, Readiness>;
  /** The machine boots again and again: changes stop, what runs keeps running and is healed. */
  readonly safeMode: boolean;
  /** Of workloads with update windows. A missing entry of such a one: not known yet, so closed. */
  readonly openWindows: ReadonlyMap<WorkloadId, WindowsNow>;
  /** Leases that run, by the workload whose update they put off. */
  readonly holds: ReadonlyMap<WorkloadId, HoldLease>;
  /** By container id, of those whose last run has ended and was not counted yet. */
  readonly ends: ReadonlyMap<string, EndSeen>;
  /** The link costs money by the byte. */
  readonly metered: boolean;
  /** Since when this process has looked at the engine without a break. `now` itself: this is the first look after one. */
  readonly unbrokenSinceMs: Millis;
  readonly values: ValuesHere;
}

/** Secrets, configs and registry credentials on this node, by `valueKey`. */
export interface ValuesHere {
  readonly here: ReadonlySet<string>;
  /** Why the hub does not give one. */
  readonly refused: ReadonlyMap<string, string>;
  /** Why none can be put into a container here; null: they can. */
  readonly trouble: string | null;
}
export const NO_VALUES: ValuesHere = { here: new Set(), refused: new Map(), trouble: null };

export interface Readiness {
  readonly ready: boolean;
  readonly startupDone: boolean;
  /** false: a startup or liveness probe failed for good. */
  readonly alive: boolean;
  /** The last answer, in words, when something is not as it should be. */
  readonly reason: string;
  /** The last answer of each, as far as there is one. */
  readonly answers: readonly ProbeAnswer[];
}

/** What is known of the end of a container's last run beyond what the engine tells. */
export interface EndSeen {
  readonly by: Ender | null;
  /** The last lines that it wrote, oldest first. */
  readonly tail: readonly string[];
}

export type WindowNow =
  | { readonly kind: "open"; readonly closesAtMs: Millis }
  /** `opensAtMs` null: nobody knows (a clock that is not set), or never. */
  | { readonly kind: "closed"; readonly opensAtMs: Millis | null; readonly reason: string };

/** null: the workload has no such window, so it is always open. */
export interface WindowsNow {
  readonly download: WindowNow | null;
  readonly apply: WindowNow | null;
}

export interface HoldLease {
  readonly owner: string;
  readonly reason: string;
  readonly endsAtMs: Millis;
}

export interface Scene {
  readonly desired: Assignment;
  readonly observed: Observed;
  readonly context: PlanContext;
  readonly now: Millis;
  /** Of every wanted workload, with what this look has counted. */
  readonly memories: ReadonlyMap<WorkloadId, WorkloadMemory>;
  /** Of every wanted workload. */
  readonly existing: ReadonlyMap<WorkloadId, Existing>;
  /** Wanted workloads of one service, by `serviceKey`. */
  readonly services: ReadonlyMap<string, readonly Workload[]>;
  /** Workloads that wait for nothing but each other's ports: one must give way, so none of them waits for those. */
  readonly exchangingPorts: ReadonlySet<WorkloadId>;
}

export function serviceKey(app: AppName, service: ServiceName): string {
  return `${app}/${service}`;
}

export function imageLaneKey(image: string, platform: string | null): string {
  return `image:${image} ${platform ?? ""}`;
}

/** Of the lane that starts an old container again while its successor cannot be made. */
export const oldLaneKey = (containerId: string): string => `old:${containerId}`;
export const networkLaneKey = (name: string): string => `network:${name}`;
export const volumeLaneKey = (name: string): string => `volume:${name}`;

/** null: the lane may go. */
export function restOf({ context, now }: Pick<Scene, "context" | "now">, key: string): Rest | null {
  const rest = context.resting.get(key);
  return rest !== undefined && rest.untilMs > now ? rest : null;
}
