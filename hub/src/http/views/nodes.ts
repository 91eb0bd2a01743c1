// Nodes as the API shows them. A node that is silent is shown as silent, never as down: nobody knows.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { shownCondition } from "../../core/condition.ts";
import type { KeyRoll } from "../../core/key-roll.ts";
import { sorted } from "../../core/lookup.ts";
import { reachOf } from "../../core/why/reach.ts";
import type { Node, World } from "../../core/world.ts";
import type { NodeSummary, NodeView, ReachabilityView } from "../schemas/nodes.ts";
import { drainView } from "./wishes.ts";
import { workloadView } from "./workloads.ts";

export const reachabilityView = (world: World, id: NodeId, now: Millis): ReachabilityView => reachOf(world, id, now);

/** `seen`: the World as the caller may see it. What is named is of that; counts, sums and whether a drain is done are of the whole. */
export function nodeSummary(world: World, seen: World, node: Node, now: Millis): NodeSummary {
  const ids = world.placementsByNode.get(node.id) ?? new Set();
  const counts = { good: 0, unknown: 0, working: 0, troubled: 0 };
  for (const id of ids) counts[shownCondition(world, id)] += 1;
  return {
    id: node.id,
    name: node.name,
    labels: { ...node.labels },
    availability: node.availability,
    standing: node.standing,
    keyRoll: keyRollView(node.keyRoll),
    reachability: reachabilityView(world, node.id, now),
    joinedAtMs: node.joinedAtMs,
    facts: node.facts,
    availabilitySaid: node.availabilitySaid,
    conditions: [...(seen.observations.get(node.id)?.conditions ?? [])],
    workloads: { wanted: ids.size, good: counts.good, unknown: counts.unknown },
  };
}

/** Not the key itself: it is nobody's business but the link's. */
export const keyRollView = (roll: KeyRoll): NodeSummary["keyRoll"] =>
  roll.kind === "none" ? null : { state: roll.kind, atMs: roll.atMs, by: roll.by };

/** As above. */
export function nodeView(world: World, seen: World, node: Node, now: Millis): NodeView {
  const observation = seen.observations.get(node.id);
  const usage = world.usage.get(node.id);
  const placements = sorted(seen.placementsByNode.get(node.id) ?? []);
  const drain = drainView(seen, node, now);
  return {
    ...nodeSummary(world, seen, node, now),
    figures: observation?.figures ?? null,
    reserved: { memoryBytes: usage?.memoryBytes ?? 0, nanoCpus: usage?.nanoCpus ?? 0 },
    ports: [...(observation?.ports ?? [])],
    assigned: node.assigned,
    accepted: node.accepted,
    refusal: seen.nodes.get(node.id)?.refusal ?? null,
    placements: placements.flatMap((id) => workloadView(seen, id, now) ?? []),
    drain: drain === null ? null : { ...drain, done: drainView(world, node, now)?.done ?? drain.done },
    seq: world.seq,
  };
}
