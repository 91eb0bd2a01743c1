// Keep: a container that matches is kept, repaired, healed or started again; made anew only when nothing else helps. Pure.
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Action } from "../action.ts";
import type { OwnContainer } from "../observed.ts";
import { provenStable, stoppedOnPurpose } from "../remember.ts";
import { stableRunMs } from "../retry.ts";
import {
  act,
  actOrStay,
  backingOff,
  type Case,
  type Decision,
  drift,
  stay,
  stop,
  waitFor,
  waitForRemoval,
  waitLeftMs,
} from "./decision.ts";
import { dependencyComingUp, unmetDependency } from "./dependencies.ts";
import { hasRun, isUp } from "./existing.ts";
import { make, remakeReason } from "./make.ts";
import { fileObstacle, networkObstacle, portObstacle } from "./obstacles.ts";
import { nameToGive, repairsOf } from "./repairs.ts";
import { endedState, isEnded, stateOf } from "./states.ts";
import { isGivenName, nextName, startsFirst } from "./target.ts";

export function keep(one: Case, own: OwnContainer, beingMade: ReadonlySet<WorkloadId>): Decision {
  if (isEnded(one, own)) return restUnderItsName(one, own);
  const extra = one.existing.extras.find(isUp) ?? (startsFirst(one.workload) ? undefined : keptUp(one));
  // Two copies must not fight for a port, and a fenced one must not run twice: the extras' own lanes end first.
  if (extra !== undefined && !isUp(own))
    return waitFor(one, `waits for another container of it to stop: ${extra.summary.name}`);
  const remake = remakeReason(one, own);
  if (remake !== null) return make(one, [own], remake);
  switch (own.summary.status) {
    case "running":
    case "restarting":
      return keepRunning(one, own);
    case "paused":
      return unpause(one, own);
    case "created":
    case "exited":
      return startAgain(one, own, beingMade);
    // Sorted out before: a removing one never matches, a dead one is remade.
    case "removing":
    case "dead":
      return waitForRemoval(one);
    default:
      return assertNever(own.summary.status);
  }
}

function keptUp({ existing: { kept } }: Case): OwnContainer | undefined {
  return kept !== null && isUp(kept) ? kept : undefined;
}

/** A job that had ended when it was put aside is wanted again: it stays ended. */
function restUnderItsName(one: Case, own: OwnContainer): Decision {
  const { scene, workload } = one;
  const name = nameToGive(scene, workload, own);
  if (name === null || own.summary.name === nextName(workload)) return stay(one, endedState(one));
  if (!isGivenName(workload, own.summary.name)) return stay(one, endedState(one));
  const rename: Action = { kind: "rename-container", workload: workload.id, containerId: own.summary.id, name };
  return actOrStay(one, { actions: [rename], state: endedState(one) }, endedState(one));
}

/** There is no way to unpause through our engine interface: a stop ends the pause, and a start follows. */
function unpause(one: Case, own: OwnContainer): Decision {
  const { workload, memory } = one;
  return act(one, {
    actions: [
      stop(workload.id, own, "it was paused from outside"),
      { kind: "start-container", workload: workload.id, containerId: own.summary.id },
    ],
    state: { kind: "starting" },
    events: [drift(one, "it was paused")],
    memory: stoppedOnPurpose(memory, own),
  });
}

function keepRunning(one: Case, own: OwnContainer): Decision {
  const { scene, workload, memory } = one;
  const repairs = repairsOf(one, own);
  if (repairs.actions.length > 0) {
    const events = repairs.found.map((what) => drift(one, what));
    return actOrStay(one, { actions: repairs.actions, state: stateOf(own), events }, stateOf(own));
  }
  const why = illOf(one, own);
  if (why !== null && wantsHealing(one)) return heal(one, own, why);
  if (memory.failures === 0 && memory.nextTry === null) return stay(one, stateOf(own));
  const stableAtMs = own.sinceMs + stableRunMs(workload.spec.restart);
  if (own.summary.health !== "none" && own.summary.health !== "healthy") return stay(one, stateOf(own));
  if (why !== null || scene.context.readiness.get(workload.id)?.startupDone === false) return stay(one, stateOf(own));
  if (stableAtMs > scene.now) return stay(one, stateOf(own), stableAtMs);
  return { ...stay(one, stateOf(own)), memory: provenStable(memory) };
}

/** null: neither the engine's check nor our probes say that it must be started anew. */
function illOf({ scene, workload }: Case, own: OwnContainer): string | null {
  if (own.summary.health === "unhealthy") return "unhealthy";
  return scene.context.readiness.get(workload.id)?.alive === false ? "not alive" : null;
}

/** An unhealthy container is restarted like one that ended: with back-off, and not when the file says "no" or tries are used up. */
function wantsHealing({ workload, memory }: Case): boolean {
  return workload.spec.restart.policy !== "no" && memory.ended === null;
}

function heal(one: Case, own: OwnContainer, why: string): Decision {
  const leftMs = waitLeftMs(one);
  if (leftMs !== null) return stay(one, stateOf(own), one.scene.now + leftMs);
  const { workload } = one;
  return actOrStay(
    one,
    {
      actions: [
        stop(workload.id, own, why),
        { kind: "start-container", workload: workload.id, containerId: own.summary.id },
      ],
      state: { kind: "starting" },
    },
    stateOf(own),
  );
}

function startAgain(one: Case, own: OwnContainer, beingMade: ReadonlySet<WorkloadId>): Decision {
  const { scene, workload } = one;
  const leftMs = waitLeftMs(one);
  if (leftMs !== null) return backingOff(one, leftMs);
  const obstacle =
    (hasRun(own) ? dependencyComingUp(scene, workload, beingMade) : unmetDependency(scene, workload)) ??
    fileObstacle(scene, workload) ??
    networkObstacle(scene, workload) ??
    portObstacle(scene, workload, [own]);
  if (obstacle !== null) return waitFor(one, obstacle);
  const repairs = repairsOf(one, own);
  const start: Action = { kind: "start-container", workload: workload.id, containerId: own.summary.id };
  const events = repairs.found.map((what) => drift(one, what));
  return act(one, { actions: [...repairs.actions, start], state: { kind: "starting" }, events });
}
