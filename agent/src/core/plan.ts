// Plan: what to do next, worked out from what is wanted, what is seen and what is remembered. Pure: the same input gives the same plan.
// Level-triggered: it never asks what happened, only what is. Every lane that it returns is meant to be started; a workload's trouble
// stays in that workload's lane.

import type { Assignment, Workload } from "@skerry/shared/model/assignment.ts";
import type { SpecHash, WorkloadId } from "@skerry/shared/model/ids.ts";
import { plainStatus } from "@skerry/shared/model/plain.ts";
import type { WorkloadState, WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Lane, Plan } from "./action.ts";
import type { WorkloadMemory } from "./memory.ts";
import type { Observed, OwnContainer } from "./observed.ts";
import { extraLanes, oldLanes, oldWakeMs } from "./plan/beside.ts";
import { decideWorkload } from "./plan/decide-workload.ts";
import type { Case, Decision } from "./plan/decision.ts";
import { matches, shownOf } from "./plan/existing.ts";
import { leaseOf } from "./plan/fence.ts";
import { gateStatus } from "./plan/gate.ts";
import { pullLanes, pullOf } from "./plan/images.ts";
import { readyToRestart } from "./plan/intent.ts";
import { groupByWorkload, ownershipConditions, planLeaving, seenState, vanishedEvents } from "./plan/leaving.ts";
import { type Looked, lookAt, type Surroundings } from "./plan/look-at.ts";
import { exchangingPorts, readyToMake } from "./plan/make.ts";
import { type PlanContext, type Scene, serviceKey } from "./plan/scene.ts";
import { surroundingLanes } from "./plan/surroundings.ts";
import { freshMemory } from "./remember.ts";

export function plan(
  desired: Assignment | null,
  observed: Observed,
  memory: ReadonlyMap<WorkloadId, WorkloadMemory>,
  context: PlanContext,
  now: Millis,
): Plan {
  if (desired === null) return watchOnly(observed);
  const own = groupByWorkload(observed.own);
  const around = { observed, context, now };
  const looks = desired.workloads.map((wanted) =>
    lookAt(wanted, own.get(wanted.id) ?? [], memory.get(wanted.id), around),
  );
  const plain = setScene(desired, looks, around);
  const exchanging = exchangingPorts(looks.map((look) => caseOf(plain, look)));
  const scene: Scene = { ...plain, exchangingPorts: exchanging };
  const cases = looks.map((look) => caseOf(scene, look));
  const beingMade = new Set(
    cases.filter((one) => readyToMake(one) || readyToRestart(one)).map(({ workload }) => workload.id),
  );
  const decided = cases.map((one) => ({ one, decision: decideWorkload(one, beingMade) }));
  const leaving = planLeaving(scene);
  const wanting = decided.filter(({ decision }) => decision.pull).map(({ one }) => one.workload);
  return {
    lanes: [
      ...surroundingLanes(scene),
      ...pullLanes(scene, wanting),
      ...decided.flatMap(({ one, decision }) => workloadLanes(one, decision, beingMade)),
      ...leaving.lanes,
    ],
    statuses: sortStatuses([
      ...decided.map(({ one, decision }) => statusOf(one, decision)),
      ...[...leaving.shown].map(([id, { own, state }]) => ownStatus(id, own, state)),
    ]),
    memory: [...changedMemory(memory, decided), ...forgotten(desired, observed, memory)],
    events: [
      ...vanishedEvents(observed),
      ...looks.flatMap(({ events }) => events),
      ...decided.flatMap(({ decision }) => decision.events),
    ],
    conditions: ownershipConditions(observed, leaving.unexplained),
    wakeAtMs: earliest(scene, decided, looks),
  };
}

/** No assignment (never joined, or the ledger was lost): everything runs on as it is, is shown, and nothing is done. */
function watchOnly(observed: Observed): Plan {
  const shown = [...groupByWorkload(observed.own)].flatMap(([id, [first]]) =>
    first === undefined ? [] : [ownStatus(id, first, seenState(first))],
  );
  const conditions = ownershipConditions(observed, []);
  return { lanes: [], statuses: sortStatuses(shown), memory: [], events: [], conditions, wakeAtMs: null };
}

function setScene(desired: Assignment, looks: readonly Looked[], { observed, context, now }: Surroundings): Scene {
  const targets = looks.map(({ target }) => target);
  const services = new Map<string, Workload[]>();
  for (const workload of targets) {
    const key = serviceKey(workload.app, workload.service);
    services.set(key, [...(services.get(key) ?? []), workload]);
  }
  return {
    desired: { ...desired, workloads: targets },
    observed,
    context,
    now,
    memories: new Map(looks.map(({ wanted, memory }) => [wanted.id, memory])),
    existing: new Map(looks.map(({ wanted, existing }) => [wanted.id, existing])),
    services,
    exchangingPorts: new Set(),
  };
}

const caseOf = (scene: Scene, { wanted, target, existing, memory, held }: Looked): Case => ({
  ...{ scene, wanted, existing, memory, held },
  workload: target,
});

interface Decided {
  readonly one: Case;
  readonly decision: Decision;
}

function workloadLanes(one: Case, decision: Decision, beingMade: ReadonlySet<WorkloadId>): readonly Lane[] {
  const { actions } = decision;
  const own: Lane[] = actions.length === 0 ? [] : [{ key: one.workload.id, actions }];
  return [...own, ...oldLanes(one, decision, beingMade), ...extraLanes(one)];
}

function statusOf(one: Case, decision: Decision): WorkloadStatus {
  const parts = { ...gateStatus(one, decision), ...probeStatus(one), ...lastEndOf(decision) };
  return { ...plainStatusOf(one, decision), ...parts, ...pullStatus(one, decision) };
}

/** Unready until its probes say otherwise; what has no probe that could say so is neither. */
function probeStatus({ scene, workload: { id, probes } }: Case): Pick<WorkloadStatus, "ready" | "probes"> {
  if (probes === null) return { ready: null, probes: [] };
  const probed = scene.context.readiness.get(id);
  const asked = probes.startup !== null || probes.readiness !== null;
  return { ready: asked ? (probed?.ready ?? false) : null, probes: [...(probed?.answers ?? [])] };
}

function pullStatus(
  { scene, workload }: Case,
  { pull, state, memory: { pullFailure } }: Decision,
): Pick<WorkloadStatus, "pull" | "pullFailure"> {
  return { pull: pull && state.kind !== "pulling" ? pullOf(scene, workload) : null, pullFailure };
}

/** How long ago is put on when somebody asks: see `timeline`. */
function lastEndOf({ memory: { runs } }: Decision): Pick<WorkloadStatus, "lastEnd"> {
  const [last] = runs;
  return { lastEnd: last === undefined ? null : { exit: last.exit, words: last.words, agoMs: null } };
}

function plainStatusOf({ workload, existing }: Case, { state, memory }: Decision): WorkloadStatus {
  const shown = shownOf(existing);
  if (shown === null) {
    const { id, revision } = workload;
    const { restarts } = memory;
    return {
      id,
      revision,
      specHash: null,
      state,
      forMs: 0,
      containerId: null,
      imageId: null,
      restarts,
      ...plainStatus,
    };
  }
  const status = ownStatus(workload.id, shown, state);
  // Made under an older revision of the same spec: it is what the newer revision asks for.
  if (matches(workload, shown)) return { ...status, revision: workload.revision, restarts: memory.restarts };
  return status;
}

function ownStatus(id: WorkloadId, own: OwnContainer, state: WorkloadState): WorkloadStatus {
  return {
    id,
    revision: own.revision,
    // Written by us from a SpecHash, and sealed.
    specHash: own.specHash as SpecHash,
    state,
    forMs: 0,
    containerId: own.summary.id,
    imageId: own.summary.imageId,
    restarts: 0,
    ...plainStatus,
  };
}

function sortStatuses(statuses: readonly WorkloadStatus[]): readonly WorkloadStatus[] {
  return [...statuses].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

/** Only what differs is written: at rest nothing is. */
function changedMemory(held: ReadonlyMap<WorkloadId, WorkloadMemory>, decided: readonly Decided[]): Plan["memory"] {
  return decided.flatMap(({ one: { workload, wanted }, decision: { memory } }) => {
    const before = held.get(workload.id) ?? freshMemory(workload.specHash);
    const known = { ...before, restartsDone: before.restartsDone ?? wanted.intent.restarts };
    return sameMemory(known, memory) ? [] : [{ id: workload.id, memory }];
  });
}

function sameMemory(a: WorkloadMemory, b: WorkloadMemory): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** What is neither wanted nor here any more needs no memory. */
function forgotten(
  { workloads }: Assignment,
  { own }: Observed,
  held: ReadonlyMap<WorkloadId, WorkloadMemory>,
): Plan["memory"] {
  const kept = new Set<WorkloadId>([...workloads.map(({ id }) => id), ...own.map(({ workload }) => workload)]);
  return [...held.keys()]
    .filter((id) => !kept.has(id))
    .sort()
    .map((id) => ({ id, memory: null }));
}

function earliest(
  { context, desired, now }: Scene,
  decided: readonly Decided[],
  looks: readonly Looked[],
): Millis | null {
  const leases = desired.workloads.map((workload) => leaseOf({ context, now }, workload));
  const leaseEnds = leases.flatMap((left) => (left === null || left === 0 ? [] : [now + left]));
  const rests = [...context.resting.values()].map(({ untilMs }) => untilMs).filter((untilMs) => untilMs > now);
  const waits = decided.flatMap(({ one, decision }) =>
    [decision.wakeAtMs, oldWakeMs(one)].filter((wakeAtMs) => wakeAtMs !== null),
  );
  const gates = looks.flatMap(({ wakeAtMs, held }) =>
    [wakeAtMs, held?.wakeAtMs ?? null].filter((at) => at !== null && at > now).map(Number),
  );
  const times = [...leaseEnds, ...rests, ...waits, ...gates];
  return times.length === 0 ? null : Math.min(...times);
}
