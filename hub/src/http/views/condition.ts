// Is a workload good? The one place that says so, cheap enough to ask for every workload of a fleet: no words are made here.
import type { NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Condition } from "@skerry/shared/model/node.ts";
import type { WorkloadState } from "@skerry/shared/model/report.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { SeenStatus, World } from "../../core/world.ts";
import type { AppCondition } from "../schemas/apps.ts";

/** What a reader must hear of first. */
export const WORST_FIRST: readonly AppCondition[] = ["troubled", "working", "unknown", "good"];

export function workloadCondition(world: World, id: WorkloadId): AppCondition {
  if (world.unplaced.has(id)) return "troubled";
  const placement = world.placements.get(id);
  if (placement === undefined) return "working";
  const seen = world.observations.get(placement.node)?.workloads.get(id) ?? null;
  if (!isHeard(world, placement.node, seen)) return "unknown";
  if (seen === null) return "working";
  const { state, specHash } = seen.status;
  if (!placement.intent.run) return state.kind === "stopped" || state.kind === "completed" ? "good" : "working";
  return stateCondition(state, specHash === placement.specHash);
}

/** A node's word counts while it is heard, sees its engine, and has said it on its newest connection and since the hub last stood still. */
export function isHeard(world: World, node: NodeId, seen: SeenStatus | null): boolean {
  if (world.reachability.get(node)?.kind !== "ready") return false;
  return blindness(world, node) === null && (seen === null || world.observations.get(node)?.word.kind === "current");
}

/** A node that cannot see its engine says so, and repeats what it saw before: that is no present state. */
export function blindness(world: World, node: NodeId): Condition | null {
  return world.observations.get(node)?.conditions.find(({ kind }) => kind === "engine-unreachable") ?? null;
}

/** `current`: what is there was made from what should be there. */
function stateCondition(state: WorkloadState, current: boolean): AppCondition {
  switch (state.kind) {
    case "running":
      if (state.health === "unhealthy") return "troubled";
      return current && state.health !== "starting" ? "good" : "working";
    case "completed":
      if (state.exit.code !== 0) return "troubled";
      return current ? "good" : "working";
    case "backing-off":
    case "failed":
      return "troubled";
    case "stopped":
    case "waiting":
    case "pulling":
    case "starting":
    case "fenced":
    case "stopping":
      return "working";
    default:
      return assertNever(state);
  }
}
