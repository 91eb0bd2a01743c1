// Why a slot has no node: the reasons counted over the nodes, the nearest miss by name, who has the room, and what to do. Pure.
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import { byText, wantedService } from "../lookup.ts";
import { refusalSummary, refusalText } from "../refusal-text.ts";
import type { Refusal, Unplaced, World } from "../world.ts";
import { type Account, account, type Ground, ground } from "./account.ts";
import { listed, megabytes } from "./words.ts";

/** Nodes whose refusals are told one by one. */
const MAX_REFUSAL_LINES = 20;

export function unplacedAccount(world: World, unplaced: Unplaced): Account {
  const nearest = nearestMiss(unplaced.refusals);
  return account({
    state: "unplaced",
    reason: fitsNowhere(world, unplaced.refusals),
    because: nearest === null ? [] : higherThan(world, unplaced, nearest),
    hint: nearest === null ? JOIN : refusalHint(world, nearest),
  });
}

const JOIN = "Join a node: skerry token create shows the command.";

/** "2 nodes: needs 512 MB, at most 380 MB free; closest: pi-7, 132 MB short" */
export function fitsNowhere(world: World, refusals: readonly Refusal[]): string {
  const nearest = nearestMiss(refusals);
  const summary = refusalSummary(refusals);
  return nearest === null || isSaidOfAll(nearest, refusals)
    ? summary
    : `${summary}; closest: ${nameOf(world, nearest)}, ${missText(nearest)}`;
}

/** Nothing is closest where all are refused alike, for what no amount tells apart. */
function isSaidOfAll(nearest: Refusal, refusals: readonly Refusal[]): boolean {
  if (nearest.kind === "memory" || nearest.kind === "cpu") return false;
  const text = refusalText(nearest);
  return (
    refusals.every((refusal) => refusalText(refusal) === text) ||
    (nearest.kind === "constraint" && nearest.found === null)
  );
}

const nameOf = (world: World, { node }: Refusal): string => world.nodes.get(node)?.name ?? node;

/** How far a node came through the filters, and by how much it missed. The order is that of what is easiest to put right. */
function distance(refusal: Refusal): readonly [number, number] {
  switch (refusal.kind) {
    case "fence-wait":
    case "no-facts":
      return [0, 0];
    case "port":
      return [1, 0];
    case "memory":
      return [2, refusal.needBytes - refusal.freeBytes];
    case "cpu":
      return [3, refusal.needNanoCpus - refusal.freeNanoCpus];
    case "max-per-node":
    case "too-many-workloads":
      return [4, 0];
    case "pending":
    case "frozen":
    case "cordoned":
    case "draining":
      return [5, 0];
    case "pressure":
      return [6, 0];
    case "awaited":
      return [7, 0];
    case "unreachable":
      return [8, 0];
    case "constraint":
      // Another value is nearer than none.
      return [10, refusal.found === null ? 1 : 0];
    case "policy":
      return [9, 0];
    default:
      return assertNever(refusal);
  }
}

export function nearestMiss(refusals: readonly Refusal[]): Refusal | null {
  let nearest: Refusal | null = null;
  for (const refusal of refusals) {
    if (nearest === null) nearest = refusal;
    const [a, b] = [distance(refusal), distance(nearest)];
    if (a[0] < b[0] || (a[0] === b[0] && (a[1] < b[1] || (a[1] === b[1] && refusal.node < nearest.node))))
      nearest = refusal;
  }
  return nearest;
}

function missText(refusal: Refusal): string {
  if (refusal.kind === "memory") return `${megabytes(refusal.needBytes - refusal.freeBytes)} short`;
  if (refusal.kind === "cpu")
    return `${Math.ceil((refusal.needNanoCpus - refusal.freeNanoCpus) / 10_000_000) / 100} CPUs short`;
  return refusalText(refusal);
}

function refusalHint(world: World, refusal: Refusal): string {
  const name = nameOf(world, refusal);
  switch (refusal.kind) {
    case "constraint":
      return labelHint(refusal.text, name);
    case "memory":
      return "Lower deploy.resources.reservations.memory, free some on a node, or add one.";
    case "cpu":
      return "Lower deploy.resources.reservations.cpus, free some on a node, or add one.";
    case "port":
      return `Stop ${refusal.holder} on ${name}, or publish another port.`;
    case "max-per-node":
      return "Raise deploy.placement.max_replicas_per_node, lower replicas, or add a node.";
    case "too-many-workloads":
      return "Add a node.";
    case "cordoned":
    case "draining":
      return `To let it take new workloads: skerry uncordon ${name}`;
    case "pending":
      return `To let it in: skerry node approve ${name}`;
    case "frozen":
    case "pressure":
      return `See: skerry why node/${name}`;
    case "no-facts":
    case "awaited":
      return "Wait until it reports, or add a node.";
    case "unreachable":
      return `Check the power and link of ${name}, or add a node.`;
    case "fence-wait":
      return refusal.untilMs === null
        ? `Bring ${name} back; only it can say that its copy has stopped.`
        : "Wait: it is placed by itself.";
    case "policy":
      return "Let somebody with policy:manage look: skerry policy check, and skerry policy set FILE.";
    default:
      return assertNever(refusal);
  }
}

function labelHint(text: string, node: string): string {
  const found = /^node\.labels\.(\S+) == (.+)$/.exec(text);
  return found === null
    ? "Add a node that matches, or change deploy.placement.constraints."
    : `Label a node (skerry node label ${node} ${found[1]}=${found[2]}), or change deploy.placement.constraints.`;
}

/** Who of a higher priority stands where there would be room else: on the nearest miss, or else on the first node on which one does. */
function higherThan(world: World, slot: Unplaced, nearest: Refusal): readonly string[] {
  const others = slot.refusals.filter((refusal) => refusal !== nearest).slice(0, MAX_LOOKED_AT);
  for (const refusal of [nearest, ...others]) {
    const higher = higherOn(world, slot, refusal);
    if (higher.length > 0) return higher;
  }
  return [];
}
/** This is asked for each copy in a list. */
const MAX_LOOKED_AT = 20;

function higherOn(world: World, { app, service }: Unplaced, refusal: Refusal): readonly string[] {
  if (refusal.kind !== "memory" && refusal.kind !== "cpu" && refusal.kind !== "port") return [];
  const own = wantedService(world, app, service)?.priority ?? 0;
  const higher = [...(world.placementsByNode.get(refusal.node) ?? [])].sort(byText).flatMap((id) => {
    const other = world.placements.get(id);
    const priority = other === undefined ? own : (wantedService(world, other.app, other.service)?.priority ?? own);
    return priority > own && other !== undefined ? [`${other.app}/${other.service} (priority ${priority})`] : [];
  });
  if (higher.length === 0) return [];
  const name = nameOf(world, refusal);
  return [`the room on ${name} goes to ${listed([...new Set(higher)])}, before its own priority ${own}`];
}

/** Node by node, why the slot has none. */
export function refusalGrounds(world: World, unplaced: Unplaced | undefined): readonly Ground[] {
  const refusals = unplaced?.refusals ?? [];
  const lines = refusals
    .map((refusal) => ground(nameOf(world, refusal), refusalText(refusal)))
    .sort((a, b) => byText(a.subject ?? "", b.subject ?? ""));
  if (lines.length <= MAX_REFUSAL_LINES) return lines;
  return [
    ...lines.slice(0, MAX_REFUSAL_LINES),
    ground(null, `${lines.length - MAX_REFUSAL_LINES} more nodes refuse it`),
  ];
}
