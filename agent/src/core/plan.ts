// Plan: what to do next, worked out from what is wanted, what is seen and what is remembered. Pure: the same input gives the same plan.
// Level-triggered: it never asks what happened, only what is. Every lane that it returns is meant to be started; a workload's trouble
// stays in that workload's lane.

import type { Assignment, Workload } from "@skerry/shared/model/assignment.ts";
import type { NodeEvent } from "@skerry/shared/model/event.ts";
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
import { matches, NOTHING_EXISTS, shownOf, sortExisting } from "./plan/existing.ts";
import { leaseOf } from "./plan/fence.ts";
import { pullLanes } from "./plan/images.ts";
import { groupByWorkload, ownershipConditions, planLeaving, seenState, vanishedEvents } from "./plan/leaving.ts";
import { exchangingPorts, readyToMake } from "./plan/make.ts";
import { type PlanContext, type Scene, serviceKey } from "./plan/scene.ts";
import { surroundingLanes } from "./plan/surroundings.ts";
import { countRun, freshMemory, memoryFor, renewWait } from "./remember.ts";

export function plan(
  desired: Assignment | null,
  observed: Observed,
  memory: ReadonlyMap<WorkloadId, WorkloadMemory>,
  context: PlanContext,
  now: Millis,
): Plan {
  if (desired === null) return watchOnly(observed);
  const { scene: plain, events: counted } = setScene(desired, observed, memory, context, now);
  const exchanging = exchangingPorts(desired.workloads.map((workload) => caseOf(plain, workload)));
  const scene: Scene = { ...plain, exchangingPorts: exchanging };
  const cases = desired.workloads.map((workload) => caseOf(scene, workload));
  const beingMade = new Set(cases.filter(readyToMake).map(({ workload }) => workload.id));
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
    events: [...vanishedEvents(observed), ...counted, ...decided.flatMap(({ decision }) => decision.events)],
    conditions: ownershipConditions(observed, leaving.unexplained),
    wakeAtMs: earliest(scene, decided),
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

function setScene(
  desired: Assignment,
  observed: Observed,
  memory: ReadonlyMap<WorkloadId, WorkloadMemory>,
  context: PlanContext,
  now: Millis,
): { readonly scene: Scene; readonly events: readonly NodeEvent[] } {
  const own = groupByWorkload(observed.own);
  const moment = { bootId: context.bootId, chance: context.chance, now };
  const counted = desired.workloads.map((workload) => {
    const existing = sortExisting(workload, own.get(workload.id) ?? []);
    const held = renewWait(memoryFor(memory.get(workload.id), workload.specHash), moment);
    // A lane in flight is about to say what became of it: nothing is counted meanwhile.
    const idle = existing.matching === null || context.busy.has(workload.id);
    const after = idle ? { memory: held, events: [] } : countRun(held, existing.matching, workload, moment);
    return { workload, existing, ...after };
  });
  const services = new Map<string, Workload[]>();
  for (const workload of desired.workloads) {
    const key = serviceKey(workload.app, workload.service);
    services.set(key, [...(services.get(key) ?? []), workload]);
  }
  const scene: Scene = {
    desired,
    observed,
    context,
    now,
    memories: new Map(counted.map(({ workload, memory: after }) => [workload.id, after])),
    existing: new Map(counted.map(({ workload, existing }) => [workload.id, existing])),
    services,
    exchangingPorts: new Set(),
  };
  return { scene, events: counted.flatMap(({ events }) => events) };
}

function caseOf(scene: Scene, workload: Workload): Case {
  return {
    scene,
    workload,
    existing: scene.existing.get(workload.id) ?? NOTHING_EXISTS,
    memory: scene.memories.get(workload.id) ?? freshMemory(workload.specHash),
  };
}

interface Decided {
  readonly one: Case;
  readonly decision: Decision;
}

function workloadLanes(one: Case, decision: Decision, beingMade: ReadonlySet<WorkloadId>): readonly Lane[] {
  const { actions } = decision;
  const own: Lane[] = actions.length === 0 ? [] : [{ key: one.workload.id, actions }];
  return [...own, ...oldLanes(one, decision, beingMade), ...extraLanes(one)];
}

function statusOf({ workload, existing }: Case, { state, memory }: Decision): WorkloadStatus {
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
  return decided.flatMap(({ one: { workload }, decision: { memory } }) => {
    const before = memoryFor(held.get(workload.id), workload.specHash);
    return sameMemory(before, memory) ? [] : [{ id: workload.id, memory }];
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

function earliest({ context, desired, now }: Scene, decided: readonly Decided[]): Millis | null {
  const leases = desired.workloads.map((workload) => leaseOf({ context, now }, workload));
  const leaseEnds = leases.flatMap((left) => (left === null || left === 0 ? [] : [now + left]));
  const rests = [...context.resting.values()].map(({ untilMs }) => untilMs).filter((untilMs) => untilMs > now);
  const waits = decided.flatMap(({ one, decision }) =>
    [decision.wakeAtMs, oldWakeMs(one)].filter((wakeAtMs) => wakeAtMs !== null),
  );
  const times = [...leaseEnds, ...rests, ...waits];
  return times.length === 0 ? null : Math.min(...times);
}
