// Scheduling: which node takes a slot, and why another does not. Filters that explain themselves, then a choice. Pure.
// It looks at one slot at a time and never at what already stands elsewhere: stability is decide's.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { Constraint } from "@skerry/shared/model/constraint.ts";
import type { NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Condition } from "@skerry/shared/model/node.ts";
import { MAX_WORKLOADS_PER_NODE } from "@skerry/shared/protocol/version.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import { hostPorts } from "./usage.ts";
import type { HeldPort, Node, Refusal, Usage, World } from "./world.ts";

export const NANO_CPUS_PER_CORE = 1_000_000_000;
/** Swarm shows the kernel's word, Docker its own; a file may hold either. */
const ARCH_ALIASES: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64" };

/** What a node looks like while a decision is being worked out. */
export interface NodeView {
  readonly node: Node;
  readonly usage: Usage;
  /** Copies of this service on it, without the one being placed. */
  readonly copies: number;
}

// --- constraints: swarmkit's semantics. Values compare without case, label keys with; a missing label is the empty string.

export function constraintText({ attribute, operator, value }: Constraint): string {
  const name = attribute.kind === "label" ? `node.labels.${attribute.key}` : `node.${attribute.kind}`;
  return `${name} ${operator} ${value}`;
}

/** The first constraint that the node does not meet. */
export function constraintRefusal(constraints: readonly Constraint[], node: Node): Refusal | null {
  for (const constraint of constraints) {
    const found = attributeOf(constraint, node);
    if ((normal(constraint, found ?? "") === normal(constraint, constraint.value)) === (constraint.operator === "=="))
      continue;
    return { node: node.id, kind: "constraint", text: constraintText(constraint), found };
  }
  return null;
}

function attributeOf({ attribute }: Constraint, node: Node): string | null {
  switch (attribute.kind) {
    case "label":
      // An own property only: a label called "constructor" is a label.
      return Object.hasOwn(node.labels, attribute.key) ? (node.labels[attribute.key] ?? null) : null;
    case "hostname":
      return node.name;
    case "arch":
      return node.facts?.arch ?? null;
    case "id":
      return node.id;
    default:
      return assertNever(attribute);
  }
}

function normal({ attribute }: Constraint, value: string): string {
  const lower = value.toLowerCase();
  return attribute.kind === "arch" ? (ARCH_ALIASES[lower] ?? lower) : lower;
}

// --- filters

/** Conditions that keep new work away; what stands there stays. In the order in which they are told. */
const PRESSURE: ReadonlyMap<Condition["kind"], string> = new Map([
  ["safe-mode", "it is in safe mode, after restarting too often"],
  ["disk-pressure", "its disk is nearly full"],
  ["inode-pressure", "its disk has hardly any room for further files"],
  ["memory-pressure", "its memory is nearly used up"],
]);

/** In words, from the node's last report; null: none. */
export function pressureOf(world: World, id: NodeId): string | null {
  return pressureAmong(world.observations.get(id)?.conditions ?? []);
}

export function pressureAmong(conditions: readonly Condition[]): string | null {
  for (const [kind, words] of PRESSURE) if (conditions.some((one) => one.kind === kind)) return words;
  return null;
}

/** Why this node may not get a copy now, whatever it has room for; null: it may. Global slots belong to their node and wait for it. */
export function availabilityRefusal(world: World, node: Node, global: boolean): Refusal | null {
  if (node.standing !== "member") return { node: node.id, kind: node.standing };
  if (node.availability !== "active")
    return { node: node.id, kind: node.availability === "draining" ? "draining" : "cordoned" };
  const pressure = pressureOf(world, node.id);
  if (pressure !== null) return { node: node.id, kind: "pressure", condition: pressure };
  if (global) return null;
  const kind = world.reachability.get(node.id)?.kind ?? "awaited";
  return kind === "ready" ? null : { node: node.id, kind };
}

/**
 * Why this node has no room for a copy of `service`; null: it has. `standing`: what the same slot has there now, already taken off
 * `view.usage`; a copy never loses its place for needing no more than it has.
 */
export function roomRefusal(
  world: World,
  view: NodeView,
  workload: WorkloadId,
  service: ServiceSpec,
  standing: ServiceSpec | null,
): Refusal | null {
  const id = view.node.id;
  if (service.maxReplicasPerNode !== null && view.copies >= service.maxReplicasPerNode)
    return { node: id, kind: "max-per-node", most: service.maxReplicasPerNode };
  if (view.usage.workloads >= MAX_WORKLOADS_PER_NODE)
    return { node: id, kind: "too-many-workloads", most: MAX_WORKLOADS_PER_NODE };
  return capacityRefusal(view, service, standing) ?? portRefusal(world, view, workload, service, standing);
}

function capacityRefusal(
  { node, usage }: NodeView,
  service: ServiceSpec,
  standing: ServiceSpec | null,
): Refusal | null {
  const needBytes = service.reservedMemoryBytes ?? 0;
  const needNanoCpus = service.reservedNanoCpus ?? 0;
  const growsBytes = needBytes > (standing?.reservedMemoryBytes ?? 0);
  const growsCpus = needNanoCpus > (standing?.reservedNanoCpus ?? 0);
  if (!growsBytes && !growsCpus) return null;
  if (node.facts === null) return { node: node.id, kind: "no-facts" };
  const freeBytes = Math.max(0, node.facts.memoryBytes - usage.memoryBytes);
  if (growsBytes && needBytes > freeBytes) return { node: node.id, kind: "memory", needBytes, freeBytes };
  const freeNanoCpus = Math.max(0, node.facts.cores * NANO_CPUS_PER_CORE - usage.nanoCpus);
  if (growsCpus && needNanoCpus > freeNanoCpus) return { node: node.id, kind: "cpu", needNanoCpus, freeNanoCpus };
  return null;
}

const EVERY_ADDRESS = new Set(["", "0.0.0.0", "::", "[::]"]);

function clash(a: Omit<HeldPort, "workload">, b: Omit<HeldPort, "workload">): boolean {
  if (a.port !== b.port || a.protocol !== b.protocol) return false;
  return a.hostIp === b.hostIp || EVERY_ADDRESS.has(a.hostIp) || EVERY_ADDRESS.has(b.hostIp);
}

function portRefusal(
  world: World,
  { node, usage }: NodeView,
  workload: WorkloadId,
  service: ServiceSpec,
  standing: ServiceSpec | null,
): Refusal | null {
  const held = standing === null ? [] : hostPorts(standing, workload);
  for (const wanted of hostPorts(service, workload)) {
    const other = usage.ports.find((port) => clash(port, wanted));
    if (other !== undefined) return portHeld(node.id, wanted, other.workload);
    if (held.some((port) => clash(port, wanted))) continue;
    const foreign = world.observations.get(node.id)?.ports.find((port) => !port.managed && clash(port, wanted));
    if (foreign !== undefined) return portHeld(node.id, wanted, foreign.container || "another program");
  }
  return null;
}

const portHeld = (node: NodeId, { port, protocol }: HeldPort, holder: string): Refusal => ({
  node,
  kind: "port",
  port,
  protocol,
  holder,
});

// --- choice

/** Copies of a service, on one node or below one value of a spread label. Shared and counted up as slots are placed. */
export interface Tally {
  copies: number;
}

/** Tallies of one service: below each path of label values, and on each node. */
export interface Spread {
  readonly keys: readonly string[];
  readonly paths: Map<string, Tally>;
  readonly nodes: Map<NodeId, Tally>;
}

export function newSpread(keys: readonly string[]): Spread {
  return { keys, paths: new Map(), nodes: new Map() };
}

export function countCopy(spread: Spread, node: Node, by: number): void {
  for (const tally of talliesOf(spread, node)) tally.copies += by;
}

/**
 * What copies on this node count towards, most important first and the node itself last. A node without a label counts among those
 * with an empty one, as in Swarm.
 */
export function talliesOf({ keys, paths, nodes }: Spread, node: Node): readonly Tally[] {
  const values = keys.map((key) => (Object.hasOwn(node.labels, key) ? (node.labels[key] ?? "") : ""));
  const above = values.map((_, depth) => tallyAt(paths, JSON.stringify(values.slice(0, depth + 1))));
  return [...above, tallyAt(nodes, node.id)];
}

function tallyAt<K>(tallies: Map<K, Tally>, key: K): Tally {
  const known = tallies.get(key);
  if (known !== undefined) return known;
  const tally: Tally = { copies: 0 };
  tallies.set(key, tally);
  return tally;
}

export interface Ranked {
  readonly tallies: readonly Tally[];
  readonly usage: Usage;
}

/** Negative: the first takes the slot. Fewest copies at each level of spread, then on the node, then the emptier node. */
export function compareRanks(a: Ranked, b: Ranked): number {
  for (const [index, tally] of a.tallies.entries()) {
    const difference = tally.copies - (b.tallies[index]?.copies ?? 0);
    if (difference !== 0) return difference;
  }
  return a.usage.workloads - b.usage.workloads || a.usage.memoryBytes - b.usage.memoryBytes;
}
