// What is to be done for one wanted workload. Pure. The order of the questions is the rule: a lane in flight is left alone; a fence
// comes before everything; then what is there is kept, repaired or replaced; and nothing is stopped before everything that its
// successor needs is there.

import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { containerName, workloadParts } from "@skerry/shared/model/names.ts";
import type { WorkloadState } from "@skerry/shared/model/report.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Action, Lane } from "../action.ts";
import { limitsDrift } from "../compare.ts";
import { silentForMs } from "../link-state.ts";
import type { WorkloadMemory } from "../memory.ts";
import type { OwnContainer } from "../observed.ts";
import { addFailure, provenStable, stoppedOnPurpose } from "../remember.ts";
import { STABLE_RUN_MS, stableRunMs, wantsRestart } from "../retry.ts";
import {
  act,
  actForFence,
  actOrStay,
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
import { dependencyComingUp, replacedDependency, runningFollowers, unmetDependency } from "./dependencies.ts";
import { type Existing, hasRun, isUp } from "./existing.ts";
import { leaseOf } from "./fence.ts";
import { imageNeed } from "./images.ts";
import { nameObstacle, networkObstacle, portObstacle, volumeObstacle } from "./obstacles.ts";
import { restOf, type Scene } from "./scene.ts";

/** `beingMade`: workloads whose container is about to be made (see `readyToMake`). */
export function decideWorkload(one: Case, beingMade: ReadonlySet<WorkloadId>): Decision {
  const lane = one.scene.context.busy.get(one.workload.id);
  if (lane !== undefined) return stay(one, stateInFlight(one, lane));
  return (
    fencedOff(one) ??
    yieldToDependency(one, beingMade) ??
    (one.existing.matching === null ? make(one, one.existing.outdated) : keep(one, one.existing.matching, beingMade))
  );
}

/** Whether, but for followers that must stop first, nothing is in the way of making its container now. */
export function readyToMake(one: Case): boolean {
  const { scene, workload, existing } = one;
  if (scene.context.busy.has(workload.id) || leaseOf(scene, workload) === 0) return false;
  const { matching } = existing;
  if (matching !== null && remakeReason(one, matching) === null) return false;
  if (matching === null && existing.removing.length > 0) return false;
  if (matching === null && notToBeMade(one) !== null) return false;
  return makeObstacle(one, matching === null ? existing.outdated : [matching]) === null;
}

// ---- fence

function fencedOff(one: Case): Decision | null {
  const { scene, workload, existing, memory } = one;
  if (leaseOf(scene, workload) !== 0) return null;
  const up = all(existing).filter(isUp);
  if (up.length === 0) return stay(one, { kind: "fenced" });
  const silentMs = silentForMs(scene.context.link, scene.now);
  return actForFence(one, {
    actions: up.map((own) => stop(workload.id, own, "fence: no word from the hub")),
    state: { kind: "stopping" },
    events: [{ kind: "fenced", workload: workload.id, silentForMs: Math.round(silentMs ?? 0) }],
    memory: up.reduce(stoppedOnPurpose, memory),
  });
}

function all({ matching, extras, outdated }: Existing): readonly OwnContainer[] {
  return matching === null ? outdated : [matching, ...extras];
}

// ---- dependencies that are made anew

/** `depends_on: restart: true`: stops before its dependency is replaced; the ordinary start follows when that one is up. */
function yieldToDependency(one: Case, beingMade: ReadonlySet<WorkloadId>): Decision | null {
  const replaced = replacedDependency(one.scene, one.workload, beingMade);
  if (replaced === null) return null;
  const up = all(one.existing).filter(isUp);
  // Followers that started meanwhile would keep it, and each other, from ever coming up.
  if (up.length === 0) return pullMeanwhile(one, waitFor(one, `waits for ${replaced.service} to be replaced`));
  return act(one, {
    actions: up.map((own) => stop(one.workload.id, own, `its dependency ${replaced.service} is replaced`)),
    state: { kind: "stopping" },
    memory: up.reduce(stoppedOnPurpose, one.memory),
  });
}

/** Whatever else it waits for, its image may come. */
function pullMeanwhile(one: Case, otherwise: Decision): Decision {
  const { existing, scene, workload, memory } = one;
  if (existing.matching !== null || memory.ended !== null || waitLeftMs(one) !== null) return otherwise;
  return { ...otherwise, pull: imageNeed(scene, workload, memory).kind === "pull" };
}

// ---- keeping what matches

function keep(one: Case, own: OwnContainer, beingMade: ReadonlySet<WorkloadId>): Decision {
  if (isEnded(one, own)) return stay(one, endedState(one));
  const extra = one.existing.extras.find(isUp);
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

/**
 * What stands in the place of one that cannot be made yet is kept alive: a revision whose image never arrives must not cost the old one
 * its restart after a reboot. Its spec is not known any more, so the intent of the new one is used. In a lane of its own.
 */
export function oldLanes(one: Case, decision: Decision, beingMade: ReadonlySet<WorkloadId>): readonly Lane[] {
  const { scene, workload, existing, memory } = one;
  const old = existing.outdated[0];
  if (old === undefined || old.summary.status !== "exited" || decision.actions.length > 0) return [];
  if (memory.ended?.kind === "completed" || decision.state.kind === "fenced") return [];
  if (dependencyComingUp(scene, workload, beingMade) !== null) return [];
  const key = `old:${old.summary.id}`;
  if (scene.context.busy.has(key) || scene.context.busy.has(workload.id) || restOf(scene, key) !== null) return [];
  if (!wantsRestart(workload.spec.restart, old.details.exitCode) || oldDueMs(old) > scene.now) return [];
  return [{ key, actions: [{ kind: "start-container", workload: workload.id, containerId: old.summary.id }] }];
}

/** After a long run at once; otherwise slowly, since its failures are not in memory. */
const OLD_RESTART_MS = 30_000;

function oldDueMs(old: OwnContainer): number {
  return (old.details.ranMs ?? 0) >= STABLE_RUN_MS ? old.sinceMs : old.sinceMs + OLD_RESTART_MS;
}

/** When an old one that ended is due again; null: none is. */
export function oldWakeMs({ scene, workload, existing }: Case): number | null {
  const old = existing.outdated[0];
  if (old === undefined || old.summary.status !== "exited") return null;
  if (!wantsRestart(workload.spec.restart, old.details.exitCode)) return null;
  return oldDueMs(old) > scene.now ? oldDueMs(old) : null;
}

/** Completed, given up or not to be restarted: it stays as it ended. */
function isEnded({ memory }: Case, own: OwnContainer): boolean {
  return memory.ended !== null && !isUp(own) && own.summary.status !== "created";
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

/** Duplicates and leftovers beside the matching one: each in a lane of its own, so that none delays the workload. */
export function extraLanes({ scene, workload, existing }: Case): readonly Lane[] {
  return existing.extras
    .map((extra): Lane => {
      const reason = "another container stands for this workload";
      return { key: `extra:${extra.summary.id}`, actions: removal(workload.id, extra, reason) };
    })
    .filter(({ key }) => !scene.context.busy.has(key) && restOf(scene, key) === null);
}

interface Remake {
  readonly reason: string;
  /** An edit from outside, to be told. */
  readonly drift: string | null;
}

/** Why a matching container will not do and must be made anew; null: it will. */
function remakeReason(one: Case, own: OwnContainer): Remake | null {
  const { memory } = one;
  if (isEnded(one, own)) return null;
  if (own.summary.status === "dead") return { reason: "the engine calls it dead", drift: null };
  const edited = limitsDrift(own.recordedLimits, own.details.limits);
  if (edited !== null) return { reason: edited, drift: edited };
  const lost = memory.during === "create" && memory.failures > 0 && !isUp(own);
  return lost ? { reason: `it could not be started: ${memory.reason}`, drift: null } : null;
}

function keepRunning(one: Case, own: OwnContainer): Decision {
  const { scene, workload, memory } = one;
  const repairs = repairsOf(one, own);
  if (repairs.actions.length > 0) {
    const events = repairs.found.map((what) => drift(one, what));
    return actOrStay(one, { actions: repairs.actions, state: stateOf(own), events }, stateOf(own));
  }
  if (own.summary.health === "unhealthy" && wantsHealing(one)) return heal(one, own);
  if (memory.failures === 0 && memory.nextTry === null) return stay(one, stateOf(own));
  const stableAtMs = own.sinceMs + stableRunMs(workload.spec.restart);
  if (own.summary.health !== "none" && own.summary.health !== "healthy") return stay(one, stateOf(own));
  if (stableAtMs > scene.now) return stay(one, stateOf(own), stableAtMs);
  return { ...stay(one, stateOf(own)), memory: provenStable(memory) };
}

/** An unhealthy container is restarted like one that ended: with back-off, and not when the file says "no" or tries are used up. */
function wantsHealing({ workload, memory }: Case): boolean {
  return workload.spec.restart.policy !== "no" && memory.ended === null;
}

function heal(one: Case, own: OwnContainer): Decision {
  const leftMs = waitLeftMs(one);
  if (leftMs !== null) return stay(one, stateOf(own), one.scene.now + leftMs);
  const { workload } = one;
  return actOrStay(
    one,
    {
      actions: [
        stop(workload.id, own, "unhealthy"),
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
    networkObstacle(scene, workload) ??
    portObstacle(scene, workload, [own]);
  if (obstacle !== null) return waitFor(one, obstacle);
  const repairs = repairsOf(one, own);
  const start: Action = { kind: "start-container", workload: workload.id, containerId: own.summary.id };
  const events = repairs.found.map((what) => drift(one, what));
  return act(one, { actions: [...repairs.actions, start], state: { kind: "starting" }, events });
}

interface Repairs {
  readonly actions: readonly Action[];
  readonly found: readonly string[];
}

/** Name and networks, put back without a restart. */
function repairsOf({ scene, workload }: Case, own: OwnContainer): Repairs {
  const { id: containerId, name: present } = own.summary;
  const attached = new Set(own.summary.networks);
  const detached =
    workload.spec.networkMode !== "networks"
      ? []
      : workload.spec.networks.filter(({ network }) => !attached.has(network) && scene.observed.networks.has(network));
  const connects = detached.map(
    ({ network, aliases, ipv4Address, ipv6Address }): Action => ({
      kind: "connect-network",
      workload: workload.id,
      containerId,
      network,
      aliases,
      ipv4Address,
      ipv6Address,
    }),
  );
  const name = nameToGive(scene, workload, own);
  const renames: Action[] =
    name === null ? [] : [{ kind: "rename-container", workload: workload.id, containerId, name }];
  return {
    actions: [...connects, ...renames],
    found: [
      ...detached.map(({ network }) => `it was detached from network ${network}`),
      ...(name === null ? [] : [`it was renamed to ${present}`]),
    ],
  };
}

/** null: it has the right name, or that is not to be had now. */
function nameToGive(scene: Scene, workload: Workload, own: OwnContainer): string | null {
  const { id, name: present } = own.summary;
  const right = containerName(workload.app, workload.service, workload.slot);
  if (present === right) return null;
  if (nameObstacle(scene, workload, [own]) === null) return right;
  const holder = scene.observed.own.find(({ summary }) => summary.name === right);
  if (holder === undefined) return null;
  const { app, service, slot } = workloadParts(holder.workload);
  // Two of ours under each other's names: one of them steps aside.
  const crossed = containerName(app, service, slot) === present && id < holder.summary.id;
  return crossed ? `${right}-${id.slice(0, 12)}` : null;
}

// ---- making one anew

/** `replaced`: what stands in its place until everything is ready. */
function make(one: Case, replaced: readonly OwnContainer[], remake: Remake | null = null): Decision {
  const { scene, workload, existing } = one;
  if (existing.removing.length > 0 && replaced.length === 0) return waitForRemoval(one);
  const running = remake === null ? undefined : replaced.find(isUp);
  const held = remake === null ? notToBeMade(one) : backOffOf(one);
  if (held !== null) return running === undefined ? held : { ...held, state: stateOf(running) };
  const need = imageNeed(scene, workload, one.memory);
  if (need.kind === "pull") {
    const progress = scene.context.pulls.get(need.key) ?? { doneBytes: 0, totalBytes: 0 };
    return { ...stay(one, { kind: "pulling", ...progress }), pull: true };
  }
  const obstacle = makeObstacle(one, replaced) ?? followersObstacle(one);
  // A matching one that waits to be made anew still is what it is.
  if (obstacle !== null) return running === undefined ? waitFor(one, obstacle) : stay(one, stateOf(running));
  const reason = remake?.reason ?? `replaced by spec ${workload.specHash.slice(0, 12)}`;
  const name = containerName(workload.app, workload.service, workload.slot);
  return act(one, {
    actions: [
      ...replaced.flatMap((own) => removal(workload.id, own, reason)),
      { kind: "create-container", workload, name },
      { kind: "start-container", workload: workload.id, containerId: null },
    ],
    state: { kind: "starting" },
    events: remake === null || remake.drift === null ? [] : [drift(one, remake.drift)],
    memory: remake === null || remake.drift === null ? one.memory : countedDrift(one, remake.drift),
  });
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
  return arrived ? null : backingOff(one, leftMs);
}

/** null: everything that the new container needs is there. Looked at before anything stops. */
function makeObstacle(one: Case, replaced: readonly OwnContainer[]): string | null {
  const { scene, workload } = one;
  return (
    imageObstacle(one) ??
    unmetDependency(scene, workload) ??
    networkObstacle(scene, workload) ??
    volumeObstacle(scene, workload) ??
    nameObstacle(scene, workload, replaced) ??
    portObstacle(scene, workload, replaced)
  );
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

function followersObstacle({ scene, workload }: Case): string | null {
  const followers = runningFollowers(scene, workload);
  return followers.length === 0 ? null : `waits for ${followers.join(", ")} to stop first`;
}

// ---- states

/** What a container by itself says. */
export function stateOf({ summary }: OwnContainer): WorkloadState {
  switch (summary.status) {
    case "running":
      return { kind: "running", health: summary.health };
    case "created":
    case "restarting":
      return { kind: "starting" };
    case "paused":
      return { kind: "waiting", reason: "it is paused" };
    case "removing":
      return { kind: "stopping" };
    case "exited":
    case "dead":
      return { kind: "waiting", reason: "it is not running" };
    default:
      return assertNever(summary.status);
  }
}

function endedState({ memory }: Case): WorkloadState {
  const { ended } = memory;
  if (ended === null) return { kind: "waiting", reason: "it is not running" };
  if (ended.kind === "completed") return { kind: "completed", exit: ended.exit };
  return { kind: "failed", reason: ended.reason, exit: memory.during === "create" ? null : memory.lastExit };
}

function stateInFlight(one: Case, lane: Lane): WorkloadState {
  const does = (kind: Action["kind"]): boolean => lane.actions.some((action) => action.kind === kind);
  const { matching } = one.existing;
  if (does("create-container") || does("start-container")) return { kind: "starting" };
  if (matching !== null && !lane.actions.some((action) => stops(action, matching.summary.id))) return stateOf(matching);
  return { kind: "stopping" };
}

const stops = (action: Action, id: string): boolean => action.kind === "stop-container" && action.containerId === id;
