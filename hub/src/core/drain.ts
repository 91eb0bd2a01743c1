// Draining: what may leave a node, how much of it at a time, and why the rest stays. Pure; writes the draft through the placer.
// It never takes more of a service down than its policies allow, and never moves what its file binds to the node.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Report } from "@skerry/shared/model/report.ts";
import type { Millis, WallMillis } from "@skerry/shared/runtime/clock.ts";
import type { Change } from "./change.ts";
import { Draft } from "./draft.ts";
import { isGood } from "./good.ts";
import { byText, isMovable, sorted, wantedService } from "./lookup.ts";
import { Placer } from "./place.ts";
import { amountOf, labelValue, mostDown } from "./rollout/policy.ts";
import { startsElsewhere } from "./rollout/start-at.ts";
import type { Failure, Want } from "./want.ts";
import { pausedOf } from "./wishes.ts";
import type { Node, Placement, Refusal, World } from "./world.ts";

/** Why a workload is still on a node that is being drained. */
export type Stay =
  /** One on each node: it has nowhere else to be. */
  | { readonly kind: "global" }
  /** `disconnect: keep`, which is what a volume makes it: its data is here. */
  | { readonly kind: "bound" }
  | { readonly kind: "paused" }
  /** The node is not heard: `disconnect` says what becomes of it. */
  | { readonly kind: "silent" }
  /** As many copies of its service as may change at a time are not good: these. */
  | { readonly kind: "turn"; readonly others: readonly WorkloadId[] }
  /** The service's budget is spent. */
  | { readonly kind: "budget"; readonly down: number; readonly most: number }
  | { readonly kind: "no-room"; readonly refusals: readonly Refusal[] }
  /** Nothing is in its way. */
  | { readonly kind: "next" };

/** Whether anything is on this node that may move. */
export function mayMoveFrom(world: World, node: NodeId): boolean {
  return [...(world.placementsByNode.get(node) ?? [])].some((id) => isMovableNow(world, world.placements.get(id)));
}

function isMovableNow(world: World, placement: Placement | undefined): boolean {
  const service = placement === undefined ? null : wantedService(world, placement.app, placement.service);
  return service !== null && isMovable(service);
}

/**
 * Moves what may move now. Returns the slots that were taken from their node and wait for a fence before another takes them; what
 * found no room stays where it is.
 */
export function drainMoves(world: World, draft: Draft, placer: Placer): readonly Failure[] {
  const failures: Failure[] = [];
  /** Copies of one service are refused alike. */
  const hopeless = new Set<string>();
  for (const node of sorted(world.drainingNodes))
    for (const id of sorted(world.placementsByNode.get(node) ?? [])) {
      const placement = draft.placement(id);
      if (placement === null || placement.node !== node) continue;
      const service = `${placement.app}/${placement.service}`;
      if (hopeless.has(service) || whyItStays(world, draft, placement) !== null) continue;
      const want = drainWant(world, placement);
      const refusals = want === null ? null : placer.place(want, "all");
      if (want === null || refusals === null) continue;
      if (draft.placement(id) === null) failures.push({ want, refusals });
      else hopeless.add(service);
    }
  return failures;
}

function drainWant(world: World, standing: Placement): Want | null {
  const { workload, slot } = standing;
  const app = world.apps.get(standing.app);
  const service = wantedService(world, standing.app, standing.service);
  const start = app === undefined || service === null ? null : startsElsewhere(world, app, service, standing);
  if (start === null) return null;
  const name = world.nodes.get(standing.node)?.name ?? standing.node;
  const reason = `node ${name} is being drained`;
  return { kind: "drain", workload, app: standing.app, ...start, slot, standing, reason, step: null };
}

/** null: it may move if another node takes it. */
function whyItStays(world: World, draft: Draft, placement: Placement): Stay | null {
  const service = wantedService(world, placement.app, placement.service);
  if (service === null || service.mode.kind === "global") return { kind: "global" };
  if (!isMovable(service)) return { kind: "bound" };
  if (pausedOf(world, placement.app) !== null) return { kind: "paused" };
  if (world.reachability.get(placement.node)?.kind !== "ready") return { kind: "silent" };
  // What is down already, or stopped, takes nothing down by moving.
  if (!placement.intent.run || !isGood(world, placement)) return null;
  return turnOf(world, draft, placement, service, service.mode.replicas);
}

function turnOf(world: World, draft: Draft, placement: Placement, service: ServiceSpec, replicas: number): Stay | null {
  const copies = [...draft.copies(placement.app, placement.service).values()];
  const missing = Math.max(0, replicas - copies.length);
  const bad = copies.filter((copy) => !isGood(world, copy));
  const reachable = bad.filter((copy) => world.reachability.get(copy.node)?.kind === "ready");
  const atOnce = amountOf(service.update.parallelism, replicas);
  if (reachable.length + missing >= atOnce)
    return { kind: "turn", others: reachable.map(({ workload }) => workload).sort(byText) };
  const { budget } = service.rollout;
  if (budget === null) return null;
  const groupOf = ({ node }: Placement): string | null => labelValue(world.nodes.get(node), budget.per);
  const here = groupOf(placement);
  const isHere = (copy: Placement): boolean => groupOf(copy) === here;
  const most = mostDown(budget.maxUnavailable, copies.filter(isHere).length);
  const down = bad.filter(isHere).length + missing;
  return down >= most ? { kind: "budget", down, most } : null;
}

/** Said once, when the last of what may move has left. */
export function drainedEvents(world: World, draft: Draft): readonly Change[] {
  const left = (id: WorkloadId): boolean => {
    const placement = draft.placement(id);
    return placement !== null && placement.node === world.placements.get(id)?.node && isMovableNow(world, placement);
  };
  return sorted(world.drainingNodes).flatMap((node): readonly Change[] => {
    const ids = [...(world.placementsByNode.get(node) ?? [])];
    if (ids.every((id) => draft.touched.get(id) === undefined)) return [];
    const isDrained = mayMoveFrom(world, node) && !ids.some(left);
    return isDrained ? [{ kind: "hub-event", event: { kind: "drained", node } }] : [];
  });
}

/** Nodes being drained that have copies of the services a report is about: what it says may bring their drain on. */
export function drainsWaitingFor(
  world: World,
  { workloads, gone }: Pick<Report, "workloads" | "gone">,
): readonly NodeId[] {
  if (world.drainingNodes.size === 0) return [];
  const services = new Set([...workloads.map(({ id }) => id), ...gone].map(serviceKey));
  if (services.size === 0) return [];
  return sorted(world.drainingNodes).filter((node) =>
    [...(world.placementsByNode.get(node) ?? [])].some((id) => services.has(serviceKey(id))),
  );
}

const serviceKey = (id: WorkloadId): string => id.slice(0, id.lastIndexOf("/"));

/** What is still on a node that is being drained, and why. For showing: each is asked as if it were the only one. */
export function staying(world: World, { id }: Node, now: Millis): readonly { workload: WorkloadId; stay: Stay }[] {
  return sorted(world.placementsByNode.get(id) ?? []).flatMap((workload) => {
    const draft = new Draft(world);
    const placement = draft.placement(workload);
    if (placement === null) return [];
    const stay = whyItStays(world, draft, placement);
    if (stay !== null) return [{ workload, stay }];
    const want = drainWant(world, placement);
    const refusals = want === null ? null : new Placer(world, draft, now).place(want, "all");
    // A fenced one is only asked to go, which is the first half of its move.
    const moves = refusals === null || draft.placement(workload) === null;
    return [{ workload, stay: moves ? { kind: "next" } : { kind: "no-room", refusals } }];
  });
}

/** A month: whoever gives a node longer means no deadline. */
export const MAX_DRAIN_MS = 31 * 24 * 3_600_000;

/** When a drain's deadline comes on this process's monotonic clock, and the deadline by the wall clock that this was taken from. */
export interface DrainEnd {
  readonly deadlineMs: WallMillis;
  readonly atMs: Millis;
}
export type DrainEnds = ReadonlyMap<NodeId, DrainEnd>;

/**
 * The deadlines to come. The wall clock is asked once for each, when it is first seen: at the command, or at the hub's start. Whatever the
 * wall clock does from then on moves none of them, and a start with a wrong one puts none off by more than the longest there is.
 */
export function drainEnds(world: World, known: DrainEnds, wallMs: WallMillis, now: Millis): DrainEnds {
  const ends = new Map<NodeId, DrainEnd>();
  for (const id of sorted(world.drainingNodes)) {
    const node = world.nodes.get(id);
    if (node === undefined || node.drainDeadlineMs === null || node.drainOverMs !== null) continue;
    const { drainDeadlineMs: deadlineMs } = node;
    const before = known.get(id);
    const leftMs = Math.min(Math.max(0, deadlineMs - wallMs), MAX_DRAIN_MS);
    ends.set(id, before?.deadlineMs === deadlineMs ? before : { deadlineMs, atMs: now + leftMs });
  }
  return ends;
}

/** Drains whose deadline has passed: from here on what is left there stands stopped. `wallMs` is for people. */
export function overdueDrains(world: World, ends: DrainEnds, wallMs: WallMillis, now: Millis): readonly Change[] {
  const changes: Change[] = [];
  for (const [id, { atMs }] of ends) {
    const node = world.nodes.get(id);
    if (node === undefined || atMs > now) continue;
    const what = "the drain's deadline has passed: what could not move is stopped until it is uncordoned";
    changes.push(
      { kind: "node-set", node: { ...node, drainOverMs: wallMs } },
      { kind: "hub-event", event: { kind: "node-changed", node: id, what, by: "hub" } },
      { kind: "dirty", apps: [], nodes: [id] },
    );
  }
  return changes;
}

/** The next deadline to come; null: none. */
export function nextDrainEndMs(ends: DrainEnds): Millis | null {
  const times = [...ends.values()].map(({ atMs }) => atMs);
  return times.length === 0 ? null : Math.min(...times);
}
