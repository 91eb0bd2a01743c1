// Nodes as the API shows them. A node that is silent is shown as silent, never as down: nobody knows.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { sorted } from "../../core/lookup.ts";
import type { Node, World } from "../../core/world.ts";
import type { NodeRef } from "../schemas/common.ts";
import type { NodeSummary, NodeView, ReachabilityView } from "../schemas/nodes.ts";
import { workloadCondition } from "./condition.ts";
import { drainView } from "./wishes.ts";
import { durationInWords } from "./words.ts";
import { workloadView } from "./workloads.ts";

export const nodeRef = (node: Node): NodeRef => ({ id: node.id, name: node.name });

export function reachabilityView(world: World, id: NodeId, now: Millis): ReachabilityView {
  const reachability = world.reachability.get(id);
  if (reachability === undefined) {
    return { kind: "awaited", connected: false, silentForMs: null, reason: "has not connected yet" };
  }
  switch (reachability.kind) {
    case "awaited":
      return {
        kind: "awaited",
        connected: false,
        silentForMs: null,
        reason: `not heard from since this hub started; judged in ${durationInWords(reachability.judgeAfterMs - now)}`,
      };
    case "ready": {
      const silentForMs = Math.max(0, now - reachability.lastHeardMs);
      const reason = reachability.connected ? "connected" : `link lost; last heard ${durationInWords(silentForMs)} ago`;
      return { kind: "ready", connected: reachability.connected, silentForMs, reason };
    }
    case "unreachable": {
      const silentForMs = reachability.lastHeardMs === null ? null : Math.max(0, now - reachability.lastHeardMs);
      const since = silentForMs === null ? "since this hub started" : `for ${durationInWords(silentForMs)}`;
      return {
        kind: "unreachable",
        connected: false,
        silentForMs,
        reason: `not heard from ${since}; what it should run it most likely still runs`,
      };
    }
    default:
      return assertNever(reachability);
  }
}

export function nodeSummary(world: World, node: Node, now: Millis): NodeSummary {
  const ids = world.placementsByNode.get(node.id) ?? new Set();
  let good = 0;
  for (const id of ids) if (workloadCondition(world, id) === "good") good += 1;
  return {
    id: node.id,
    name: node.name,
    labels: { ...node.labels },
    availability: node.availability,
    reachability: reachabilityView(world, node.id, now),
    joinedAtMs: node.joinedAtMs,
    facts: node.facts,
    availabilitySaid: node.availabilitySaid,
    conditions: [...(world.observations.get(node.id)?.conditions ?? [])],
    workloads: { wanted: ids.size, good },
  };
}

export function nodeView(world: World, node: Node, now: Millis): NodeView {
  const observation = world.observations.get(node.id);
  const usage = world.usage.get(node.id);
  const placements = sorted(world.placementsByNode.get(node.id) ?? []);
  return {
    ...nodeSummary(world, node, now),
    figures: observation?.figures ?? null,
    reserved: { memoryBytes: usage?.memoryBytes ?? 0, nanoCpus: usage?.nanoCpus ?? 0 },
    ports: [...(observation?.ports ?? [])],
    assigned: node.assigned,
    accepted: node.accepted,
    refusal: node.refusal,
    placements: placements.flatMap((id) => workloadView(world, id, now) ?? []),
    drain: drainView(world, node, now),
    seq: world.seq,
  };
}
