// Make: a new container, in the place of what stands there or of nothing. Everything that it needs is looked at first; only then does
// the lane stop, remove, create and start. Pure.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Action } from "../action.ts";
import { limitsDrift } from "../compare.ts";
import type { WorkloadMemory } from "../memory.ts";
import type { OwnContainer } from "../observed.ts";
import { addFailure, runKey } from "../remember.ts";
import {
  act,
  backingOff,
  type Case,
  type Decision,
  drift,
  removal,
  stay,
  stop,
  waitFor,
  waitForRemoval,
  waitLeftMs,
} from "./decision.ts";
import { followersObstacle, unmetDependency } from "./dependencies.ts";
import { isUp } from "./existing.ts";
import { leaseOf } from "./fence.ts";
import { credentialOf, imageNeed, pullingState } from "./images.ts";
import { isMadeNameless } from "./names.ts";
import {
  fileObstacle,
  nameObstacle,
  networkObstacle,
  policyObstacle,
  portHolder,
  portObstacle,
  volumeObstacle,
} from "./obstacles.ts";
import { oldLaneKey } from "./scene.ts";
import { endedState, isEnded, stateOf } from "./states.ts";
import { nextName, previousName, rightName, startsFirst } from "./target.ts";

export interface Remake {
  readonly reason: string;
  /** An edit from outside, to be told. */
  readonly drift: string | null;
}

/** Why a matching container will not do and must be made anew; null: it will. */
export function remakeReason(one: Case, own: OwnContainer): Remake | null {
  const { memory } = one;
  if (isEnded(one, own)) return null;
  if (own.summary.status === "dead") return { reason: "the engine calls it dead", drift: null };
  const edited = limitsDrift(own.recordedLimits, own.details.limits);
  if (edited !== null) return { reason: edited, drift: edited };
  const lost = memory.during === "create" && memory.failures > 0 && !isUp(own);
  return lost ? { reason: `it could not be started: ${memory.reason}`, drift: null } : null;
}

/** `replaced`: what stands in its place until everything is ready. */
export function make(one: Case, replaced: readonly OwnContainer[], remake: Remake | null = null): Decision {
  const { scene, workload, existing } = one;
  if (existing.removing.length > 0 && replaced.length === 0) return waitForRemoval(one);
  const up = replaced.find(isUp);
  const running = remake === null ? undefined : up;
  const held = remake === null ? notToBeMade(one) : backOffOf(one);
  if (held !== null) {
    // An image that does not come does nothing to what runs: its gate says for what it waits.
    const shown = held.state.kind === "backing-off" && held.state.during === "pull" ? up : running;
    return shown === undefined ? held : { ...held, state: stateOf(shown) };
  }
  if (one.held !== null) {
    const { reason, wakeAtMs } = one.held;
    return up === undefined ? waitFor(one, reason, wakeAtMs) : stay(one, stateOf(up), wakeAtMs);
  }
  const need = imageNeed(scene, workload, one.memory);
  if (need.kind === "pull") {
    return { ...stay(one, up === undefined ? pullingState(scene, workload) : stateOf(up)), pull: true };
  }
  const obstacle =
    makeObstacle(one, replaced, remake) ?? oldInWork(one, replaced) ?? followersObstacle(one.scene, one.workload);
  // A matching one that waits to be made anew still is what it is.
  if (obstacle !== null) return running === undefined ? waitFor(one, obstacle) : stay(one, stateOf(running));
  const reason = remake?.reason ?? `replaced by the one of revision ${workload.revision}`;
  const { kept } = existing;
  const keeps = remake === null && kept !== null && replaced.includes(kept);
  return act(one, {
    actions: [
      ...replaced.filter((own) => !keeps || own !== kept).flatMap((own) => removal(workload.id, own, reason)),
      ...(keeps ? setAside(workload, kept) : []),
      { kind: "create-container", workload, name: nameToMake(one), named: !isMadeNameless(one) },
      { kind: "start-container", workload: workload.id, containerId: null },
    ],
    state: { kind: "starting" },
    events: remake === null || remake.drift === null ? [] : [drift(one, remake.drift)],
    memory:
      remake !== null && remake.drift !== null
        ? countedDrift(one, remake.drift)
        : keeps
          ? withStoppedRun(one, kept)
          : one.memory,
  });
}

/** The last good one makes room and stays, until its successor has passed. Start-first it does not even make room. */
function setAside(workload: Workload, kept: OwnContainer): readonly Action[] {
  if (startsFirst(workload)) return [];
  const { id: containerId, name: present } = kept.summary;
  const name = previousName(workload);
  const rename: Action = { kind: "rename-container", workload: workload.id, containerId, name };
  const stops = isUp(kept) ? [stop(workload.id, kept, `revision ${workload.revision} takes its place`)] : [];
  return present === name ? stops : [...stops, rename];
}

function withStoppedRun({ memory, workload }: Case, kept: OwnContainer): WorkloadMemory {
  return startsFirst(workload) || !isUp(kept) ? memory : { ...memory, stoppedRun: runKey(kept.details) };
}

/** Beside one that keeps the right name it is made under another, and gets the right one when it has passed. */
function nameToMake({ workload, existing: { kept } }: Case): string {
  const right = rightName(workload);
  return kept !== null && startsFirst(workload) && kept.summary.name === right ? nextName(workload) : right;
}

/** The name that the kept one must get. */
function asideObstacle(
  { workload, scene, existing: { kept } }: Case,
  replaced: readonly OwnContainer[],
): string | null {
  if (kept === null || startsFirst(workload) || !replaced.includes(kept)) return null;
  return nameObstacle(scene, workload, replaced, previousName(workload));
}

/** An old one that is being started must not come up after its stop. */
function oldInWork({ scene }: Case, replaced: readonly OwnContainer[]): string | null {
  const inWork = replaced.find(({ summary }) => scene.context.busy.has(oldLaneKey(summary.id)));
  return inWork === undefined ? null : `waits for ${inWork.summary.name} to be started`;
}

/** Counted like a failure: an engine that never shows what was asked of it must not have its containers made anew at full speed. */
function countedDrift(one: Case, reason: string): WorkloadMemory {
  const { context, now } = one.scene;
  return addFailure(one.memory, one.workload, "start", reason, { bootId: context.bootId, chance: context.chance, now })
    .memory;
}

/** Why none is made now at all, whatever stands around it: it ended for good, or waits for its next try. */
function notToBeMade(one: Case): Decision | null {
  const { ended } = one.memory;
  if (ended !== null && (one.memory.nextTry === null || waitLeftMs(one) !== null)) {
    const leftMs = waitLeftMs(one);
    return stay(one, endedState(one), leftMs === null ? null : one.scene.now + leftMs);
  }
  return backOffOf(one);
}

function backOffOf(one: Case): Decision | null {
  const leftMs = waitLeftMs(one);
  if (leftMs === null) return null;
  // Waiting for a pull ends when the image came another way.
  const arrived = one.memory.during === "pull" && imageNeed(one.scene, one.workload, one.memory).kind === "present";
  return arrived || hasOtherCredential(one) ? null : backingOff(one, leftMs);
}

/** The last pull was refused, and its registry would be shown another credential now. */
function hasOtherCredential({ scene, workload, memory }: Case): boolean {
  const credential = memory.pullFailure === "unauthorised" ? credentialOf(scene, workload) : null;
  return credential !== null && credential.version !== memory.refusedWith;
}

/** null: everything that the new container needs is there. Looked at before anything stops. */
function makeObstacle(one: Case, replaced: readonly OwnContainer[], remake: Remake | null): string | null {
  const { scene, workload } = one;
  return obstacleButPorts(one, replaced, remake) ?? portObstacle(scene, workload, replaced);
}

function obstacleButPorts(one: Case, replaced: readonly OwnContainer[], remake: Remake | null): string | null {
  const { scene, workload } = one;
  return (
    policyObstacle(scene, workload) ??
    imageObstacle(one) ??
    fileObstacle(scene, workload) ??
    // What has run before is not kept down by a dependency that fails.
    (remake === null ? unmetDependency(scene, workload) : null) ??
    networkObstacle(scene, workload) ??
    volumeObstacle(scene, workload) ??
    nameObstacle(scene, workload, replaced, nameToMake(one)) ??
    asideObstacle(one, replaced)
  );
}

/** Workloads to be replaced that wait for nothing but ports which the next one in a circle of them holds. */
export function exchangingPorts(cases: readonly Case[]): ReadonlySet<WorkloadId> {
  const waitsFor = new Map<WorkloadId, WorkloadId>();
  for (const one of cases) {
    const { scene, workload, existing } = one;
    if (existing.matching !== null || existing.outdated.length === 0 || notToBeMade(one) !== null) continue;
    if (!workload.intent.run || one.held !== null) continue;
    const holder = portHolder(scene, workload, existing.outdated);
    if (holder !== null && obstacleButPorts(one, existing.outdated, null) === null) waitsFor.set(workload.id, holder);
  }
  return new Set([...waitsFor.keys()].filter((id) => comesBack(waitsFor, id)));
}

function comesBack(waitsFor: ReadonlyMap<WorkloadId, WorkloadId>, id: WorkloadId): boolean {
  let next = waitsFor.get(id);
  for (let steps = 0; next !== undefined && steps < waitsFor.size; steps += 1) {
    if (next === id) return true;
    next = waitsFor.get(next);
  }
  return false;
}

function imageObstacle(one: Case): string | null {
  const { image } = one.workload.spec;
  const need = imageNeed(one.scene, one.workload, one.memory);
  switch (need.kind) {
    case "present":
      return null;
    case "unknown":
      return `looks whether image ${image} is there`;
    case "forbidden":
      return `image ${image} is not on this node, and its pull_policy is "never": load it, or change the policy`;
    case "pull":
      return `waits for image ${image}`;
    default:
      return assertNever(need);
  }
}

/** Whether, but for followers that must stop first, nothing is in the way of making its container now. */
export function readyToMake(one: Case): boolean {
  const { scene, workload, existing } = one;
  if (scene.context.busy.has(workload.id) || leaseOf(scene, workload) === 0) return false;
  if (!workload.intent.run || one.held !== null) return false;
  const { matching, outdated, removing } = existing;
  const remake = matching === null ? null : remakeReason(one, matching);
  if (matching !== null) return remake !== null && makeObstacle(one, [matching], remake) === null;
  if (removing.length > 0 || notToBeMade(one) !== null) return false;
  return makeObstacle(one, outdated, null) === null;
}
