// Beside: lanes for containers that stand beside a workload's own lane: an old one that must live on, and copies too many. Pure.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Lane } from "../action.ts";
import type { OwnContainer } from "../observed.ts";
import { STABLE_RUN_MS, wantsRestart } from "../retry.ts";
import { type Case, type Decision, stop } from "./decision.ts";
import { dependencyComingUp } from "./dependencies.ts";
import { isUp } from "./existing.ts";
import { farewell } from "./names.ts";
import { oldLaneKey, restOf, type Scene } from "./scene.ts";
import { startsFirst } from "./target.ts";

/**
 * What stands in the place of one that cannot be made yet is kept alive: a revision whose image never arrives must not cost the old one
 * its restart after a reboot. Its spec is not known any more, so the intent of the new one is used. In a lane of its own.
 */
export function oldLanes(one: Case, decision: Decision, beingMade: ReadonlySet<WorkloadId>): readonly Lane[] {
  const { scene, workload, memory } = one;
  const old = oldOf(one);
  if (!workload.intent.run || old === undefined || old.summary.status !== "exited" || decision.actions.length > 0)
    return [];
  if (memory.ended?.kind === "completed" || decision.state.kind === "fenced") return [];
  if (dependencyComingUp(scene, workload, beingMade) !== null) return [];
  const key = oldLaneKey(old.summary.id);
  if (scene.context.busy.has(key) || scene.context.busy.has(workload.id) || restOf(scene, key) !== null) return [];
  if (!wantsRestart(workload.spec.restart, old.details.exitCode) || oldDueMs(old) > scene.now) return [];
  return [{ key, actions: [{ kind: "start-container", workload: workload.id, containerId: old.summary.id }] }];
}

/** Start-first the old one serves on until its successor has passed. What failed here is not tried again while the way back waits. */
function oldOf({ wanted, workload, existing }: Case): OwnContainer | undefined {
  const hasFailed = ({ specHash }: OwnContainer): boolean => wanted !== workload && specHash === wanted.specHash;
  if (existing.matching === null) return existing.outdated.find((own) => !hasFailed(own));
  return existing.kept !== null && startsFirst(workload) ? existing.kept : undefined;
}

/** After a long run at once; otherwise slowly, since its failures are not in memory. */
const OLD_RESTART_MS = 30_000;

function oldDueMs(old: OwnContainer): number {
  return (old.details.ranMs ?? 0) >= STABLE_RUN_MS ? old.sinceMs : old.sinceMs + OLD_RESTART_MS;
}

/** When an old one that ended is due again; null: none is. */
export function oldWakeMs(one: Case): number | null {
  const { scene, workload } = one;
  const old = oldOf(one);
  if (!workload.intent.run || old === undefined || old.summary.status !== "exited") return null;
  if (!wantsRestart(workload.spec.restart, old.details.exitCode)) return null;
  return oldDueMs(old) > scene.now ? oldDueMs(old) : null;
}

/**
 * Duplicates and leftovers beside the matching one, and what served until it had passed: each in a lane of its own, so that none delays
 * the workload. A kept one that runs where it should stand is stopped.
 */
export function extraLanes(one: Case): readonly Lane[] {
  const { scene, workload, existing } = one;
  const { extras, kept, matching } = existing;
  const removals = extras.map((extra) => ({
    own: extra,
    actions: farewell(one, extra, extraReason(workload, extra)),
  }));
  const stands = matching === null || kept === null || startsFirst(workload) || !isUp(kept);
  const stops = stands ? [] : [{ own: kept, actions: [stop(workload.id, kept, "its successor runs")] }];
  return [...removals, ...stops]
    .map(({ own: { summary }, actions }) => ({ key: `extra:${summary.id}`, id: summary.id, actions }))
    .filter(
      ({ key, id, actions }) => actions.length > 0 && isFree(scene, key) && !scene.context.busy.has(oldLaneKey(id)),
    )
    .map(({ key, actions }): Lane => ({ key, actions }));
}

const isFree = (scene: Scene, key: string): boolean => !scene.context.busy.has(key) && restOf(scene, key) === null;

function extraReason(workload: Workload, { specHash, revision }: OwnContainer): string {
  if (specHash === workload.specHash) return "another container stands for this workload";
  return revision > workload.revision
    ? `revision ${revision} failed here`
    : `revision ${workload.revision} took its place`;
}
