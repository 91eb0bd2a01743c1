// Leases on the hub's monotonic time: how often a node must speak, when it counts as unreachable, how long a silent node may run on.
// Pure. It says who is lost, never that anything is down: nobody knows.
import type { Disconnect, ServiceSpec } from "@skerry/shared/model/app.ts";
import type { NodeId } from "@skerry/shared/model/ids.ts";
import {
  HEARTBEAT_METERED_MS,
  HEARTBEAT_MINIMUM_MS,
  HEARTBEAT_MS,
  LEASE_PERIODS,
  MISSED_BEATS,
  RECONNECT_CAP_METERED_MS,
  RECONNECT_CAP_MS,
} from "@skerry/shared/protocol/version.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Tombstone, World } from "./world.ts";

/** So many beats go into the tightest `after`: two may be lost before a node is. */
const BEATS_PER_AFTER = 3;
/** From RELIABILITY I16: clock rates differ by at most 1 %. In whole percent, so that the product stays exact. */
const CLOCK_RATE_PERCENT = 101;
/** Docker's own default for `stop_grace_period`. */
const DEFAULT_STOP_GRACE_MS = 10_000;
/** Between a node's decision to stop a fenced copy and the engine having killed it: its loop, and slow engine calls on a small machine. */
export const FENCE_MARGIN_MS = 3_000;
/** What waited unread while the hub stood still is read within this: as much as may wait in its sockets takes far less. */
export const BACKLOG_MS = 2_000;
/** Half a lease is a beat and a half: a beat so late makes a node suspect, and counts when the hub asks whether it is itself cut off. */
const SUSPECT_SHARE_OF_LEASE = 0.5;

/** The period to give a node in `welcome` and `pace`: from the tightest `after` among its workloads. */
export function heartbeatMs(world: World, node: NodeId): number {
  const slow = world.nodes.get(node)?.facts?.metered === true ? HEARTBEAT_METERED_MS : HEARTBEAT_MS;
  const after = tightestAfterMs(world, node);
  if (after === null) return slow;
  return Math.min(slow, Math.max(HEARTBEAT_MINIMUM_MS, Math.floor(after / BEATS_PER_AFTER)));
}

/** How long a node counts as reachable after its last word, once it has accepted its newest assignment. */
export function leaseMs(world: World, node: NodeId): number {
  const periods = LEASE_PERIODS * heartbeatMs(world, node);
  const after = tightestAfterMs(world, node);
  return after === null ? periods : Math.min(periods, after);
}

const tightestAfterMs = (world: World, node: NodeId): number | null => world.usage.get(node)?.tightestAfterMs ?? null;

/** A node that the hub has not heard since it began to listen is not judged before it had the time to come back. */
export function comeBackMs(world: World, node: NodeId): number {
  const cap = world.nodes.get(node)?.facts?.metered === true ? RECONNECT_CAP_METERED_MS : RECONNECT_CAP_MS;
  return MISSED_BEATS * heartbeatMs(world, node) + cap;
}

/** true: what comes at `atMs` was said after the hub's last pause, and did not wait unread meanwhile. */
export const isAfterPause = (world: World, atMs: Millis): boolean => atMs > world.listeningSinceMs + BACKLOG_MS;

/** From when the hub counts a node's silence. */
export function silentSinceMs(world: World, node: NodeId): Millis {
  const reachability = world.reachability.get(node);
  const heard = reachability === undefined || reachability.kind === "awaited" ? null : reachability.lastHeardMs;
  return Math.max(heard ?? world.listeningSinceMs, world.listeningSinceMs);
}

/** When a ready or awaited node will be judged unreachable if it stays silent; null: it is that already. */
export function judgeAtMs(world: World, node: NodeId): Millis | null {
  const reachability = world.reachability.get(node);
  if (reachability === undefined || reachability.kind === "unreachable") return null;
  if (reachability.kind === "awaited") return reachability.judgeAfterMs;
  return silentSinceMs(world, node) + leaseInForceMs(world, node, reachability.leaseMs);
}

/** A tighter lease waits until the node knows of it; a looser one counts at once, for the node may take its slower pace at once. */
const leaseInForceMs = (world: World, node: NodeId, acceptedMs: number): number =>
  Math.max(acceptedMs, leaseMs(world, node));

/** true: late by more than chance explains. Only used to see that a fleet, not a node, went silent. */
export function isSuspect(world: World, node: NodeId, now: Millis): boolean {
  const reachability = world.reachability.get(node);
  if (reachability?.kind !== "ready") return false;
  return now - silentSinceMs(world, node) > SUSPECT_SHARE_OF_LEASE * leaseInForceMs(world, node, reachability.leaseMs);
}

/** How long after its last word a node may still run a copy of `service`; null: for ever. */
export function silentRunMs(service: ServiceSpec): number | null {
  if (service.disconnect.policy !== "fence") return null;
  const graceMs = service.container.stopGraceMs ?? DEFAULT_STOP_GRACE_MS;
  return Math.ceil((service.disconnect.afterMs * CLOCK_RATE_PERCENT) / 100) + graceMs + FENCE_MARGIN_MS;
}

/** The longer of two; null is for ever. */
export function longerSilentRun(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : Math.max(a, b);
}

/**
 * When the hub may place a copy elsewhere while its node stays silent; null: never. `heldForMs`: how long the node may run it in
 * silence, from the placement.
 */
export function moveAtMs(world: World, node: NodeId, disconnect: Disconnect, heldForMs: number | null): Millis | null {
  switch (disconnect.policy) {
    case "keep":
      return null;
    case "replace":
      return silentSinceMs(world, node) + disconnect.afterMs;
    case "fence":
      return heldForMs === null ? null : silentSinceMs(world, node) + heldForMs;
  }
}

/**
 * Until when a copy under this tombstone may stand, as far as time alone tells. null: no time tells, only the node's own word. A node
 * that still speaks is asked, not timed.
 */
export function stoppedByMs(world: World, tombstone: Tombstone): Millis | null {
  if (tombstone.silentRunMs === null) return null;
  const gone = !world.nodes.has(tombstone.node);
  if (!gone && world.reachability.get(tombstone.node)?.kind !== "unreachable") return null;
  return silentSinceMs(world, tombstone.node) + tombstone.silentRunMs;
}

/** true: the node accepted the order and has said since that nothing of the copy is left. */
export function saidGone(world: World, tombstone: Tombstone): boolean {
  const node = world.nodes.get(tombstone.node);
  const observation = world.observations.get(tombstone.node);
  if (node === undefined || observation === undefined || observation.heardMs === null) return false;
  if (!acceptedTombstone(world, tombstone)) return false;
  const { observed } = observation;
  if (observed === null || observed.epoch !== world.epoch || observed.generation < tombstone.generation) return false;
  return !observation.workloads.has(tombstone.workload);
}

/** true: the order to remove is durable on the node. */
export function acceptedTombstone(world: World, tombstone: Tombstone): boolean {
  const accepted = world.nodes.get(tombstone.node)?.accepted ?? null;
  // Generations of an earlier epoch say nothing of this one: a restored hub counts again.
  return accepted !== null && accepted.epoch === world.epoch && accepted.generation >= tombstone.generation;
}

/**
 * false: do not answer this node's beats now. It may still hold a fenced copy whose slot was given away, and a beat-ack would renew
 * that copy's lease; send it its assignment, and answer again once that is accepted.
 */
export function mayRenewLease(world: World, node: NodeId): boolean {
  return (world.tombstonesByNode.get(node) ?? []).every(
    (tombstone) => !world.fencingTokens.has(tombstone.workload) || acceptedTombstone(world, tombstone),
  );
}
