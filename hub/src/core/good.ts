// Good, for deciding: may a rollout or a drain count on this copy? Stricter than what people are shown (`condition.ts`): its node must
// have taken over the newest assignment and judged it. Pure. It never takes an old word, or one about something older, for how things are.
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Placement, World } from "./world.ts";

/** A node that is not heard from, or whose word is old, says nothing good. */
export function isGood(world: World, placement: Placement): boolean {
  const observation = world.observations.get(placement.node);
  if (world.reachability.get(placement.node)?.kind !== "ready" || observation?.word.kind !== "current") return false;
  if (observation.conditions.some(({ kind }) => kind === "engine-unreachable")) return false;
  const { observed } = observation;
  if (observed === null || observed.epoch !== world.epoch || observed.generation < placement.sinceGeneration)
    return false;
  const status = observation.workloads.get(placement.workload)?.status;
  return status !== undefined && isAsWanted(placement, status);
}

function isAsWanted({ intent, specHash }: Placement, { state, ready, gate, specHash: has }: WorkloadStatus): boolean {
  if (!intent.run) return state.kind === "stopped" || state.kind === "completed";
  if (has !== specHash) return false;
  switch (state.kind) {
    case "running":
      if (gate.kind === "open" || gate.kind === "failed" || ready === false) return false;
      return state.health === "none" || state.health === "healthy";
    case "completed":
      return state.exit.code === 0;
    case "waiting":
    case "pulling":
    case "starting":
    case "backing-off":
    case "failed":
    case "stopped":
    case "fenced":
    case "stopping":
      return false;
    default:
      return assertNever(state);
  }
}
