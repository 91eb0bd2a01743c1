// Preemption: whose room a slot of higher priority may take when it fits nowhere. Pure; chooses, and writes nothing.
// It never takes the room of an equal: so what was pushed out cannot push back, and every round of it ends.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import type { Draft } from "./draft.ts";
import { byText, isMovable, serviceAt, wantedService } from "./lookup.ts";
import { withoutWorkload } from "./usage.ts";
import type { Want } from "./want.ts";
import { pausedOf } from "./wishes.ts";
import type { Node, Placement, Usage, World } from "./world.ts";

export interface Victims {
  readonly node: NodeId;
  /** As few as can be, the lowest first. */
  readonly victims: readonly Placement[];
}

interface Victim {
  readonly placement: Placement;
  readonly priority: number;
  readonly memoryBytes: number;
}

/** Whether `want` would have room on `node` at this usage (its own share not in it). */
export type Fits = (node: Node, usage: Usage) => boolean;

/** The node where the fewest must go, and of those where the lowest must. null: no node can be made to fit. */
export function chooseVictims(
  world: World,
  draft: Draft,
  want: Want,
  nodes: readonly Node[],
  fits: Fits,
): Victims | null {
  let best: readonly Victim[] | null = null;
  let chosen: NodeId | null = null;
  for (const node of nodes) {
    const victims = victimsOn(world, draft, want, node, fits);
    if (victims === null || (best !== null && compare(victims, best) >= 0)) continue;
    best = victims;
    chosen = node.id;
  }
  return best === null || chosen === null ? null : { node: chosen, victims: best.map(({ placement }) => placement) };
}

function compare(a: readonly Victim[], b: readonly Victim[]): number {
  const highest = (victims: readonly Victim[]): number => Math.max(...victims.map(({ priority }) => priority));
  return a.length - b.length || highest(a) - highest(b);
}

/** Adds the lowest until it fits, then gives back whom it would fit beside. */
function victimsOn(world: World, draft: Draft, want: Want, node: Node, fits: Fits): readonly Victim[] | null {
  const without = (victims: readonly Victim[]): Usage =>
    victims.reduce(
      (usage, { placement }) => withoutWorkload(usage, placement.workload, serviceAt(world, placement)),
      draft.usageWithout(node.id, want.workload),
    );
  const taken: Victim[] = [];
  for (const victim of lowerOn(world, draft, want, node.id)) {
    if (taken.length > 0 && fits(node, without(taken))) break;
    taken.push(victim);
  }
  if (taken.length === 0 || !fits(node, without(taken))) return null;
  let needed: readonly Victim[] = taken;
  for (const victim of [...taken].reverse()) {
    const fewer = needed.filter((one) => one !== victim);
    if (fits(node, without(fewer))) needed = fewer;
  }
  return needed;
}

/** Who may be pushed out of a node: lower, replicated, not bound to it, and of no paused app. The lowest first, and the largest of those. */
function lowerOn(world: World, draft: Draft, want: Want, node: NodeId): readonly Victim[] {
  const victims: Victim[] = [];
  for (const placement of draft.standingOn(node)) {
    const service = wantedService(world, placement.app, placement.service);
    if (service === null || placement.workload === want.workload || service.priority >= want.service.priority) continue;
    if (!isMovable(service) || pausedOf(world, placement.app) !== null) continue;
    const memoryBytes = serviceAt(world, placement)?.reservedMemoryBytes ?? 0;
    victims.push({ placement, priority: service.priority, memoryBytes });
  }
  return victims.sort(
    (a, b) =>
      a.priority - b.priority || b.memoryBytes - a.memoryBytes || byText(b.placement.workload, a.placement.workload),
  );
}

/** The lowest priority there is: who asks with no more than that finds nobody below. */
export function lowestPriority(world: World): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (const { spec } of world.apps.values())
    for (const { priority } of spec.services) if (priority < lowest) lowest = priority;
  return lowest;
}
