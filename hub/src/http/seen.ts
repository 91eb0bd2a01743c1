// The World as a caller may see it: apps out of his sight are as if they were not there, in every list, count and reason. Made of views over
// the World's own maps, so that it costs what is looked at. Nodes stay in it, for a copy is shown with its node; lists and lookups of nodes
// ask `Sight.node`.
import type { AppName, NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import { containerName, workloadParts } from "@skerry/shared/model/names.ts";
import type { HubEvent } from "../core/change.ts";
import type { Observation, Refusal, Unplaced, World } from "../core/world.ts";
import type { EventRow, EventScope } from "../store/store.ts";
import type { Sight } from "./access.ts";

/** In reasons, for what may not be named. */
const SOMEBODY = "another app";

export function seenWorld(world: World, sight: Sight): World {
  if (sight.all) return world;
  const app = (name: AppName): boolean => sight.app(name);
  const workload = (id: WorkloadId): boolean => sight.app(workloadParts(id).app);
  const workloadsOf = <S extends ReadonlySet<WorkloadId>>(ids: S): ReadonlySet<WorkloadId> =>
    new Set([...ids].filter(workload));
  return {
    ...world,
    apps: new Seen(world.apps, app),
    rollouts: new Seen(world.rollouts, app),
    copies: new Seen(world.copies, app),
    unplacedByApp: new Seen(world.unplacedByApp, app),
    placements: new Seen(world.placements, workload),
    gates: new Seen(world.gates, workload),
    unplaced: new Seen(world.unplaced, workload, (unplaced) => seenUnplaced(unplaced, sight)),
    tombstoneNodes: new Seen(world.tombstoneNodes, workload),
    placementsByNode: new Seen(world.placementsByNode, anything, workloadsOf),
    tombstonesByNode: new Seen(world.tombstonesByNode, anything, (tombstones) =>
      tombstones
        .filter((tombstone) => workload(tombstone.workload))
        .map((tombstone) => ({ ...tombstone, reason: seenReason(tombstone.reason, sight) })),
    ),
    observations: new Seen(world.observations, anything, (observation, node) =>
      seenObservation(world, node, observation, workload),
    ),
  };
}

const anything = (): boolean => true;

/** A map without some of its keys, with its values as they may be seen. */
class Seen<K, V> implements ReadonlyMap<K, V> {
  readonly #all: ReadonlyMap<K, V>;
  readonly #sees: (key: K) => boolean;
  readonly #shown: (value: V, key: K) => V;

  constructor(all: ReadonlyMap<K, V>, sees: (key: K) => boolean, shown: (value: V, key: K) => V = (value) => value) {
    this.#all = all;
    this.#sees = sees;
    this.#shown = shown;
  }

  get size(): number {
    return [...this.keys()].length;
  }
  has(key: K): boolean {
    return this.#sees(key) && this.#all.has(key);
  }
  get(key: K): V | undefined {
    const value = this.#sees(key) ? this.#all.get(key) : undefined;
    return value === undefined ? undefined : this.#shown(value, key);
  }
  *keys(): MapIterator<K> {
    for (const key of this.#all.keys()) if (this.#sees(key)) yield key;
  }
  *entries(): MapIterator<[K, V]> {
    for (const [key, value] of this.#all) if (this.#sees(key)) yield [key, this.#shown(value, key)];
  }
  *values(): MapIterator<V> {
    for (const [, value] of this.entries()) yield value;
  }
  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries();
  }
  forEach(each: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this.entries()) each(value, key, this);
  }
}

function seenUnplaced(unplaced: Unplaced, sight: Sight): Unplaced {
  const isHidden = (refusal: Refusal): boolean => refusal.kind === "port" && !mayName(refusal.holder, sight);
  if (!unplaced.refusals.some(isHidden)) return unplaced;
  return {
    ...unplaced,
    refusals: unplaced.refusals.map((refusal) => (isHidden(refusal) ? { ...refusal, holder: SOMEBODY } : refusal)),
  };
}

/** A workload's id has two slashes; what else may hold a port is no app's. */
function mayName(holder: string, sight: Sight): boolean {
  const parts = holder.split("/");
  // A text that is no app's name is in nobody's sight by name.
  return parts.length === 1 || sight.app(parts[0] as AppName);
}

/** What it runs, and whose containers hold its ports. */
function seenObservation(
  world: World,
  node: NodeId,
  observation: Observation,
  sees: (id: WorkloadId) => boolean,
): Observation {
  const shown = new Set<string>();
  for (const id of world.placementsByNode.get(node) ?? []) {
    const { app, service, slot } = workloadParts(id);
    if (sees(id)) shown.add(containerName(app, service, slot));
  }
  return {
    ...observation,
    workloads: new Seen(observation.workloads, sees),
    ports: observation.ports.map((port) =>
      port.managed && !shown.has(port.container) ? { ...port, container: "" } : port,
    ),
  };
}

/** Whether an event is told: one of an app belongs to the app, one of no app to its node, one of neither to those who see all. */
export function seesEvent(
  world: World,
  sight: Sight,
  { app, node }: { readonly app: AppName | null; readonly node: NodeId | null },
): boolean {
  if (sight.all) return true;
  if (app !== null) return sight.app(app);
  if (sight.allNodes) return node !== null;
  const host = node === null ? undefined : world.nodes.get(node);
  return host !== undefined && sight.node(host);
}

/** The same for the store. null: everything. */
export function eventScope(world: World, sight: Sight): EventScope | null {
  if (sight.all) return null;
  return {
    apps: sight.apps,
    nodes: sight.allNodes ? null : [...world.nodes.values()].filter((node) => sight.node(node)).map(({ id }) => id),
  };
}

/** Without names of apps that the caller may not see. */
export function seenRow(row: EventRow, sight: Sight): EventRow {
  const { event } = row;
  return event.source === "node" ? row : { ...row, event: { ...event, event: seenHubEvent(event.event, sight) } };
}

export function seenHubEvent(event: HubEvent, sight: Sight): HubEvent {
  if (sight.all) return event;
  // Shown, and never looked up: the brand is kept for the type's sake.
  if (event.kind === "preempted" && !mayName(event.by, sight)) return { ...event, by: SOMEBODY as WorkloadId };
  return "reason" in event ? { ...event, reason: seenReason(event.reason, sight) } : event;
}

/** A reason was put into words when it was stored; these are the two in which another app's workload stands. */
const NAMING = /(is held by|made room for) ([^\s,;]+)/g;

const seenReason = (reason: string, sight: Sight): string =>
  reason.replaceAll(NAMING, (whole: string, words: string, name: string) =>
    mayName(name, sight) ? whole : `${words} ${SOMEBODY}`,
  );
