// Wishes: what operators want beside the file (stopped, restarted, paused), and what that comes to for each slot. Pure.
// A wish lasts until it is taken back or its target is gone; nothing else may end one.

import type { Intent } from "@skerry/shared/model/assignment.ts";
import type { AppName, NodeId, ServiceName, Slot, WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadId } from "@skerry/shared/model/names.ts";
import type { Change } from "./change.ts";
import type { Draft } from "./draft.ts";
import { placedOf, serviceAt, serviceOf, sorted } from "./lookup.ts";
import { isWishOf, type Said, type Wish, wishKey } from "./rollout-state.ts";
import type { Node, Placement, World } from "./world.ts";

/** A slot, or with nulls a whole service or app. */
export type WishTarget = Pick<Wish, "app" | "service" | "slot">;

type SlotOf = Pick<Placement, "app" | "service" | "slot">;

/** The wishes that bear on one slot: the app's, its service's, its own. */
function bearing(world: World, { app, service, slot }: SlotOf): readonly Wish[] {
  if (world.wishes.size === 0) return NONE;
  const keys = [
    wishKey({ app, service: null, slot: null }),
    wishKey({ app, service, slot: null }),
    wishKey({ app, service, slot }),
  ];
  return keys.flatMap((key) => world.wishes.get(key) ?? []);
}
const NONE: readonly Wish[] = [];

/** What operators' wishes and its node's drain come to for a slot that stands on `node`. */
export function intentOf(world: World, slot: SlotOf, node: Pick<Node, "availability" | "drainOverMs">): Intent {
  const wishes = bearing(world, slot);
  const stopped = wishes.some((wish) => wish.stopped !== null) || isDrainOver(node);
  // The newest has the largest number: a wish that ends leaves no later one below what the node has carried out.
  return { run: !stopped, restarts: Math.max(0, ...wishes.map(({ restarts }) => restarts)) };
}

/** Its drain's deadline has passed: what is still there stands stopped until the node is uncordoned. */
export const isDrainOver = ({ availability, drainOverMs }: Pick<Node, "availability" | "drainOverMs">): boolean =>
  availability === "draining" && drainOverMs !== null;

/** Who wants it stopped, since when and why; `target` is what was named: the app before the service before the slot. */
export interface Stop {
  readonly target: string;
  readonly said: Said;
}

/** Why a slot is to stand stopped, widest first; null: it is to run. A node whose drain is over stops what is left on it. */
export function stopOf(world: World, slot: SlotOf & { readonly node: NodeId | null }): Stop | null {
  for (const wish of bearing(world, slot))
    if (wish.stopped !== null) return { target: wishKey(wish), said: wish.stopped };
  const node = slot.node === null ? undefined : world.nodes.get(slot.node);
  if (node === undefined || !isDrainOver(node) || node.drainOverMs === null) return null;
  const reason = `node ${node.name} is being drained, and what could not move by the deadline is stopped`;
  return { target: `node/${node.name}`, said: { by: node.availabilitySaid?.by ?? "", atMs: node.drainOverMs, reason } };
}

/** A stop of the service as a whole, or of its app; null: none. */
export function stopOfService(world: World, app: AppName, service: ServiceName | null): Stop | null {
  for (const target of [
    { app, service: null, slot: null },
    { app, service, slot: null },
  ]) {
    const said = world.wishes.get(wishKey(target))?.stopped ?? null;
    if (said !== null) return { target: wishKey(target), said };
  }
  return null;
}

/** Since when the hub changes nothing of this app; null: it is not paused. */
export const pausedOf = (world: World, app: AppName): Said | null => world.wishes.get(app)?.paused ?? null;

// --- in a decision

/** Brings the intents of the standing copies of these apps, and of those on these nodes, to what is wanted. A pause holds none back. */
export function applyIntents(world: World, draft: Draft, apps: Iterable<AppName>, nodes: Iterable<NodeId>): void {
  const ids = new Set<WorkloadId>();
  for (const app of apps) for (const id of placedOf(world, app)) ids.add(id);
  for (const node of nodes) for (const id of world.placementsByNode.get(node) ?? []) ids.add(id);
  for (const id of sorted(ids)) {
    const placement = draft.placement(id);
    const node = placement === null ? undefined : world.nodes.get(placement.node);
    if (placement === null || node === undefined) continue;
    const intent = intentOf(world, placement, node);
    if (intent.run === placement.intent.run && intent.restarts === placement.intent.restarts) continue;
    const service = serviceAt(world, placement);
    if (service !== null) draft.put({ ...placement, intent }, service, null);
  }
}

/**
 * Wishes for services and slots that their app no longer has: they leave, so that a slot that comes back later runs. A number is a
 * slot while a copy has it, or one is wanted for it; a node's slot is one while there is the node.
 */
export function endedWishes(world: World, draft: Draft, apps: Iterable<AppName>): readonly Change[] {
  if (world.wishes.size === 0) return [];
  const asked = new Set(apps);
  return sorted(world.wishes.keys()).flatMap((key): readonly Change[] => {
    const wish = world.wishes.get(key);
    return wish === undefined || !asked.has(wish.app) || hasTarget(world, draft, wish)
      ? []
      : [{ kind: "wish-removed", key }];
  });
}

function hasTarget(world: World, draft: Draft, { app: name, service: serviceName, slot }: Wish): boolean {
  const app = world.apps.get(name);
  if (app === undefined) return false;
  if (serviceName === null) return true;
  const service = serviceOf(app.spec, serviceName);
  if (service === null) return false;
  if (slot === null) return true;
  if (draft.placement(workloadId(name, serviceName, slot)) !== null) return true;
  // A global slot is the id of its node; a number is no node's id.
  if (service.mode.kind === "global") return world.nodes.has(slot as string as NodeId);
  return wantedNumbers(draft, name, serviceName, service.mode.replicas).has(slot);
}

/** The numbers that are to be given out next: the lowest that are free, as many as are missing. */
function wantedNumbers(draft: Draft, app: AppName, service: ServiceName, replicas: number): ReadonlySet<Slot> {
  const copies = draft.copies(app, service);
  const wanted = new Set<Slot>();
  for (let number = 1; copies.size + wanted.size < replicas; number += 1) {
    // Digits are a slot by its schema.
    const slot = String(number) as Slot;
    if (!copies.has(workloadId(app, service, slot))) wanted.add(slot);
  }
  return wanted;
}

/** The wishes of one app, its own first. */
export function wishesOf(world: World, app: AppName): readonly Wish[] {
  if (world.wishes.size === 0) return NONE;
  return sorted(world.wishes.keys()).flatMap((key) => (isWishOf(app, key) ? (world.wishes.get(key) ?? []) : []));
}
