// What watchers are told of one durable change, and whether it concerns them. Hashes of secrets and the hub's own bookkeeping
// (tombstones, fencing tokens) are nobody's news; the events beside them tell what happened.
import type { AppName, NodeId } from "@skerry/shared/model/ids.ts";
import { workloadParts } from "@skerry/shared/model/names.ts";
import type { DurableChange } from "../core/change.ts";
import type { World } from "../core/world.ts";
import type { WatchItem } from "../store/store.ts";
import type { Sight } from "./access.ts";
import type { WatchedEvent, WatchNews } from "./schemas/events.ts";
import { seenEvents, seesEvent } from "./seen.ts";
import { watchedHubEvent, watchedNodeEvent } from "./views/events.ts";
import { nodeRef } from "./views/node-ref.ts";

/** null: any. */
export interface WatchFilter {
  readonly app: AppName | null;
  readonly node: NodeId | null;
  /** What of that the watcher may see now. */
  readonly sight: () => Sight;
}

/** null: not for this watcher. */
export function durableNews(world: World, item: WatchItem, filter: WatchFilter): WatchNews | null {
  const { change } = item;
  switch (change.kind) {
    case "app-set":
      return about(world, filter, change.app.name, null)
        ? { kind: "app", app: change.app.name, revision: change.app.revision }
        : null;
    case "app-removed":
      return about(world, filter, change.app, null) ? { kind: "app-removed", app: change.app } : null;
    case "node-set":
      return about(world, filter, null, change.node.id) ? { kind: "node", node: nodeRef(change.node) } : null;
    case "node-removed":
      return about(world, filter, null, change.node) ? { kind: "node-removed", node: { id: change.node } } : null;
    case "placement-set":
    case "placement-removed":
      return placementNews(world, change, filter);
    case "hub-event":
    case "node-events":
      return eventNews(world, item, filter);
    default:
      return null;
  }
}

function placementNews(
  world: World,
  change: Extract<DurableChange, { readonly kind: "placement-set" | "placement-removed" }>,
  filter: WatchFilter,
): WatchNews | null {
  if (change.kind === "placement-removed") {
    // The change does not say from which node: better one message too many than one too few.
    const { app } = workloadParts(change.workload);
    const wanted = (filter.app === null || filter.app === app) && filter.sight().app(app);
    return wanted ? { kind: "unplaced", workload: change.workload } : null;
  }
  const { placement } = change;
  if (!about(world, filter, placement.app, placement.node)) return null;
  const node = world.nodes.get(placement.node);
  return { kind: "placed", workload: placement.workload, node: node === undefined ? null : nodeRef(node) };
}

function eventNews(world: World, { change, wallMs }: WatchItem, filter: WatchFilter): WatchNews | null {
  const items: WatchedEvent[] = [];
  if (change.kind === "hub-event") items.push(watchedHubEvent(world, change.event, wallMs));
  if (change.kind === "node-events") {
    for (const item of change.items) items.push(watchedNodeEvent(world, change.node, item.event, wallMs));
  }
  const wanted = items.filter((event) => about(world, filter, event.app, event.node?.id ?? null));
  return wanted.length === 0 ? null : { kind: "events", items: [...seenEvents(world, filter.sight(), wanted)] };
}

function about(world: World, filter: WatchFilter, app: AppName | null, node: NodeId | null): boolean {
  return (
    (filter.app === null || filter.app === app) &&
    (filter.node === null || filter.node === node) &&
    seesEvent(world, filter.sight(), { app, node })
  );
}
