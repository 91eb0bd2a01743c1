// How the World moves: one change at a time, its indexes with it, at a cost in proportion to the change.
// Only the control loop calls this, and only after the durable changes are committed. It never decides anything.
import type { AppName, InstallationId, NodeId, NodeName, ServiceName, WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadId, workloadParts } from "@skerry/shared/model/names.ts";
import type { Report, WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { Policy } from "@skerry/shared/policy/policy.ts";
import { assert, assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Change } from "./change.ts";
import { comeBackMs, isAfterPause } from "./liveness.ts";
import { byText, placedOf, serviceAt } from "./lookup.ts";
import { gateOf } from "./rollout/slots.ts";
import { type GateResult, isWishOf, type Rollout, type Wish, wishKey } from "./rollout-state.ts";
import { afterMs, NO_USAGE, tighter, withoutWorkload, withWorkload } from "./usage.ts";
import type { StoredValue } from "./value.ts";
import type {
  App,
  Brake,
  Node,
  Observation,
  Placement,
  Reachability,
  SeenStatus,
  ServiceCopies,
  Tombstone,
  Unplaced,
  Usage,
  Word,
  World,
} from "./world.ts";

/** Everything durable that the World starts from. */
export interface LoadedWorld {
  readonly installation: InstallationId;
  readonly epoch: number;
  readonly seq: number;
  readonly apps: readonly App[];
  readonly nodes: readonly Node[];
  readonly placements: readonly Placement[];
  readonly tombstones: readonly Tombstone[];
  readonly fencingTokens: ReadonlyMap<WorkloadId, number>;
  /** Of each app the newest. */
  readonly rollouts: readonly Rollout[];
  readonly wishes: readonly Wish[];
  /** By name. */
  readonly policies: readonly Policy[];
  /** Registry credentials, by registry. */
  readonly registries: readonly StoredValue[];
  readonly gates: readonly GateResult[];
  /** Written behind: what nodes last said before this hub started. */
  readonly observed: ReadonlyMap<NodeId, readonly WorkloadStatus[]>;
}

type MutableCopies = { readonly [Key in keyof ServiceCopies]: Set<WorkloadId> };

/** The same object as a World, for this file alone. */
interface MutableWorld {
  readonly installation: InstallationId;
  readonly epoch: number;
  seq: number;
  listeningSinceMs: Millis;
  readonly apps: Map<AppName, App>;
  readonly nodes: Map<NodeId, Node>;
  readonly nodesByName: Map<NodeName, NodeId>;
  readonly drainingNodes: Set<NodeId>;
  readonly placements: Map<WorkloadId, Placement>;
  readonly placementsByNode: Map<NodeId, Set<WorkloadId>>;
  readonly copies: Map<AppName, Map<ServiceName, MutableCopies>>;
  readonly tombstonesByNode: Map<NodeId, readonly Tombstone[]>;
  readonly tombstoneNodes: Map<WorkloadId, Set<NodeId>>;
  readonly usage: Map<NodeId, Usage>;
  readonly fencingTokens: Map<WorkloadId, number>;
  readonly rollouts: Map<AppName, Rollout>;
  readonly wishes: Map<string, Wish>;
  readonly policies: Map<string, Policy>;
  readonly registries: Map<string, StoredValue>;
  readonly gates: Map<WorkloadId, GateResult>;
  readonly settledSinceMs: Map<string, Millis>;
  readonly reachability: Map<NodeId, Reachability>;
  readonly observations: Map<NodeId, Observation>;
  readonly unplaced: Map<WorkloadId, Unplaced>;
  readonly unplacedByApp: Map<AppName, Set<WorkloadId>>;
  brake: Brake | null;
  readonly dirtyApps: Set<AppName>;
  readonly dirtyNodes: Set<NodeId>;
  readonly dirtyRollouts: Map<AppName, ReadonlySet<ServiceName>>;
  dueMs: Millis | null;
  decidedOnce: boolean;
}

export function emptyWorld(installation: InstallationId, epoch: number, now: Millis): World {
  const nothing = {
    apps: [],
    nodes: [],
    placements: [],
    tombstones: [],
    fencingTokens: new Map(),
    rollouts: [],
    wishes: [],
    policies: [],
    registries: [],
    gates: [],
    observed: new Map(),
  };
  return worldFrom({ installation, epoch, seq: 0, ...nothing }, now);
}

/** Everything is dirty and every node awaited: the first decide looks at all of it. */
export function worldFrom(loaded: LoadedWorld, now: Millis): World {
  const world = blankWorld(loaded, now);
  for (const app of loaded.apps) setApp(world, app);
  for (const node of loaded.nodes) setNode(world, node);
  for (const gate of loaded.gates) world.gates.set(gate.workload, gate);
  for (const placement of loaded.placements) {
    setPlacement(world, placement);
    world.dirtyApps.add(placement.app);
  }
  for (const tombstone of loaded.tombstones) setTombstone(world, tombstone);
  for (const [workload, token] of loaded.fencingTokens) world.fencingTokens.set(workload, token);
  for (const rollout of loaded.rollouts) world.rollouts.set(rollout.app, rollout);
  for (const wish of loaded.wishes) world.wishes.set(wishKey(wish), wish);
  for (const policy of loaded.policies) world.policies.set(policy.name, policy);
  for (const credential of loaded.registries) world.registries.set(credential.name, credential);
  for (const [node, statuses] of loaded.observed) world.observations.set(node, oldObservation(statuses));
  for (const app of world.apps.keys()) world.dirtyApps.add(app);
  for (const node of world.nodes.keys()) {
    world.dirtyNodes.add(node);
    world.reachability.set(node, { kind: "awaited", judgeAfterMs: now + comeBackMs(world, node) });
  }
  return world;
}

function blankWorld({ installation, epoch, seq }: LoadedWorld, now: Millis): MutableWorld {
  return {
    installation,
    epoch,
    seq,
    listeningSinceMs: now,
    apps: new Map(),
    nodes: new Map(),
    nodesByName: new Map(),
    drainingNodes: new Set(),
    placements: new Map(),
    placementsByNode: new Map(),
    copies: new Map(),
    tombstonesByNode: new Map(),
    tombstoneNodes: new Map(),
    usage: new Map(),
    fencingTokens: new Map(),
    rollouts: new Map(),
    wishes: new Map(),
    policies: new Map(),
    registries: new Map(),
    gates: new Map(),
    settledSinceMs: new Map(),
    reachability: new Map(),
    observations: new Map(),
    unplaced: new Map(),
    unplacedByApp: new Map(),
    brake: null,
    dirtyApps: new Set(),
    dirtyNodes: new Set(),
    dirtyRollouts: new Map(),
    dueMs: null,
    decidedOnce: false,
  };
}

const NOTHING_SEEN: Observation = {
  observed: null,
  workloads: new Map(),
  figures: null,
  ports: [],
  conditions: [],
  heardMs: null,
  word: { kind: "awaits-report", sinceMs: null },
};

function oldObservation(statuses: readonly WorkloadStatus[]): Observation {
  return { ...NOTHING_SEEN, workloads: new Map(statuses.map((status) => [status.id, { status, seenMs: null }])) };
}

/** Every World is made by `worldFrom` or `copyWorld`, so it is a MutableWorld underneath. */
const mutable = (world: World): MutableWorld => world as MutableWorld;

/** Moves the World in place. */
export function applyChange(world: World, change: Change): void {
  const target = mutable(world);
  switch (change.kind) {
    case "app-set":
      return setApp(target, change.app);
    case "app-removed":
      return removeApp(target, change.app);
    case "node-set":
      return setNode(target, change.node);
    case "node-removed":
      return removeNode(target, change.node);
    case "placement-set":
      return setPlacement(target, change.placement);
    case "placement-removed":
      target.gates.delete(change.workload);
      return removePlacement(target, change.workload);
    case "tombstone-set":
      return setTombstone(target, change.tombstone);
    case "tombstone-removed":
      return removeTombstone(target, change.node, change.workload);
    case "rollout-set":
      target.rollouts.set(change.rollout.app, change.rollout);
      return;
    case "wish-set":
      target.wishes.set(wishKey(change.wish), change.wish);
      return;
    case "wish-removed":
      target.wishes.delete(change.key);
      return;
    case "policy-set":
      setInOrder(target.policies, change.policy);
      return;
    case "policy-removed":
      target.policies.delete(change.name);
      return;
    case "gate-set":
      target.gates.set(change.gate.workload, change.gate);
      return sortIn(target, change.gate.workload);
    case "gate-removed":
      target.gates.delete(change.workload);
      return sortIn(target, change.workload);
    case "fencing-token-set":
      target.fencingTokens.set(change.workload, change.token);
      return;
    case "value-set":
      if (change.value.kind === "registry") target.registries.set(change.value.name, change.value);
      return;
    case "value-removed":
      if (change.value.kind === "registry") target.registries.delete(change.value.name);
      return;
    case "node-key-set":
    case "key-revoked":
    case "token-set":
    case "token-removed":
    case "api-token-set":
    case "api-token-removed":
    case "role-set":
    case "role-removed":
    case "user-set":
    case "user-removed":
    case "session-set":
    case "session-removed":
    case "value-rewrapped":
    case "hub-event":
    case "node-events":
      return;
    default:
      return applyVolatile(target, change);
  }
}

type VolatileOnly = Extract<
  Change,
  {
    readonly kind:
      | "reachability-set"
      | "heard"
      | "observed"
      | "word-set"
      | "unplaced-set"
      | "unplaced-cleared"
      | "settled-since"
      | "brake-set"
      | "dirty"
      | "rollout-dirty"
      | "decided";
  }
>;

function applyVolatile(world: MutableWorld, change: VolatileOnly): void {
  switch (change.kind) {
    case "reachability-set":
      world.reachability.set(change.node, change.reachability);
      return;
    case "heard":
      return setHeard(world, change.node, change.atMs);
    case "observed":
      return setObserved(world, change.node, change.report, change.atMs);
    case "word-set":
      world.observations.set(change.node, {
        ...(world.observations.get(change.node) ?? NOTHING_SEEN),
        word: change.word,
      });
      return;
    case "unplaced-set":
      return setUnplaced(world, change.unplaced);
    case "unplaced-cleared":
      return clearUnplaced(world, change.workload);
    case "settled-since": {
      const key = `${change.app}/${change.service}`;
      if (change.atMs === null) world.settledSinceMs.delete(key);
      else world.settledSinceMs.set(key, change.atMs);
      return;
    }
    case "brake-set":
      world.brake = change.brake;
      return;
    case "dirty":
      for (const app of change.apps) world.dirtyApps.add(app);
      for (const node of change.nodes) world.dirtyNodes.add(node);
      return;
    case "rollout-dirty": {
      const before = world.dirtyRollouts.get(change.app) ?? [];
      world.dirtyRollouts.set(change.app, new Set([...before, ...change.services]));
      return;
    }
    case "decided":
      for (const app of change.apps) world.dirtyApps.delete(app);
      for (const node of change.nodes) world.dirtyNodes.delete(node);
      world.dirtyRollouts.clear();
      world.dueMs = change.dueMs;
      world.listeningSinceMs = change.listeningSinceMs;
      world.decidedOnce = true;
      return;
    default:
      return assertNever(change);
  }
}

/** After a commit: the store's new number, the watch's revision. */
export function advanceSeq(world: World, seq: number): void {
  assert(seq >= world.seq, `commit number ${seq} after ${world.seq}`);
  mutable(world).seq = seq;
}

/** A World of its own for dry runs: changes to it never show in the first. */
export function copyWorld(world: World): World {
  const sets = <K, V>(map: ReadonlyMap<K, ReadonlySet<V>>): Map<K, Set<V>> =>
    new Map([...map].map(([key, values]) => [key, new Set(values)]));
  const copy: MutableWorld = {
    ...world,
    apps: new Map(world.apps),
    nodes: new Map(world.nodes),
    nodesByName: new Map(world.nodesByName),
    drainingNodes: new Set(world.drainingNodes),
    placements: new Map(world.placements),
    placementsByNode: sets(world.placementsByNode),
    copies: new Map([...world.copies].map(([app, services]) => [app, copiedServices(services)])),
    tombstonesByNode: new Map(world.tombstonesByNode),
    tombstoneNodes: sets(world.tombstoneNodes),
    usage: new Map(world.usage),
    fencingTokens: new Map(world.fencingTokens),
    rollouts: new Map(world.rollouts),
    wishes: new Map(world.wishes),
    policies: new Map(world.policies),
    registries: new Map(world.registries),
    gates: new Map(world.gates),
    settledSinceMs: new Map(world.settledSinceMs),
    reachability: new Map(world.reachability),
    observations: new Map(world.observations),
    unplaced: new Map(world.unplaced),
    unplacedByApp: sets(world.unplacedByApp),
    dirtyApps: new Set(world.dirtyApps),
    dirtyNodes: new Set(world.dirtyNodes),
    dirtyRollouts: new Map(world.dirtyRollouts),
  };
  return copy;
}

function copiedServices(services: ReadonlyMap<ServiceName, ServiceCopies>): Map<ServiceName, MutableCopies> {
  return new Map(
    [...services].map(([name, { all, unjudged, failed }]) => [
      name,
      { all: new Set(all), unjudged: new Set(unjudged), failed: new Set(failed) },
    ]),
  );
}

function setApp(world: MutableWorld, app: App): void {
  const before = world.apps.get(app.name);
  const standing = placedOf(world, app.name).map((id) => placementOf(world, id));
  setSpecs(world, app, before, standing);
  if (before?.revision !== app.revision) for (const { workload } of standing) sortIn(world, workload);
}

function setSpecs(world: MutableWorld, app: App, before: App | undefined, standing: readonly Placement[]): void {
  const revisions = new Set([app.revision, ...app.older.map(({ revision }) => revision)]);
  // The common case: the specs that placements stand at are still there, so nothing that they set aside changes.
  if (before !== undefined && standing.every(({ revision }) => revisions.has(revision))) {
    world.apps.set(app.name, app);
    return;
  }
  withUsageAnew(world, standing, () => world.apps.set(app.name, app));
}

function removeApp(world: MutableWorld, name: AppName): void {
  world.rollouts.delete(name);
  for (const key of [...world.wishes.keys()]) if (isWishOf(name, key)) world.wishes.delete(key);
  const standing = placedOf(world, name).map((id) => placementOf(world, id));
  withUsageAnew(world, standing, () => world.apps.delete(name));
  for (const { workload } of standing) sortIn(world, workload);
}

/** Usage is worked out from the spec at each placement's revision: taken off, and put back when specs have come or gone. */
function withUsageAnew(world: MutableWorld, standing: readonly Placement[], change: () => void): void {
  for (const placement of standing) takeOff(world, placement);
  change();
  for (const placement of standing) putOn(world, placement);
  for (const node of new Set(standing.map((placement) => placement.node))) {
    const usage = world.usage.get(node) ?? NO_USAGE;
    world.usage.set(node, { ...usage, tightestAfterMs: tightestOn(world, node) });
  }
}

function placementOf(world: World, id: WorkloadId): Placement {
  const placement = world.placements.get(id);
  assert(placement !== undefined, `index names placement ${id} that is not there`);
  return placement;
}

function setNode(world: MutableWorld, node: Node): void {
  const before = world.nodes.get(node.id);
  if (before !== undefined && before.name !== node.name) world.nodesByName.delete(before.name);
  world.nodes.set(node.id, node);
  world.nodesByName.set(node.name, node.id);
  if (node.availability === "draining") world.drainingNodes.add(node.id);
  else world.drainingNodes.delete(node.id);
}

/** What was last heard of it stays as long as a fenced slot waits for it. */
function removeNode(world: MutableWorld, id: NodeId): void {
  const node = world.nodes.get(id);
  if (node !== undefined) world.nodesByName.delete(node.name);
  world.nodes.delete(id);
  world.drainingNodes.delete(id);
  world.observations.delete(id);
  world.dirtyNodes.delete(id);
  if (!world.tombstonesByNode.has(id)) world.reachability.delete(id);
}

function addTo<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, new Set([value]));
  else values.add(value);
}

function dropFrom<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const values = map.get(key);
  values?.delete(value);
  if (values?.size === 0) map.delete(key);
}

function setPlacement(world: MutableWorld, placement: Placement): void {
  removePlacement(world, placement.workload);
  world.placements.set(placement.workload, placement);
  addTo(world.placementsByNode, placement.node, placement.workload);
  copiesBeside(world, placement).all.add(placement.workload);
  sortIn(world, placement.workload);
  putOn(world, placement);
}

/** The copies of its service, to write to. */
function copiesBeside(world: MutableWorld, { app, service }: Placement): MutableCopies {
  const services = world.copies.get(app) ?? new Map<ServiceName, MutableCopies>();
  const copies = services.get(service) ?? { all: new Set(), unjudged: new Set(), failed: new Set() };
  world.copies.set(app, services.set(service, copies));
  return copies;
}

/** A verdict has come or gone, or another is waited for. */
function sortIn(world: MutableWorld, id: WorkloadId): void {
  const placement = world.placements.get(id);
  if (placement === undefined) return;
  const { unjudged, failed } = copiesBeside(world, placement);
  const verdict = gateOf(world, placement);
  const isNewest = world.apps.get(placement.app)?.revision === placement.revision;
  if (isNewest && placement.intent.run && verdict === null) unjudged.add(id);
  else unjudged.delete(id);
  if (verdict?.kind === "failed") failed.add(id);
  else failed.delete(id);
}

function dropCopy(world: MutableWorld, { app, service, workload }: Placement): void {
  const services = world.copies.get(app);
  const copies = services?.get(service);
  if (services === undefined || copies === undefined) return;
  for (const set of [copies.all, copies.unjudged, copies.failed]) set.delete(workload);
  if (copies.all.size === 0) services.delete(service);
  if (services.size === 0) world.copies.delete(app);
}

/** Leaves the indexes before its share is taken off: what remains on the node is then what the indexes say. */
function removePlacement(world: MutableWorld, id: WorkloadId): void {
  const before = world.placements.get(id);
  if (before === undefined) return;
  world.placements.delete(id);
  dropFrom(world.placementsByNode, before.node, id);
  dropCopy(world, before);
  takeOff(world, before);
}

function putOn(world: MutableWorld, placement: Placement): void {
  const usage = world.usage.get(placement.node) ?? NO_USAGE;
  world.usage.set(placement.node, withWorkload(usage, placement.workload, serviceAt(world, placement)));
}

function takeOff(world: MutableWorld, placement: Placement): void {
  const service = serviceAt(world, placement);
  const usage = withoutWorkload(world.usage.get(placement.node) ?? NO_USAGE, placement.workload, service);
  if (usage.workloads === 0) {
    world.usage.delete(placement.node);
    return;
  }
  const wasTightest = service !== null && afterMs(service) !== null && afterMs(service) === usage.tightestAfterMs;
  const tightestAfterMs = wasTightest ? tightestOn(world, placement.node) : usage.tightestAfterMs;
  world.usage.set(placement.node, { ...usage, tightestAfterMs });
}

function tightestOn(world: MutableWorld, node: NodeId): number | null {
  let tightest: number | null = null;
  for (const id of world.placementsByNode.get(node) ?? []) {
    const service = serviceAt(world, placementOf(world, id));
    if (service !== null) tightest = tighter(tightest, afterMs(service));
  }
  return tightest;
}

function setTombstone(world: MutableWorld, tombstone: Tombstone): void {
  const others = (world.tombstonesByNode.get(tombstone.node) ?? []).filter(
    ({ workload }) => workload !== tombstone.workload,
  );
  world.tombstonesByNode.set(tombstone.node, [...others, tombstone]);
  addTo(world.tombstoneNodes, tombstone.workload, tombstone.node);
}

function removeTombstone(world: MutableWorld, node: NodeId, workload: WorkloadId): void {
  const left = (world.tombstonesByNode.get(node) ?? []).filter((tombstone) => tombstone.workload !== workload);
  dropFrom(world.tombstoneNodes, workload, node);
  if (left.length > 0) {
    world.tombstonesByNode.set(node, left);
    return;
  }
  world.tombstonesByNode.delete(node);
  if (!world.nodes.has(node)) world.reachability.delete(node);
}

/** Only a ready node's lease is renewed by this; the way back from another state is a `reachability-set`. */
function setHeard(world: MutableWorld, node: NodeId, atMs: Millis): void {
  const before = world.reachability.get(node);
  if (before?.kind !== "ready" || before.lastHeardMs >= atMs) return;
  world.reachability.set(node, { ...before, lastHeardMs: atMs });
}

function setObserved(world: MutableWorld, node: NodeId, report: Report, atMs: Millis): void {
  const before = world.observations.get(node) ?? NOTHING_SEEN;
  const workloads = new Map<WorkloadId, SeenStatus>(report.whole ? [] : before.workloads);
  for (const id of report.gone) workloads.delete(id);
  for (const status of report.workloads) workloads.set(status.id, { status, seenMs: atMs });
  world.observations.set(node, {
    observed: report.observed,
    workloads,
    figures: report.figures ?? before.figures,
    ports: report.ports ?? before.ports,
    conditions: report.conditions ?? before.conditions,
    heardMs: atMs,
    word: report.whole ? wordOfWhole(world, before.word, atMs) : before.word,
  });
}

/** A whole report takes the place of all that was said before, unless it may have waited unread while the hub stood still. */
function wordOfWhole(world: World, before: Word, atMs: Millis): Word {
  if (before.kind === "current") return before;
  const openedSince = before.kind === "awaits-report" && (before.sinceMs ?? 0) >= world.listeningSinceMs;
  return openedSince || isAfterPause(world, atMs) ? { kind: "current" } : { kind: "awaits-word" };
}

function setUnplaced(world: MutableWorld, unplaced: Unplaced): void {
  const id = workloadId(unplaced.app, unplaced.service, unplaced.slot);
  world.unplaced.set(id, unplaced);
  addTo(world.unplacedByApp, unplaced.app, id);
}

function clearUnplaced(world: MutableWorld, id: WorkloadId): void {
  world.unplaced.delete(id);
  dropFrom(world.unplacedByApp, workloadParts(id).app, id);
}

/** Policies are read for each slot on each node, and by name: sorted when one is set, not whenever they are read. */
function setInOrder(policies: Map<string, Policy>, policy: Policy): void {
  const after = policies.has(policy.name) ? [] : [...policies].filter(([name]) => byText(name, policy.name) > 0);
  policies.set(policy.name, policy);
  for (const [name, other] of after) {
    policies.delete(name);
    policies.set(name, other);
  }
}
