// StillWanted: asked right before each mutating call. A lane was planned some time ago: a newer assignment, or a lease that ended
// meanwhile, must stop it. Pure.
import type { Assignment, Workload } from "@skerry/shared/model/assignment.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Action } from "../core/action.ts";
import { type LinkState, leaseLeftMs } from "../core/link-state.ts";

/** `planned`: what was held when the lane was planned; `held`: what is held now. */
export function stillWanted(
  action: Action,
  planned: Assignment | null,
  held: Assignment | null,
  link: LinkState,
  now: Millis,
): boolean {
  if (held === null) return false;
  switch (action.kind) {
    case "pull-image":
      return held.workloads
        .flatMap(({ spec, changeOver }) => (changeOver.previous === null ? [spec] : [spec, changeOver.previous.spec]))
        .some((spec) => spec.image === action.image && spec.platform === action.platform);
    case "create-network":
    case "create-volume":
      return planned === held || held.apps.some(({ name }) => name === action.app);
    case "remove-network":
      return planned === held || !namesNetwork(held, action.name);
    case "create-container":
      return sameWorkload(planned, held, action.workload.id);
    case "start-container":
      return sameWorkload(planned, held, action.workload) && mayRun(held, action.workload, link, now);
    case "stop-container":
    case "remove-container":
    case "rename-container":
    case "connect-network":
    case "change-aliases":
    case "let-settle":
      return sameWorkload(planned, held, action.workload);
  }
}

function sameWorkload(planned: Assignment | null, held: Assignment, id: WorkloadId): boolean {
  if (planned === held) return true;
  const [then, now] = [find(planned, id), find(held, id)];
  if (then === undefined || now === undefined) return then === now && isRetired(held, id);
  return (
    then.specHash === now.specHash &&
    then.fencingToken === now.fencingToken &&
    then.changeOver.attempt === now.changeOver.attempt &&
    then.intent.run === now.intent.run
  );
}

function mayRun(held: Assignment, id: WorkloadId, link: LinkState, now: Millis): boolean {
  const disconnect = find(held, id)?.disconnect;
  return disconnect?.policy !== "fence" || leaseLeftMs(link, disconnect.afterMs, now) > 0;
}

function find(assignment: Assignment | null, id: WorkloadId): Workload | undefined {
  return assignment?.workloads.find((workload) => workload.id === id);
}

function isRetired(assignment: Assignment, id: WorkloadId): boolean {
  return assignment.retired.some((retired) => retired.id === id);
}

function namesNetwork({ apps, workloads }: Assignment, name: string): boolean {
  return (
    apps.some(({ networks }) => networks.some(({ engineName }) => engineName === name)) ||
    workloads.some(({ spec }) => spec.networks.some(({ network }) => network === name))
  );
}
