// What a node's report says about gates, as changes. Pure. A result counts for the very spec hash and attempt that the placement has,
// on the node where it stands; the first result stays.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import type { Report, WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { Change } from "../change.ts";
import type { GateResult } from "../rollout-state.ts";
import type { Placement, World } from "../world.ts";
import { activeRollout } from "./policy.ts";
import { gateOf } from "./slots.ts";

/** A reason is shown in lists and kept for long; the node's event has all of it. */
const MAX_REASON = 500;

export function gateChanges(world: World, node: NodeId, report: Report): readonly Change[] {
  const changes: Change[] = [];
  const dirty = new Set<Placement["app"]>();
  for (const status of report.workloads) {
    const placement = world.placements.get(status.id);
    if (placement === undefined || placement.node !== node) continue;
    const app = world.apps.get(placement.app);
    // Whether others are good decides how many may be taken down.
    if (app !== undefined && activeRollout(world.rollouts, app) !== null) dirty.add(placement.app);
    const result = resultOf(world, placement, status, report);
    if (result === null || gateOf(world, placement) !== null) continue;
    const { workload, revision, specHash, step } = placement;
    changes.push({ kind: "gate-set", gate: { workload, revision, specHash, attempt: step.attempt, result } });
  }
  if (dirty.size > 0) changes.push({ kind: "dirty", apps: [...dirty].sort(), nodes: [] });
  return changes;
}

function resultOf(
  world: World,
  placement: Placement,
  status: WorkloadStatus,
  report: Report,
): GateResult["result"] | null {
  const { gate, gateFor } = status;
  const about =
    gateFor !== null && gateFor.specHash === placement.specHash && gateFor.attempt === placement.step.attempt;
  switch (gate.kind) {
    case "passed":
      return about ? { kind: "passed" } : null;
    case "failed":
      return about ? { kind: "failed", reason: gate.reason.slice(0, MAX_REASON) } : null;
    case "none":
      // It has nothing to judge, for what is wanted is what ran before; once it has this assignment and it runs, that is good.
      return status.specHash === placement.specHash &&
        hasAccepted(world, placement, report) &&
        status.state.kind === "running"
        ? { kind: "passed" }
        : null;
    case "open":
      return null;
  }
}

function hasAccepted(world: World, placement: Placement, { observed }: Report): boolean {
  return observed.epoch === world.epoch && observed.generation >= placement.sinceGeneration;
}
