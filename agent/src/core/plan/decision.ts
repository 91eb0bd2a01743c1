// Decision: what one round of planning says of one workload, and the small ways to build it. Pure.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { NodeEvent } from "@skerry/shared/model/event.ts";
import type { WorkloadState } from "@skerry/shared/model/report.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Action } from "../action.ts";
import type { WorkloadMemory } from "../memory.ts";
import type { OwnContainer } from "../observed.ts";
import type { Existing } from "./existing.ts";
import { isUp } from "./existing.ts";
import type { HeldBack } from "./held-back.ts";
import { restOf, type Scene } from "./scene.ts";

export interface Decision {
  readonly actions: readonly Action[];
  /** Its image is to be pulled now. */
  readonly pull: boolean;
  readonly state: WorkloadState;
  readonly memory: WorkloadMemory;
  readonly events: readonly NodeEvent[];
  readonly wakeAtMs: Millis | null;
}

/** One wanted workload, as the planner looks at it. */
export interface Case {
  readonly scene: Scene;
  /** The target: what is planned for. */
  readonly workload: Workload;
  /** As the hub says. Another spec than the target's when that one failed here. */
  readonly wanted: Workload;
  /** Why its change-over waits; null: it does not. */
  readonly held: HeldBack | null;
  readonly existing: Existing;
  readonly memory: WorkloadMemory;
}

/** Soon enough to see a removal end that sends no event, seldom enough to cost nothing. */
const REMOVING_LOOK_MS = 500;
/** A fence that could not be carried out is tried again at once, whatever other lanes wait for. */
const FENCE_RETRY_MS = 1_000;

export function stay({ memory }: Case, state: WorkloadState, wakeAtMs: Millis | null = null): Decision {
  return { actions: [], pull: false, state, memory, events: [], wakeAtMs };
}

export function waitFor(one: Case, reason: string, wakeAtMs: Millis | null = null): Decision {
  return stay(one, { kind: "waiting", reason }, wakeAtMs);
}

export function waitForRemoval(one: Case): Decision {
  return waitFor(one, "the engine is still removing the old container", one.scene.now + REMOVING_LOOK_MS);
}

interface Act {
  readonly actions: readonly Action[];
  readonly state: WorkloadState;
  readonly events?: readonly NodeEvent[];
  readonly memory?: WorkloadMemory;
}

/** Actions go unless the lane rests after a failure that was not the workload's own. */
export function act(one: Case, what: Act): Decision {
  const rest = restOf(one.scene, one.workload.id);
  if (rest !== null) return waitFor(one, rest.reason, rest.untilMs);
  return actAtOnce(one, what);
}

/** For repairs of what runs: while the lane rests, it goes on as it is. */
export function actOrStay(one: Case, what: Act, otherwise: WorkloadState): Decision {
  const rest = restOf(one.scene, one.workload.id);
  return rest === null ? actAtOnce(one, what) : stay(one, otherwise, rest.untilMs);
}

/** For a fence: waits at most FENCE_RETRY_MS after a failure. */
export function actForFence(one: Case, what: Act): Decision {
  const rest = restOf(one.scene, one.workload.id);
  const untilMs = rest === null ? one.scene.now : rest.sinceMs + FENCE_RETRY_MS;
  return untilMs <= one.scene.now ? actAtOnce(one, what) : stay(one, what.state, untilMs);
}

function actAtOnce({ memory }: Case, what: Act): Decision {
  const { actions, state } = what;
  return { actions, pull: false, state, memory: what.memory ?? memory, events: what.events ?? [], wakeAtMs: null };
}

export function drift({ workload }: Case, what: string): NodeEvent {
  return { kind: "drift", workload: workload.id, what };
}

/** Stops (when it is up) and removes. Never a volume. */
export function removal(workload: Workload["id"], own: OwnContainer, reason: string): readonly Action[] {
  const containerId = own.summary.id;
  const force = own.summary.status === "dead";
  const remove: Action = { kind: "remove-container", workload, containerId, force, reason };
  return isUp(own) ? [stop(workload, own, reason), remove] : [remove];
}

export function stop(workload: Workload["id"], own: OwnContainer, reason: string): Action {
  return { kind: "stop-container", workload, containerId: own.summary.id, graceMs: null, reason };
}

/** null: no wait is left, the next try may go. */
export function waitLeftMs({ scene, memory }: Case): number | null {
  const left = memory.nextTry === null ? 0 : memory.nextTry.atMs - scene.now;
  return left > 0 ? left : null;
}

export function backingOff(one: Case, leftMs: number): Decision {
  const { memory, scene } = one;
  const during = memory.during ?? "run";
  const state: WorkloadState = {
    kind: "backing-off",
    during,
    reason: memory.reason,
    exit: during === "run" ? memory.lastExit : null,
    attempt: memory.failures + 1,
    nextTryInMs: Math.ceil(leftMs),
  };
  return stay(one, state, scene.now + leftMs);
}
