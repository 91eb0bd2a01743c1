// Leases on the hub's monotonic time: how often a node must speak, and when it counts as unreachable. Pure.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import type { World } from "./world.ts";

/** The period to give a node in `welcome` and `pace`: from the tightest `after` among its workloads. */
export function heartbeatMs(world: World, node: NodeId): number {
  throw new Error(`${world.seq} ${node}`);
}

/**
 * false: do not answer this node's beats now. It may still hold a fenced copy whose slot was given away, and a beat-ack would renew
 * that copy's lease; send it its assignment, and answer again once that is accepted.
 */
export function mayRenewLease(world: World, node: NodeId): boolean {
  throw new Error(`${world.seq} ${node}`);
}
