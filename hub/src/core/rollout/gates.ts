// What a node's report says about gates, as changes. Pure. A result counts for the very spec hash and attempt that the placement has, on
// the node where it stands, once that node holds an assignment that says so: an older word may be about an earlier try. The first stays.
import type { Position } from "@skerry/shared/model/assignment.ts";
import { comparePositions } from "@skerry/shared/model/assignment-hash.ts";
import type { AppName, NodeId, ServiceName } from "@skerry/shared/model/ids.ts";
import type { Report, WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { Change } from "../change.ts";
import { gateIsOf } from "../condition.ts";
import type { GateResult } from "../rollout-state.ts";
import type { Placement, World } from "../world.ts";
import { activeRollout } from "./policy.ts";
import { gateOf } from "./slots.ts";

/** A reason is shown in lists and kept for long; the node's event has all of it. */
const MAX_REASON = 500;

export function gateChanges(world: World, node: NodeId, report: Report): readonly Change[] {
  const changes: Change[] = [];
  const said = new Map<AppName, Set<ServiceName>>();
  for (const status of statusesOf(world, node, report)) {
    const placement = world.placements.get(status.id);
    if (placement === undefined || placement.node !== node) continue;
    const app = world.apps.get(placement.app);
    // Whether others are good decides how many may be taken down.
    if (app !== undefined && activeRollout(world.rollouts, app) !== null)
      said.set(placement.app, (said.get(placement.app) ?? new Set()).add(placement.service));
    const result = resultOf(world, placement, status, report);
    if (result === null || gateOf(world, placement) !== null) continue;
    const { workload, revision, specHash, step } = placement;
    changes.push({ kind: "gate-set", gate: { workload, revision, specHash, attempt: step.attempt, result } });
  }
  for (const [app, services] of said) changes.push({ kind: "rollout-dirty", app, services: [...services] });
  return changes;
}

/** What a node with a newer assignment does not say anew is as it was: a report holds only what changed. */
function statusesOf(world: World, node: NodeId, report: Report): readonly WorkloadStatus[] {
  const before = world.observations.get(node);
  if (report.whole || before === undefined || !isNewer(before.observed, report.observed)) return report.workloads;
  const said = new Set([...report.gone, ...report.workloads.map(({ id }) => id)]);
  const rest = [...before.workloads.values()].map(({ status }) => status).filter(({ id }) => !said.has(id));
  return [...report.workloads, ...rest];
}

const isNewer = (before: Position | null, after: Position): boolean =>
  before === null || comparePositions(after, before) > 0;

function resultOf(
  world: World,
  placement: Placement,
  status: WorkloadStatus,
  report: Report,
): GateResult["result"] | null {
  if (!hasAccepted(world, placement, report)) return null;
  const { gate } = status;
  switch (gate.kind) {
    case "passed":
      return gateIsOf(placement, status) ? { kind: "passed" } : null;
    case "failed":
      return gateIsOf(placement, status) ? { kind: "failed", reason: gate.reason.slice(0, MAX_REASON) } : null;
    case "none":
      // It has nothing to judge, for what is wanted is what ran before; that it runs is good.
      return status.specHash === placement.specHash && status.state.kind === "running" ? { kind: "passed" } : null;
    case "open":
      return null;
  }
}

function hasAccepted(world: World, placement: Placement, { observed }: Report): boolean {
  return observed.epoch === world.epoch && observed.generation >= placement.sinceGeneration;
}
