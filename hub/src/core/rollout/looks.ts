// Of which services the rollout may go on because of what changed, and the short cut past those that cannot: a report in a large fleet costs
// what it is about, not what the app has. Pure. A short cut may only leave out what a look would find nothing in.
import type { AppName, NodeId, ServiceName } from "@skerry/shared/model/ids.ts";
import type { Draft } from "../draft.ts";
import type { App, World } from "../world.ts";
import { activeRollout } from "./policy.ts";
import { reachOf } from "./slots.ts";

/** Which services of an app to look at. `all`: everything about the app, also what no rollout is about. */
export type Look = "all" | ReadonlySet<ServiceName>;

export const isLookedAt = (look: Look, service: ServiceName): boolean => look === "all" || look.has(service);

/** Those of which something was said, those with a copy on these nodes, and all when time is due. */
export function rolloutLooks(
  world: World,
  nodes: Iterable<NodeId>,
  isTimeDue: boolean,
): ReadonlyMap<AppName, ReadonlySet<ServiceName>> {
  const looks = new Map<AppName, Set<ServiceName>>();
  const add = (name: AppName, services: Iterable<ServiceName>): void => {
    const app = world.apps.get(name);
    if (app === undefined || activeRollout(world.rollouts, app) === null) return;
    const look = looks.get(name) ?? new Set();
    for (const service of services) look.add(service);
    looks.set(name, look);
  };
  for (const [name, services] of world.dirtyRollouts) add(name, services);
  if (isTimeDue) for (const name of world.rollouts.keys()) add(name, world.copies.get(name)?.keys() ?? []);
  else
    for (const node of nodes)
      for (const id of world.placementsByNode.get(node) ?? []) {
        const placement = world.placements.get(id);
        if (placement !== undefined) add(placement.app, [placement.service]);
      }
  return looks;
}

/** A copy of this service is let through and not settled, and its node is there to tell. A copy that the draft has changed is not asked. */
export function isUnderWay(world: World, draft: Draft, app: App, service: ServiceName): boolean {
  for (const id of world.copies.get(app.name)?.get(service)?.unjudged ?? []) {
    const placement = world.placements.get(id);
    // The index is of the revision that the World had when this decision began.
    if (placement === undefined || placement.revision !== app.revision) continue;
    if (draft.placement(id) !== placement) continue;
    if (reachOf(world, placement.node) !== "silent") return true;
  }
  return false;
}
