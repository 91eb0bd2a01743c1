// The storm brake: when most of a fleet vanishes at once, the hub is the one cut off, and replacing would only add to the harm. Pure.
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { isSuspect } from "./liveness.ts";
import type { Brake, World } from "./world.ts";

/** Below this a share means nothing: of two nodes, one lost is half a fleet and an ordinary day. */
export const BRAKE_MINIMUM_NODES = 3;
/**
 * "At once": within the longest lease (12 min, metered) and some. What was lost before is not part of it; a brake that is on goes on
 * counting what was lost since then.
 */
export const BRAKE_WINDOW_MS = 15 * 60_000;
/** While it is on, nodes that speak again without having been judged are seen by looking again so often. */
export const BRAKE_RECHECK_MS = 5_000;

export interface Lost {
  readonly lost: number;
  readonly nodes: number;
}

/** Nodes lost at once, among those and the ones that are there. Suspects count as lost: leases of one cut end at different times. */
export function countLost(world: World, now: Millis): Lost {
  const since = (world.brake?.sinceMs ?? now) - BRAKE_WINDOW_MS;
  let lost = 0;
  let ready = 0;
  for (const [id, { standing }] of world.nodes) {
    // Machines that nobody has approved do not say how the fleet is, come or go as they may.
    if (standing === "pending") continue;
    const reachability = world.reachability.get(id);
    if (reachability?.kind === "ready" && !isSuspect(world, id, now)) ready += 1;
    else if (reachability?.kind === "ready") lost += 1;
    else if (reachability?.kind === "unreachable" && reachability.sinceMs >= since) lost += 1;
  }
  return { lost, nodes: lost + ready };
}

/** What the brake should be now. */
export function brakeAt(world: World, now: Millis, share: number): Brake | null {
  const { lost, nodes } = countLost(world, now);
  if (nodes < BRAKE_MINIMUM_NODES || lost <= share * nodes) return null;
  return world.brake ?? { sinceMs: now, unreachable: lost, nodes };
}
