// Judging: which leases have ended by now, and when to look next. Pure. One look over all nodes when something is due, none else.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Change } from "./change.ts";
import { comeBackMs, judgeAtMs, stoppedByMs } from "./liveness.ts";
import { sorted } from "./lookup.ts";
import { dueToMoveMs } from "./wants.ts";
import type { Reachability, World } from "./world.ts";

/**
 * Woken later than this after something was due, the hub itself was asleep or stuck: what nodes said meanwhile is still unread, so
 * every lease counts anew from now.
 */
export const HUB_STALL_MS = 2_000;

export interface Judgement {
  /** The World with its reachability as of now. */
  readonly seen: World;
  readonly changes: readonly Change[];
  /** Nodes judged unreachable just now. */
  readonly lost: readonly NodeId[];
  /** Nodes about which something changed, these included. */
  readonly changed: ReadonlySet<NodeId>;
  /** Every node was looked at. */
  readonly scanned: boolean;
  readonly brakeWasOn: boolean;
}

/** null: nothing is dirty and nothing is due. */
export function judge(world: World, now: Millis): Judgement | null {
  const due = world.dueMs !== null && now >= world.dueMs;
  const scanned = due || !world.decidedOnce;
  const isDirty = world.dirtyApps.size > 0 || world.dirtyNodes.size > 0 || world.dirtyRollouts.size > 0;
  if (!scanned && !isDirty) return null;
  const stalled = world.dueMs !== null && now - world.dueMs > HUB_STALL_MS;
  const listening: World = stalled ? { ...world, listeningSinceMs: now } : world;
  const lost = scanned && !stalled ? endedLeases(world, now) : [];
  const news = new Map<NodeId, Reachability>();
  for (const id of sorted(world.dirtyNodes))
    if (world.nodes.has(id) && !world.reachability.has(id)) news.set(id, awaited(world, id, now));
  for (const id of stalled ? sorted(world.nodes.keys()) : [])
    if (world.reachability.get(id)?.kind === "awaited") news.set(id, awaited(world, id, now));
  for (const id of lost) news.set(id, { kind: "unreachable", lastHeardMs: lastHeardMs(world, id), sinceMs: now });
  const reachability = news.size === 0 ? world.reachability : new Map([...world.reachability, ...news]);
  const changes: Change[] = [...news].map(([node, state]) => ({ kind: "reachability-set", node, reachability: state }));
  for (const node of lost) changes.push({ kind: "hub-event", event: unreachableEvent(world, node, now) });
  if (stalled) changes.push(...doubted(world));
  const existing = sorted(world.dirtyNodes).filter((id) => world.nodes.has(id));
  return {
    seen: { ...listening, reachability },
    changes,
    lost,
    changed: new Set([...existing, ...lost]),
    scanned,
    brakeWasOn: world.brake !== null,
  };
}

/** Nobody's earlier word is shown as how things are: whoever fell silent in the pause looks like all others. */
const doubted = (world: World): readonly Change[] =>
  sorted(world.observations.keys())
    .filter((node) => world.observations.get(node)?.word.kind === "current")
    .map((node) => ({ kind: "word-set", node, word: { kind: "awaits-word" } }));

const awaited = (world: World, id: NodeId, now: Millis): Reachability => ({
  kind: "awaited",
  judgeAfterMs: now + comeBackMs(world, id),
});

function endedLeases(world: World, now: Millis): readonly NodeId[] {
  const ended: NodeId[] = [];
  for (const id of world.nodes.keys()) {
    const at = judgeAtMs(world, id);
    if (at !== null && at <= now) ended.push(id);
  }
  return sorted(ended);
}

function lastHeardMs(world: World, id: NodeId): Millis | null {
  const reachability = world.reachability.get(id);
  return reachability?.kind === "ready" ? reachability.lastHeardMs : null;
}

function unreachableEvent(world: World, node: NodeId, now: Millis) {
  const heard = lastHeardMs(world, node);
  return { kind: "node-unreachable", node, silentForMs: heard === null ? null : now - heard } as const;
}

/**
 * The earliest moment after `now` at which time alone changes something. After a look over all nodes it is exact; else it can only
 * come nearer, by what the nodes in `touched` bring.
 */
export function nextDueMs(
  seen: World,
  now: Millis,
  { scanned }: Pick<Judgement, "scanned">,
  touched: ReadonlySet<NodeId>,
  others: readonly Millis[],
): Millis | null {
  let next: Millis | null = scanned ? null : seen.dueMs;
  const add = (at: Millis | null): void => {
    if (at !== null && at > now && (next === null || at < next)) next = at;
  };
  for (const node of scanned ? seen.nodes.keys() : touched) {
    add(judgeAtMs(seen, node));
    if (seen.reachability.get(node)?.kind !== "unreachable") continue;
    for (const id of seen.placementsByNode.get(node) ?? []) {
      const placement = seen.placements.get(id);
      if (placement !== undefined) add(dueToMoveMs(seen, placement));
    }
  }
  if (scanned) for (const at of fenceEnds(seen)) add(at);
  for (const at of others) add(at);
  return next;
}

/** Slots that waited before, and copies on machines that are no longer nodes. */
function fenceEnds(seen: World): readonly (Millis | null)[] {
  const ends: (Millis | null)[] = [];
  for (const { refusals } of seen.unplaced.values())
    for (const refusal of refusals) if (refusal.kind === "fence-wait") ends.push(refusal.untilMs);
  for (const [node, tombstones] of seen.tombstonesByNode)
    if (!seen.nodes.has(node)) for (const tombstone of tombstones) ends.push(stoppedByMs(seen, tombstone));
  return ends;
}
