// Leaving: containers of ours that no wanted workload claims. One with a tombstone is stopped and removed; one without is left alone
// and reported. Nothing is ever removed for being missing from an assignment. Pure.
import type { NodeEvent } from "@skerry/shared/model/event.ts";
import { exitInWords } from "@skerry/shared/model/exit-words.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Condition } from "@skerry/shared/model/node.ts";
import type { WorkloadState } from "@skerry/shared/model/report.ts";
import type { Lane } from "../action.ts";
import type { Observed, OwnContainer } from "../observed.ts";
import { exitOf } from "../remember.ts";
import { removal } from "./decision.ts";
import { leavingDependent } from "./dependencies.ts";
import { isUp } from "./existing.ts";
import { restOf, type Scene } from "./scene.ts";
import { stateOf } from "./states.ts";

export interface Leaving {
  readonly lanes: readonly Lane[];
  /** By workload: what to show. */
  readonly shown: ReadonlyMap<WorkloadId, { readonly own: OwnContainer; readonly state: WorkloadState }>;
  readonly unexplained: readonly OwnContainer[];
}

/** More names than this are counted, not listed. */
const MAX_NAMED = 10;

export function planLeaving(scene: Scene): Leaving {
  const wanted = new Set(scene.desired.workloads.map(({ id }) => id));
  const retired = new Set(scene.desired.retired.map(({ id }) => id));
  const others = groupByWorkload(scene.observed.own.filter(({ workload }) => !wanted.has(workload)));
  const going = [...others].filter(([id]) => retired.has(id));
  const blocked = standingIds(scene, going);
  const lanes = going.flatMap(([id, containers]) => {
    if (scene.context.busy.has(id) || restOf(scene, id) !== null || leavingDependent(scene, id, blocked) !== null)
      return [];
    const standing = containers.filter(({ summary }) => summary.status !== "removing");
    const actions = standing.flatMap((own) => removal(id, own, "it is no longer wanted on this node"));
    return actions.length === 0 ? [] : [{ key: id, actions }];
  });
  const shown = new Map(
    [...others].flatMap(([id, [first]]) => {
      if (first === undefined) return [];
      const state: WorkloadState = retired.has(id) ? { kind: "stopping" } : seenState(first);
      return [[id, { own: first, state }] as const];
    }),
  );
  const unexplained = [...others].filter(([id]) => !retired.has(id)).flatMap(([, containers]) => containers);
  return { lanes, shown, unexplained };
}

/** Those that still run and are not stuck: what they depended on waits for them. */
function standingIds(scene: Scene, going: readonly (readonly [WorkloadId, readonly OwnContainer[]])[]): WorkloadId[] {
  return going.filter(([id, own]) => own.some(isUp) && restOf(scene, id) === null).map(([id]) => id);
}

export function groupByWorkload(own: readonly OwnContainer[]): ReadonlyMap<WorkloadId, readonly OwnContainer[]> {
  const groups = new Map<WorkloadId, OwnContainer[]>();
  for (const container of own) {
    const group = groups.get(container.workload);
    if (group === undefined) groups.set(container.workload, [container]);
    else group.push(container);
  }
  return groups;
}

/** What is seen of a container that nothing is planned for. */
export function seenState(own: OwnContainer): WorkloadState {
  const { status } = own.summary;
  if (status !== "exited" && status !== "dead") return stateOf(own);
  const exit = exitOf(own.details);
  return exit.code === 0 ? { kind: "completed", exit } : { kind: "failed", reason: exitInWords(exit), exit };
}

export function ownershipConditions(observed: Observed, unexplained: readonly OwnContainer[]): readonly Condition[] {
  const forged = [...observed.foreignNames].filter(([, { reason }]) => reason === "forged").map(([name]) => name);
  const conditions: Condition[] = [];
  if (forged.length > 0) {
    conditions.push({
      kind: "foreign-label",
      message: `containers bear this node's labels without its seal and are left alone: ${named(forged)}; remove them if they are not yours`,
    });
  }
  if (unexplained.length > 0) {
    const names = unexplained.map(({ summary, workload }) => `${summary.name} (${workload})`);
    conditions.push({
      kind: "unexplained-container",
      message: `containers of this node are neither assigned nor retired, and run on: ${named(names)}; assign them again or remove them by hand`,
    });
  }
  return conditions;
}

function named(names: readonly string[]): string {
  const sorted = [...names].sort();
  const more = sorted.length > MAX_NAMED ? ` and ${sorted.length - MAX_NAMED} more` : "";
  return `${sorted.slice(0, MAX_NAMED).join(", ")}${more}`;
}

/** Ours and gone without our doing. */
export function vanishedEvents({ vanished }: Observed): readonly NodeEvent[] {
  return vanished.map(({ workload }) => ({ kind: "drift", workload, what: "its container was removed" }));
}
