// Beside: lanes for containers that stand beside a workload's own lane: an old one that must live on, and copies too many. Pure.
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Lane } from "../action.ts";
import type { OwnContainer } from "../observed.ts";
import { STABLE_RUN_MS, wantsRestart } from "../retry.ts";
import { type Case, type Decision, removal } from "./decision.ts";
import { dependencyComingUp } from "./dependencies.ts";
import { restOf } from "./scene.ts";

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

/** Duplicates and leftovers beside the matching one: each in a lane of its own, so that none delays the workload. */
export function extraLanes({ scene, workload, existing }: Case): readonly Lane[] {
  return existing.extras
    .map((extra): Lane => {
      const reason = "another container stands for this workload";
      return { key: `extra:${extra.summary.id}`, actions: removal(workload.id, extra, reason) };
    })
    .filter(({ key }) => !scene.context.busy.has(key) && restOf(scene, key) === null);
}
