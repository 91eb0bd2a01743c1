// How a workload is, for showing: good, working, troubled or unknown. The one place that says so to people, cheap enough to ask for every
// workload of a fleet: no words are made here. What rollouts and drains may count on is `good.ts`.
// It never calls good what was not said by a node that is heard.
import type { NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Condition } from "@skerry/shared/model/node.ts";
import type { WorkloadState, WorkloadStatus } from "@skerry/shared/model/report.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Placement, SeenStatus, World } from "./world.ts";

/** good: all that should run does. working: on its way. troubled: something will not come right by itself. unknown: nodes are silent. */
export type AppCondition = "good" | "working" | "troubled" | "unknown";

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
  const gate = gateCondition(placement, seen.status);
  return gate === "good" ? stateCondition(seen.status, specHash === placement.specHash) : gate;
}

/** As it is counted for people: a copy that no other node takes is in trouble, and yet nothing is known of it while its own is silent. */
export function shownCondition(world: World, id: WorkloadId): AppCondition {
  const node = world.placements.get(id)?.node;
  if (node === undefined) return workloadCondition(world, id);
  const seen = world.observations.get(node)?.workloads.get(id) ?? null;
  return isHeard(world, node, seen) ? workloadCondition(world, id) : "unknown";
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

/**
 * true: what the node says of its gate is about what it should run now. Like the node: what was judged at a larger attempt is not judged
 * again at a smaller one.
 */
export const gateIsOf = ({ specHash, step }: Placement, { gateFor }: WorkloadStatus): boolean =>
  gateFor !== null && gateFor.specHash === specHash && gateFor.attempt >= step.attempt;

/** A change that replaces a good one is good when its gate has passed; a first start, as soon as it runs. */
function gateCondition(placement: Placement, status: WorkloadStatus): AppCondition {
  if (!gateIsOf(placement, status)) return "good";
  switch (status.gate.kind) {
    case "none":
    case "passed":
      return "good";
    case "failed":
      return "troubled";
    case "open":
      if (isInTrouble(status.state) || status.pullFailure !== null) return "troubled";
      return placement.step.previous === null ? "good" : "working";
    default:
      return assertNever(status.gate);
  }
}

const isInTrouble = (state: WorkloadState): boolean =>
  state.kind === "backing-off" || state.kind === "failed" || (state.kind === "running" && state.health === "unhealthy");

/** `current`: what is there was made from what should be there. */
function stateCondition({ state, ready }: WorkloadStatus, current: boolean): AppCondition {
  switch (state.kind) {
    case "running":
      if (state.health === "unhealthy") return "troubled";
      return current && state.health !== "starting" && ready !== false ? "good" : "working";
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
