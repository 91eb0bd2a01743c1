// The World as a caller may see it: apps out of his sight are as if they were not there, in every list, count and reason. Made of views over
// the World's own maps, so that it costs what is looked at. Nodes stay in it, for a copy is shown with its node; lists and lookups of nodes
// ask `Sight.node`.
import type { AppName, NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import { containerName, workloadParts } from "@skerry/shared/model/names.ts";
import type { Observation, Refusal, Unplaced, World } from "../core/world.ts";
import type { EventScope } from "../store/store.ts";
import type { Sight } from "./access.ts";
import type { WatchedEvent } from "./schemas/events.ts";
import { type SeenWords, SOMEBODY, seenWordsOf } from "./seen-words.ts";

export function seenWorld(world: World, sight: Sight): World {
  if (sight.all) return world;
  const app = (name: AppName): boolean => sight.app(name);
  const workload = (id: WorkloadId): boolean => sight.app(workloadParts(id).app);
  const workloadsOf = <S extends ReadonlySet<WorkloadId>>(ids: S): ReadonlySet<WorkloadId> =>
    new Set([...ids].filter(workload));
  const words = seenWordsOf(world, sight);
  // Asked for again with each workload of its node.
  const observed = oncePer((observation: Observation, node: NodeId) =>
    seenObservation(world, node, observation, workload, words(node)),
  );
  return {
    ...world,
    // A rollout's reasons are of several nodes.
    apps: new Seen(world.apps, app, (one) =>
      one.failedSpecs.length === 0 ? one : { ...one, failedSpecs: words(null)(one.failedSpecs) },
    ),
    rollouts: new Seen(world.rollouts, app, words(null)),
    nodes: new Seen(world.nodes, anything, (node) =>
      node.refusal === null ? node : { ...node, refusal: words(node.id)(node.refusal) },
    ),
    copies: new Seen(world.copies, app),
    unplacedByApp: new Seen(world.unplacedByApp, app),
    placements: new Seen(world.placements, workload),
    gates: new Seen(world.gates, workload, (gate, id) => words(world.placements.get(id)?.node ?? null)(gate)),
    unplaced: new Seen(world.unplaced, workload, (unplaced) => seenUnplaced(unplaced, sight)),
    tombstoneNodes: new Seen(world.tombstoneNodes, workload),
    placementsByNode: new Seen(world.placementsByNode, anything, workloadsOf),
    tombstonesByNode: new Seen(world.tombstonesByNode, anything, (tombstones) =>
      tombstones
        .filter((tombstone) => workload(tombstone.workload))
        .map((tombstone) => ({ ...tombstone, reason: seenReason(tombstone.reason, sight) })),
    ),
    observations: new Seen(world.observations, anything, observed),
  };
}

const anything = (): boolean => true;

/** Made once of each value, as long as the World that is seen is looked at. Only for values that never change. */
function oncePer<K, V extends object>(make: (value: V, key: K) => V): (value: V, key: K) => V {
  const kept = new Map<V, V>();
  return (value, key) => {
    const made = kept.get(value) ?? make(value, key);
    kept.set(value, made);
    return made;
  };
}

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

/** What it runs, whose containers hold its ports, and what it says of either. */
function seenObservation(
  world: World,
  node: NodeId,
  observation: Observation,
  sees: (id: WorkloadId) => boolean,
  words: SeenWords,
): Observation {
  const shown = new Set<string>();
  for (const id of world.placementsByNode.get(node) ?? []) {
    const { app, service, slot } = workloadParts(id);
    if (sees(id)) shown.add(containerName(app, service, slot));
  }
  return {
    ...observation,
    workloads: new Seen(
      observation.workloads,
      sees,
      oncePer(({ status, seenMs }) => ({ status: words(status), seenMs })),
    ),
    conditions: words(observation.conditions),
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

/** Events as they are shown, without names of apps that the caller may not see. */
export function seenEvents<E extends WatchedEvent>(world: World, sight: Sight, events: readonly E[]): readonly E[] {
  if (sight.all) return events;
  const words = seenWordsOf(world, sight);
  return events.map((event) => ({ ...event, text: seenReason(words(event.node?.id ?? null)(event.text), sight) }));
}

/** A reason was put into words when it was stored; these are the two in which another app's workload stands. */
const NAMING = /(is held by|made room for) ([^\s,;]+)/g;

const seenReason = (reason: string, sight: Sight): string =>
  reason.replaceAll(NAMING, (whole: string, words: string, name: string) =>
    mayName(name, sight) ? whole : `${words} ${SOMEBODY}`,
  );
