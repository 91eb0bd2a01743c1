// Intent: an operator's stop, start and restart, carried out once and remembered. Never counted as a failure. Pure.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { NodeEvent } from "@skerry/shared/model/event.ts";
import type { WorkloadMemory } from "../memory.ts";
import type { OwnContainer } from "../observed.ts";
import { type Remembered, runKey, stoppedOnPurpose } from "../remember.ts";
import { act, type Case, type Decision, stay, stop, waitFor } from "./decision.ts";
import { followersObstacle } from "./dependencies.ts";
import { type Existing, isUp, standingOf } from "./existing.ts";
import { leaseOf } from "./fence.ts";

/** What is newly asked for, taken into memory: it clears back-off, and what was given up or completed runs again. */
export function takeIntent(wanted: Workload, { matching }: Existing, memory: WorkloadMemory): Remembered {
  const { run, restarts } = wanted.intent;
  const done = memory.restartsDone ?? restarts;
  const known: WorkloadMemory = { ...settledRestart(memory, matching), restartsDone: restarts };
  if (run && memory.stopped) return { memory: { ...afresh(known, matching), stopped: false }, events: [] };
  if (!run || (restarts <= done && !isRetry(wanted, memory))) return { memory: known, events: [] };
  const endRun = matching !== null && isUp(matching) ? runKey(matching.details) : null;
  const events: NodeEvent[] = restarts > done ? [{ kind: "restarted", workload: wanted.id }] : [];
  return { memory: { ...afresh(known, matching), endRun, gate: retried(wanted, memory) }, events };
}

/** The run that was to end has ended. */
function settledRestart(memory: WorkloadMemory, matching: OwnContainer | null): WorkloadMemory {
  if (memory.endRun === null || (matching !== null && isToEnd(memory, matching))) return memory;
  return { ...memory, endRun: null };
}

const isToEnd = (memory: WorkloadMemory, own: OwnContainer): boolean =>
  isUp(own) && runKey(own.details) === memory.endRun;

/** A larger attempt of what failed here and was not reverted: it begins anew. */
function isRetry({ specHash, changeOver }: Workload, { gate }: WorkloadMemory): boolean {
  return gate?.verdict.kind === "failed" && gate.specHash === specHash && gate.attempt < changeOver.attempt;
}

/** The failed gate is what tells a retry: it goes once the retry is taken. */
function retried(wanted: Workload, memory: WorkloadMemory): WorkloadMemory["gate"] {
  return isRetry(wanted, memory) ? null : memory.gate;
}

function afresh(memory: WorkloadMemory, matching: OwnContainer | null): WorkloadMemory {
  const countedExit = matching === null || isUp(matching) ? memory.countedExit : runKey(matching.details);
  return { ...memory, failures: 0, nextTry: null, during: null, reason: "", ended: null, countedExit };
}

/** null: it is to run. */
export function stopped(one: Case): Decision | null {
  const { workload, existing, memory } = one;
  if (workload.intent.run) return null;
  const up = standingOf(existing).filter(isUp);
  if (up.length === 0) {
    const events: NodeEvent[] = memory.stopped ? [] : [{ kind: "stopped", workload: workload.id }];
    return { ...stay(one, { kind: "stopped" }), memory: { ...memory, stopped: true }, events };
  }
  const { matching } = existing;
  const old = up.find((own) => own !== matching);
  return act(one, {
    actions: up.map((own) => stop(workload.id, own, "an operator wants it stopped")),
    state: { kind: "stopping" },
    memory: {
      ...(matching === null ? memory : stoppedOnPurpose(memory, matching)),
      stoppedRun: old === undefined ? memory.stoppedRun : runKey(old.details),
    },
  });
}

/** Whether, but for followers that must stop first, it is now restarted as an operator asked. */
export function readyToRestart({ scene, workload, existing: { matching }, memory }: Case): boolean {
  if (scene.context.busy.has(workload.id) || leaseOf(scene, workload) === 0) return false;
  return workload.intent.run && matching !== null && isToEnd(memory, matching);
}

/** null: no restart is asked for, or it was carried out. */
export function restarted(one: Case): Decision | null {
  const { scene, workload, existing, memory } = one;
  const own = existing.matching;
  if (own === null || !isToEnd(memory, own)) return null;
  const followers = followersObstacle(scene, workload);
  if (followers !== null) return waitFor(one, followers);
  return act(one, {
    actions: [
      stop(workload.id, own, "an operator asked for a restart"),
      { kind: "start-container", workload: workload.id, containerId: own.summary.id },
    ],
    state: { kind: "starting" },
    memory: stoppedOnPurpose(memory, own),
  });
}
