// What operators want against what stands: what must go, what changes in place, and which slots want a node. Pure; writes the draft.
// First everything that makes room, then everything that needs it.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import type { AppName, NodeId, ServiceName, Slot, WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadId } from "@skerry/shared/model/names.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Draft } from "./draft.ts";
import { moveAtMs, silentSinceMs } from "./liveness.ts";
import { byText, serviceAt, serviceOf, sorted, wantedService } from "./lookup.ts";
import { nodeOfSlot, type Placer } from "./place.ts";
import { policyRefusal } from "./policy/bound.ts";
import { stepOf } from "./rollout/let-through.ts";
import { judgedBy, mayCatchUp, startsAt, startsElsewhere } from "./rollout/start-at.ts";
import { constraintRefusal, constraintText } from "./schedule.ts";
import type { Want } from "./want.ts";
import type { App, Placement, Step, Unplaced, World } from "./world.ts";

const slotOrder = (a: Placement, b: Placement): number => Number(a.slot) - Number(b.slot) || byText(a.slot, b.slot);

/** Standing copies of a service in order of their numbers. */
function standingCopies(draft: Draft, app: AppName, service: ServiceName): readonly Placement[] {
  return [...draft.copies(app, service).values()].sort(slotOrder);
}

// --- what must go

/** Everything of this app that nobody wants any more. */
export function removeUnwanted(world: World, draft: Draft, name: AppName): void {
  const app = world.apps.get(name);
  for (const serviceName of sorted(draft.services(name))) {
    const service = app === undefined ? null : serviceOf(app.spec, serviceName);
    for (const placement of standingCopies(draft, name, serviceName)) {
      const reason = app === undefined ? `app ${name} was removed` : unwantedReason(world, placement, service);
      if (reason !== null) draft.remove(placement, reason);
    }
    if (service?.mode.kind === "replicated") scaleDown(world, draft, name, service, service.mode.replicas);
  }
}

/** Why a placement may not stay where it is, whatever stands beside it; null: it may. */
export function unwantedReason(world: World, placement: Placement, service: ServiceSpec | null): string | null {
  if (service === null) return `service ${placement.service} is no longer in the file`;
  if ((service.mode.kind === "global") !== placement.slot.startsWith("n"))
    return `its mode is now ${service.mode.kind}`;
  const node = world.nodes.get(placement.node);
  if (node === undefined) return `node ${placement.node} was removed`;
  const judged = judgedBy(world, placement, service);
  const refusal = constraintRefusal(judged.constraints, node);
  if (refusal === null) return null;
  const broken = judged.constraints.find((constraint) => constraintRefusal([constraint], node) !== null);
  return `node ${node.name} no longer matches ${broken === undefined ? "its constraints" : constraintText(broken)}`;
}

/** Those on unreachable nodes go first, then the highest numbers. */
function scaleDown(world: World, draft: Draft, app: AppName, service: ServiceSpec, replicas: number): void {
  const copies = standingCopies(draft, app, service.name);
  const away = (placement: Placement): number =>
    world.reachability.get(placement.node)?.kind === "unreachable" ? 0 : 1;
  const order = [...copies].sort((a, b) => away(a) - away(b) || slotOrder(b, a));
  for (const placement of order.slice(0, Math.max(0, copies.length - replicas)))
    draft.remove(placement, `scaled to ${replicas}`);
}

// --- what changes in place

/** Brings these of the app's standing copies to its revision. Returns those whose own node has no room for it: they stand as they were. */
export function updateInPlace(
  world: World,
  draft: Draft,
  placer: Placer,
  app: App,
  steps: ReadonlyMap<WorkloadId, Step>,
): readonly Want[] {
  const same: Update[] = [];
  const other: Update[] = [];
  const elsewhere: Want[] = [];
  for (const { standing, step } of inOrder(draft, steps)) {
    const service = serviceOf(app.spec, standing.service);
    if (service === null || standing.revision === app.revision) continue;
    const node = world.nodes.get(standing.node);
    if (node !== undefined && constraintRefusal(service.constraints, node) !== null) {
      if (service.mode.kind === "global") draft.remove(standing, `node ${node.name} no longer matches its constraints`);
      else elsewhere.push(updateWant(app, service, standing, step));
      continue;
    }
    const had = serviceAt(world, standing);
    const update: Update = { standing, want: updateWant(app, service, standing, step) };
    // It stands as it was: a policy never stops what runs.
    if (node !== undefined && policyRefusal(world, update.want, node) !== null) {
      elsewhere.push(update.want);
      continue;
    }
    if (had === null) draft.remove(standing, "its old revision is not known any more");
    else if (needs(service) === needs(had)) same.push(update);
    else other.push(update);
  }
  for (const { want, standing } of same) placer.keep(want, standing);
  for (const { standing } of other) draft.lift(standing);
  return [...elsewhere, ...changeIfRoom(placer, other)];
}

/** One service after the other, each in order of its slots. */
function inOrder(draft: Draft, steps: ReadonlyMap<WorkloadId, Step>): readonly Stepping[] {
  return [...steps]
    .flatMap(([id, step]): readonly Stepping[] => {
      const standing = draft.placement(id);
      return standing === null ? [] : [{ standing, step }];
    })
    .sort((a, b) => byText(a.standing.service, b.standing.service) || slotOrder(a.standing, b.standing));
}

interface Stepping {
  readonly standing: Placement;
  readonly step: Step;
}

/** Returns those that stand as they were. What stays as it was needs its room beside those that change: the last of these give way. */
function changeIfRoom(placer: Placer, updates: readonly Update[]): readonly Want[] {
  let changed: readonly Update[] = [];
  const stay: Want[] = [];
  for (const update of updates) {
    const { node } = update.standing;
    if (placer.keepIfRoom(update.want, update.standing)) {
      changed = [update, ...changed];
      continue;
    }
    stay.push(update.want);
    for (const other of changed.filter(({ standing }) => standing.node === node)) {
      if (!placer.isOverfull(node)) break;
      placer.putBack(other.standing);
      stay.push(other.want);
      changed = changed.filter((one) => one !== other);
    }
  }
  return stay;
}

interface Update {
  readonly want: Want;
  readonly standing: Placement;
}

function updateWant({ name, revision }: App, service: ServiceSpec, standing: Placement, step: Step): Want {
  const { workload, slot } = standing;
  const reason = `revision ${revision} does not fit where it stood`;
  return { kind: "update", workload, app: name, revision, service, slot, standing, reason, step };
}

/** What another copy on the same node could be in the way of. Specs are immutable, so it is worked out once for all copies. */
function needs(service: ServiceSpec): string {
  const known = needsKnown.get(service);
  if (known !== undefined) return known;
  const { reservedMemoryBytes, reservedNanoCpus, maxReplicasPerNode, container } = service;
  const ports = container.ports.filter(({ hostPort }) => hostPort !== null);
  const text = canonicalJson({ reservedMemoryBytes, reservedNanoCpus, maxReplicasPerNode, ports });
  needsKnown.set(service, text);
  return text;
}
const needsKnown = new WeakMap<ServiceSpec, string>();

// --- slots that want a node

/** All of an app's slots that have none. */
export function missingSlots(world: World, draft: Draft, app: App): readonly Want[] {
  return app.spec.services.flatMap((service) =>
    service.mode.kind === "global"
      ? sorted(world.nodes.keys()).flatMap((id) => missingOn(world, draft, app, service, id))
      : missingCopies(world, draft, app, service, service.mode.replicas),
  );
}

/** The lowest numbers that are free. */
function missingCopies(world: World, draft: Draft, app: App, service: ServiceSpec, replicas: number): readonly Want[] {
  const copies = draft.copies(app.name, service.name);
  const wants: Want[] = [];
  let missing = 0;
  for (let number = 1; copies.size + missing < replicas; number += 1) {
    const slot = numberedSlot(number);
    if (copies.has(workloadId(app.name, service.name, slot))) continue;
    missing += 1;
    const want = newWant(world, app, service, slot);
    if (want !== null) wants.push(want);
  }
  return wants;
}

/** A global service's slot on this node, if the node matches and has none. A cordoned node, or one that is not approved, gets nothing new and lacks nothing. */
export function missingOn(world: World, draft: Draft, app: App, service: ServiceSpec, id: NodeId): readonly Want[] {
  const node = world.nodes.get(id);
  if (service.mode.kind !== "global" || node === undefined) return [];
  if (node.availability !== "active" || node.standing !== "member") return [];
  const want = newWant(world, app, service, nodeSlot(node.id));
  if (want === null || constraintRefusal(want.service.constraints, node) !== null) return [];
  // It may start at an older revision that matches; the newest would have it removed again.
  if (constraintRefusal(service.constraints, node) !== null) return [];
  return draft.placement(want.workload) === null ? [want] : [];
}

// A slot's schema allows exactly these two shapes.
const numberedSlot = (number: number): Slot => String(number) as Slot;
const nodeSlot = (node: NodeId): Slot => node as string as Slot;

/** null: a rollout does not let it start yet. */
function newWant(world: World, app: App, wanted: ServiceSpec, slot: Slot): Want | null {
  const start = startsAt(world, app, wanted, slot);
  if (start === null) return null;
  const { revision, service } = start;
  const workload = workloadId(app.name, service.name, slot);
  const reason = service.mode.kind === "global" ? "this node matches" : "it had the fewest copies and the most room";
  return { kind: "new", workload, app: app.name, revision, service, slot, standing: null, reason, step: null };
}

/** The want behind an entry of `world.unplaced`; null: nothing is wanting any more. */
export function wantAgain(world: World, draft: Draft, entry: Unplaced, now: Millis): Want | null {
  const app = world.apps.get(entry.app);
  const service = app === undefined ? null : serviceOf(app.spec, entry.service);
  if (app === undefined || service === null) return null;
  const standing = draft.placement(workloadId(entry.app, entry.service, entry.slot));
  if (standing === null)
    return service.mode.kind === "global"
      ? (missingOn(world, draft, app, service, nodeOfSlot(entry.slot))[0] ?? null)
      : newWant(world, app, service, entry.slot);
  const move = moveWant(world, standing, now);
  if (standing.revision === app.revision || move !== null || !mayCatchUp(world, app)) return move;
  return updateWant(app, service, standing, stepOf(world, app, standing, standing.specHash === service.specHash));
}

/** A copy on a node that has been silent for so long that its service asks for another one elsewhere; null: it stays. */
export function moveWant(world: World, standing: Placement, now: Millis): Want | null {
  const at = dueToMoveMs(world, standing);
  const app = world.apps.get(standing.app);
  const service = wantedService(world, standing.app, standing.service);
  if (at === null || at > now || app === undefined || service === null) return null;
  const silentMs = now - silentSinceMs(world, standing.node);
  const name = world.nodes.get(standing.node)?.name ?? standing.node;
  const reason = `node ${name} has been silent for ${Math.round(silentMs / 1_000)} s`;
  const { workload, slot } = standing;
  const start = startsElsewhere(world, app, service, standing);
  if (start === null) return null;
  return { kind: "move", workload, app: app.name, ...start, slot, standing, reason, step: null };
}

/** When the slot may be given to another node if this one stays silent; null: not while it speaks, or never. */
export function dueToMoveMs(world: World, standing: Placement): Millis | null {
  if (world.reachability.get(standing.node)?.kind !== "unreachable") return null;
  const service = wantedService(world, standing.app, standing.service);
  if (service === null || service.mode.kind === "global") return null;
  return moveAtMs(world, standing.node, service.disconnect, standing.silentRunMs);
}
