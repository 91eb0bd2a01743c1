// What is to be done for one wanted workload. Pure. The order of the questions is the rule: a lane in flight is left alone; a fence
// comes before everything; then what is there is kept, repaired or replaced; and nothing is stopped before everything that its
// successor needs is there.
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { silentForMs } from "../link-state.ts";
import { stoppedOnPurpose } from "../remember.ts";
import { act, actForFence, type Case, type Decision, stay, stop, waitFor, waitLeftMs } from "./decision.ts";
import { replacedDependency } from "./dependencies.ts";
import { isUp, standingOf } from "./existing.ts";
import { leaseOf } from "./fence.ts";
import { imageNeed } from "./images.ts";
import { restarted, stopped } from "./intent.ts";
import { keep } from "./keep.ts";
import { make } from "./make.ts";
import { stateInFlight } from "./states.ts";

/** `beingMade`: workloads about to be made, or restarted as an operator asked (see `readyToMake`, `readyToRestart`). */
export function decideWorkload(one: Case, beingMade: ReadonlySet<WorkloadId>): Decision {
  const lane = one.scene.context.busy.get(one.workload.id);
  if (lane !== undefined) return stay(one, stateInFlight(one, lane));
  return (
    fencedOff(one) ??
    stopped(one) ??
    // First: what stops for its dependency has been restarted by that.
    yieldToDependency(one, beingMade) ??
    restarted(one) ??
    (one.existing.matching === null ? make(one, one.existing.outdated) : keep(one, one.existing.matching, beingMade))
  );
}

function fencedOff(one: Case): Decision | null {
  const { scene, workload, existing, memory } = one;
  if (leaseOf(scene, workload) !== 0) return null;
  const up = standingOf(existing).filter(isUp);
  if (up.length === 0) return workload.intent.run ? stay(one, { kind: "fenced" }) : null;
  const silentMs = silentForMs(scene.context.link, scene.now);
  return actForFence(one, {
    actions: up.map((own) => stop(workload.id, own, "fence: no word from the hub")),
    state: { kind: "stopping" },
    events: [{ kind: "fenced", workload: workload.id, silentForMs: Math.round(silentMs ?? 0) }],
    memory: up.reduce(stoppedOnPurpose, memory),
  });
}

/** `depends_on: restart: true`: stops before its dependency is replaced or restarted; the ordinary start follows when that one is up. */
function yieldToDependency(one: Case, beingMade: ReadonlySet<WorkloadId>): Decision | null {
  const replaced = replacedDependency(one.scene, one.workload, beingMade);
  if (replaced === null) return null;
  const up = standingOf(one.existing).filter(isUp);
  // Followers that started meanwhile would keep it, and each other, from ever coming up.
  if (up.length === 0)
    return pullMeanwhile(one, waitFor(one, `waits for ${replaced.service} to be made anew or restarted`));
  return act(one, {
    actions: up.map((own) =>
      stop(one.workload.id, own, `its dependency ${replaced.service} is made anew or restarted`),
    ),
    state: { kind: "stopping" },
    memory: up.reduce(stoppedOnPurpose, one.memory),
  });
}

/** Whatever else it waits for, its image may come. */
function pullMeanwhile(one: Case, otherwise: Decision): Decision {
  const { existing, scene, workload, memory } = one;
  if (existing.matching !== null || memory.ended !== null || waitLeftMs(one) !== null) return otherwise;
  if (one.held !== null) return otherwise;
  return { ...otherwise, pull: imageNeed(scene, workload, memory).kind === "pull" };
}
