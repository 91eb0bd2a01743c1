// Dependencies: `depends_on` among the workloads of one app on this node. A dependency that is not assigned to this node is no
// obstacle: the node cannot know of it, and must run on without the hub. Pure.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { Dependency } from "@skerry/shared/model/container.ts";
import { exitInWords } from "@skerry/shared/model/exit-words.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadParts } from "@skerry/shared/model/names.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { OwnContainer } from "../observed.ts";
import { hasRun, isUp, NOTHING_EXISTS, standingOf } from "./existing.ts";
import { leaseOf } from "./fence.ts";
import { networkObstacle, portObstacle } from "./obstacles.ts";
import { restOf, type Scene, serviceKey } from "./scene.ts";

/** Every copy of the dependency on this node must meet its condition. */
function copiesOf(scene: Scene, workload: Workload, dependency: Dependency): readonly Workload[] {
  return scene.services.get(serviceKey(workload.app, dependency.service)) ?? [];
}

/** null: nothing in the way of the first start. Otherwise for what it waits. */
export function unmetDependency(scene: Scene, workload: Workload): string | null {
  for (const dependency of workload.spec.dependsOn) {
    for (const copy of copiesOf(scene, workload, dependency)) {
      const unmet = unmetCondition(scene, copy, dependency.condition);
      if (unmet !== null) return unmet;
    }
  }
  return null;
}

/**
 * null: nothing in the way of a further start. What has run before is held back only by a dependency that is just coming up (after a
 * reboot, or being replaced), never by one that fails: one failing workload must not keep another down.
 */
export function dependencyComingUp(
  scene: Scene,
  workload: Workload,
  beingMade: ReadonlySet<WorkloadId>,
): string | null {
  for (const dependency of workload.spec.dependsOn) {
    if (dependency.condition === "service_completed_successfully") continue;
    for (const copy of copiesOf(scene, workload, dependency)) {
      const unmet = unmetCondition(scene, copy, dependency.condition);
      if (unmet !== null && isComingUp(scene, copy, beingMade)) return unmet;
    }
  }
  return null;
}

/** It is being started or about to be, and nothing says that it will not come up. */
function isComingUp(scene: Scene, copy: Workload, beingMade: ReadonlySet<WorkloadId>): boolean {
  if (leaseOf(scene, copy) === 0 || !copy.intent.run) return false;
  if (beingMade.has(copy.id) || isInTheMaking(scene, copy.id)) return true;
  const { matching } = scene.existing.get(copy.id) ?? NOTHING_EXISTS;
  const memory = scene.memories.get(copy.id);
  // One failure is what every container has after a reboot in its first minute; a loop has more.
  if (matching === null || memory === undefined || memory.failures > 1 || memory.ended !== null) return false;
  if (isUp(matching)) return isStartingUp(scene, matching, copy.id) || isBeingRestarted(scene, copy.id);
  const waits = memory.nextTry !== null && memory.nextTry.atMs > scene.now;
  return !waits && restOf(scene, copy.id) === null && startObstacle(scene, copy, matching) === null;
}

/** By the engine's check, or by its startup probe: a readiness probe that is not met may never be. */
function isStartingUp({ context }: Scene, { summary }: OwnContainer, id: WorkloadId): boolean {
  const probed = context.readiness.get(id);
  return summary.health === "starting" || (probed !== undefined && !probed.startupDone && probed.alive);
}

function startObstacle(scene: Scene, copy: Workload, own: OwnContainer): string | null {
  const first = hasRun(own) ? null : unmetDependency(scene, copy);
  return first ?? networkObstacle(scene, copy) ?? portObstacle(scene, copy, [own]);
}

function unmetCondition(scene: Scene, copy: Workload, condition: Dependency["condition"]): string | null {
  const { matching } = scene.existing.get(copy.id) ?? NOTHING_EXISTS;
  const ended = scene.memories.get(copy.id)?.ended ?? null;
  if (condition !== "service_completed_successfully" && isBeingStopped(scene, copy.id))
    return `waits for ${copy.service} to be restarted`;
  switch (condition) {
    case "service_started": {
      if (ended?.kind === "completed") return null;
      return matching !== null && isUp(matching) ? null : `waits for ${copy.service} to start`;
    }
    case "service_healthy": {
      if (matching === null || !isUp(matching)) return `waits for ${copy.service} to start and to be healthy`;
      const { health } = matching.summary;
      if (health === "starting" || health === "unhealthy")
        return `waits for ${copy.service} to be healthy (it is ${health})`;
      // Without a health check and probes running is all that can be known; the file's compiler refuses the clear cases.
      return scene.context.readiness.get(copy.id)?.ready === false ? `waits for ${copy.service} to be ready` : null;
    }
    case "service_completed_successfully": {
      if (ended?.kind === "completed") return null;
      if (ended?.kind === "failed") return `needs ${copy.service} to complete, but it failed: ${ended.reason}`;
      const done = matching !== null && hasRun(matching) && !isUp(matching) ? matching.details.exitCode : null;
      if (done === 0) return null;
      const exit = scene.memories.get(copy.id)?.lastExit ?? null;
      const last = exit === null ? "" : ` (last try: ${exitInWords(exit)})`;
      return `waits for ${copy.service} to complete${last}`;
    }
    default:
      return assertNever(condition);
  }
}

/** null: none runs that must stop before this one is replaced or restarted. */
export function followersObstacle(scene: Scene, workload: Workload): string | null {
  const followers = runningFollowers(scene, workload);
  return followers.length === 0 ? null : `waits for ${followers.join(", ")} to stop first`;
}

/** Running workloads that say `restart: true` of this one: they stop before it is replaced or restarted, and start after it. */
function runningFollowers(scene: Scene, workload: Workload): readonly WorkloadId[] {
  if (isFailing(scene, workload.id)) return [];
  return scene.desired.workloads
    .filter(({ app, spec }) => app === workload.app && spec.dependsOn.some((one) => follows(one, workload)))
    .map(({ id }) => id)
    .filter((id) => id !== workload.id && isStanding(scene, id));
}

/** The dependency on whose being made anew, or restarted by an operator, this workload must stop; null: none. */
export function replacedDependency(
  scene: Scene,
  workload: Workload,
  beingMade: ReadonlySet<WorkloadId>,
): Workload | null {
  for (const dependency of workload.spec.dependsOn) {
    if (!dependency.restart) continue;
    const copies = copiesOf(scene, workload, dependency).filter(({ id }) => id !== workload.id);
    const replaced = copies.find(({ id }) => !isFailing(scene, id) && (beingMade.has(id) || isInTheMaking(scene, id)));
    if (replaced !== undefined) return replaced;
  }
  return null;
}

/** One that fails again and again must not take its followers down with each try. */
function isFailing({ memories }: Scene, id: WorkloadId): boolean {
  return (memories.get(id)?.failures ?? 0) > 0;
}

function isInTheMaking({ context }: Scene, id: WorkloadId): boolean {
  return context.busy.get(id)?.actions.some(({ kind }) => kind === "create-container") ?? false;
}

/** Its health still shows what was: a check that passes in the grace period before the kill says nothing. */
function isBeingStopped({ context }: Scene, id: WorkloadId): boolean {
  return context.busy.get(id)?.actions.some(({ kind }) => kind === "stop-container") ?? false;
}

function isBeingRestarted({ context }: Scene, id: WorkloadId): boolean {
  const kinds = context.busy.get(id)?.actions.map(({ kind }) => kind) ?? [];
  return kinds.includes("stop-container") && kinds.includes("start-container");
}

const follows = (dependency: Dependency, workload: Workload): boolean =>
  dependency.restart && dependency.service === workload.service;

function isStanding(scene: Scene, id: WorkloadId): boolean {
  return standingOf(scene.existing.get(id) ?? NOTHING_EXISTS).some(isUp);
}

/** A leaving workload that still runs and depended on this one, or null: stops go in the reverse order of starts. */
export function leavingDependent(scene: Scene, id: WorkloadId, leaving: readonly WorkloadId[]): WorkloadId | null {
  const { app, service } = workloadParts(id);
  const dependsOnIt = (other: WorkloadId): boolean =>
    other !== id &&
    workloadParts(other).app === app &&
    (scene.context.formerDependencies.get(other) ?? []).includes(service);
  return leaving.find(dependsOnIt) ?? null;
}
