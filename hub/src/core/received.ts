// What a node said, as changes. Pure. Nothing a node says can raise a position, or touch another node.

import type { Position } from "@skerry/shared/model/assignment.ts";
import { comparePositions } from "@skerry/shared/model/assignment-hash.ts";
import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import type { OutboxItem } from "@skerry/shared/model/event.ts";
import type { NodeId } from "@skerry/shared/model/ids.ts";
import type { Report } from "@skerry/shared/model/report.ts";
import type { Hello, ToHub } from "@skerry/shared/protocol/to-hub.ts";
import type { NeedValues } from "@skerry/shared/protocol/values.ts";
import { MAX_WORKLOADS_PER_NODE } from "@skerry/shared/protocol/version.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { err, ok, type Result } from "@skerry/shared/runtime/result.ts";
import type { Change } from "./change.ts";
import { drainsWaitingFor } from "./drain.ts";
import { keyShown, nextKeyNamed, PRESENT_KEY, type ShownKey } from "./key-roll.ts";
import { frozen, lineageAfter, marked } from "./lineage.ts";
import { isAfterPause, leaseMs } from "./liveness.ts";
import { notBound } from "./node-door.ts";
import { gateChanges } from "./rollout/gates.ts";
import { pressureAmong, pressureOf } from "./schedule.ts";
import type { Node, World } from "./world.ts";

/** What a node may list: what it should run, as much again that is on its way out, and no more. */
const MAX_REPORTED_WORKLOADS = 2 * MAX_WORKLOADS_PER_NODE;
/** Ports that are held on one machine, told for scheduling. More are a fault or an attack. */
const MAX_REPORTED_PORTS = 2_048;
const MAX_REPORTED_CONDITIONS = 64;

type Frame = Exclude<ToHub, Hello | NeedValues | { readonly type: "pins-kept" }>;

/** A frame of an authenticated connection. An error is a plain sentence: close the connection with `CLOSE.protocolError`. */
export function received(world: World, id: NodeId, frame: Frame, now: Millis): Result<readonly Change[], string> {
  const node = world.nodes.get(id);
  if (node === undefined) return err(`node ${id} is not known here`);
  const foreign = notBound(node, frame);
  if (foreign !== null) return err(foreign);
  const said = contentChanges(world, node, frame, now);
  return said.ok ? ok([...heardChanges(world, node, now), ...wordChanges(world, node, now), ...said.value]) : said;
}

/** After a pause of the hub any new word will do: on one connection nothing overtakes, so a change would have been told before it. */
function wordChanges(world: World, { id }: Node, now: Millis): readonly Change[] {
  const waits = world.observations.get(id)?.word.kind === "awaits-word" && isAfterPause(world, now);
  return waits ? [{ kind: "word-set", node: id, word: { kind: "current" } }] : [];
}

function contentChanges(world: World, node: Node, frame: Frame, now: Millis): Result<readonly Change[], string> {
  switch (frame.type) {
    case "beat":
    case "need-whole":
      return ok([]);
    case "marked":
      return ok(marked(node, frame.mark));
    case "next-key":
      return nextKeyNamed(world, node, frame.publicKey);
    case "accepted":
      return accepted(world, node, frame.position, now);
    case "refused":
      return ok(refused(node, frame));
    case "report":
      return reported(world, node, frame.report, now);
    case "events":
      return ok(eventChanges(node, frame.items));
    default:
      return assertNever(frame);
  }
}

/** A word renews the lease; the first one after a silence makes the node ready. */
function heardChanges(world: World, { id }: Node, now: Millis): readonly Change[] {
  const before = world.reachability.get(id);
  return before?.kind === "ready" ? [{ kind: "heard", node: id, atMs: now }] : readyChanges(world, id, now);
}

function readyChanges(world: World, id: NodeId, now: Millis): readonly Change[] {
  const before = world.reachability.get(id);
  const changes: Change[] = [
    {
      kind: "reachability-set",
      node: id,
      reachability: { kind: "ready", lastHeardMs: now, connected: true, leaseMs: leaseMs(world, id) },
    },
    { kind: "dirty", apps: [], nodes: [id] },
  ];
  if (before?.kind === "unreachable") {
    const silentForMs = before.lastHeardMs === null ? null : now - before.lastHeardMs;
    changes.push({ kind: "hub-event", event: { kind: "node-ready", node: id, silentForMs } });
  }
  return changes;
}

/**
 * After its signature was checked. `hashMatches`: whether `have.hash` is the hash of the assignment that the hub would send at that
 * position; null: not compared, as the positions differ. A node that holds a newer position than was ever given out (an older database
 * was restored) is not believed and not punished: it refuses what it gets, and that is shown. `freshMark`: 16 random bytes as hex, for a
 * new run of its agent. `shown`: the key that it was signed by.
 */
export function greeted(
  world: World,
  hello: Pick<Hello, "node" | "have" | "mark" | "runId">,
  hashMatches: boolean | null,
  now: Millis,
  freshMark: string,
  shown: ShownKey = PRESENT_KEY,
): Result<readonly Change[], string> {
  const node = world.nodes.get(hello.node);
  if (node === undefined) return err(`node ${hello.node} is not known here`);
  const lineage = node.standing === "frozen" ? null : lineageAfter(node.lineage, hello, freshMark);
  // It was not heard: nobody knows which of the two this is.
  if (lineage === null) return ok(frozen(world, node.id));
  const key = keyShown(world, node, shown);
  if (!key.ok) return key;
  const { keyRoll } = key.value;
  const position = hello.have?.position ?? null;
  const believed =
    position === null || (hashMatches !== false && comparePositions(position, node.assigned) <= 0)
      ? position
      : node.accepted;
  const changes: Change[] = [
    ...readyChanges(world, node.id, now),
    ...key.value.changes,
    { kind: "word-set", node: node.id, word: { kind: "awaits-report", sinceMs: now } },
  ];
  // What it refused before it has taken since, and its word for that was lost on the way.
  const current = believed !== null && comparePositions(believed, node.assigned) === 0;
  const refusal = current ? null : node.refusal;
  const moved = canonicalJson(believed) !== canonicalJson(node.accepted) || refusal !== node.refusal;
  if (moved || lineage !== node.lineage || keyRoll !== node.keyRoll)
    changes.push({ kind: "node-set", node: { ...node, accepted: believed, refusal, lineage, keyRoll } });
  return ok(changes);
}

/** The connection is gone; the lease runs on. */
export function disconnected(world: World, node: NodeId): readonly Change[] {
  const before = world.reachability.get(node);
  if (before?.kind !== "ready" || !before.connected) return [];
  return [{ kind: "reachability-set", node, reachability: { ...before, connected: false } }];
}

/** Durable on the node. A position that was never given out is a lie, or another hub's. */
function accepted(world: World, node: Node, position: Position, now: Millis): Result<readonly Change[], string> {
  if (position.epoch > node.assigned.epoch || comparePositions(position, node.assigned) > 0)
    return err(
      `accepted epoch ${position.epoch} generation ${position.generation}, which was never assigned: the newest is ` +
        `epoch ${node.assigned.epoch} generation ${node.assigned.generation}`,
    );
  if (node.accepted !== null && comparePositions(position, node.accepted) < 0) return ok([]);
  const current = comparePositions(position, node.assigned) === 0;
  const changes: Change[] = [];
  if (node.refusal !== null || node.accepted === null || comparePositions(position, node.accepted) !== 0)
    changes.push({ kind: "node-set", node: { ...node, accepted: position, refusal: current ? null : node.refusal } });
  // From here on the node keeps the pace that its newest assignment asks for, and what waits for this is looked at.
  const reachability = world.reachability.get(node.id);
  if (current && reachability?.kind === "ready")
    changes.push({
      kind: "reachability-set",
      node: node.id,
      reachability: { ...reachability, lastHeardMs: now, leaseMs: leaseMs(world, node.id) },
    });
  if (changes.length > 0) changes.push({ kind: "dirty", apps: [], nodes: [node.id] });
  return ok(changes);
}

function refused(node: Node, frame: Extract<Frame, { readonly type: "refused" }>): readonly Change[] {
  // Of what was overtaken by a newer position nothing follows.
  if (comparePositions(frame.position, node.assigned) !== 0) return [];
  const { reason, message } = frame;
  if (node.refusal?.reason === reason && node.refusal.message === message) return [];
  return [
    { kind: "node-set", node: { ...node, refusal: { reason, message } } },
    { kind: "hub-event", event: { kind: "assignment-refused", node: node.id, reason, message } },
  ];
}

function reported(world: World, node: Node, report: Report, now: Millis): Result<readonly Change[], string> {
  const known = report.whole ? 0 : (world.observations.get(node.id)?.workloads.size ?? 0);
  const listed = known + report.workloads.length;
  // A partial report mostly repeats ids that are known; only those that are not make it longer.
  if (
    report.workloads.length > MAX_REPORTED_WORKLOADS ||
    (listed > MAX_REPORTED_WORKLOADS && grows(world, node, report))
  )
    return err(`reported more than ${MAX_REPORTED_WORKLOADS} workloads`);
  if ((report.ports?.length ?? 0) > MAX_REPORTED_PORTS) return err(`reported more than ${MAX_REPORTED_PORTS} ports`);
  if ((report.conditions?.length ?? 0) > MAX_REPORTED_CONDITIONS)
    return err(`reported more than ${MAX_REPORTED_CONDITIONS} conditions`);
  const changes: Change[] = [];
  const newFacts = report.facts !== null && canonicalJson(report.facts) !== canonicalJson(node.facts);
  if (newFacts) changes.push({ kind: "node-set", node: { ...node, facts: report.facts } });
  changes.push({ kind: "observed", node: node.id, report, atMs: now });
  if (
    newFacts ||
    foreignPortsChanged(world, node, report) ||
    pressureTurned(world, node, report) ||
    world.tombstonesByNode.has(node.id)
  )
    changes.push({ kind: "dirty", apps: [], nodes: [node.id] });
  changes.push(...gateChanges(world, node.id, report));
  const drains = drainsWaitingFor(world, report);
  if (drains.length > 0) changes.push({ kind: "dirty", apps: [], nodes: drains });
  return ok(changes);
}

function grows(world: World, { id }: Node, { workloads, gone }: Report): boolean {
  const known = new Set(world.observations.get(id)?.workloads.keys() ?? []);
  for (const workload of gone) known.delete(workload);
  for (const workload of workloads) known.add(workload.id);
  return known.size > MAX_REPORTED_WORKLOADS;
}

/** New work is kept away from it, or may come again. */
function pressureTurned(world: World, { id }: Node, { conditions }: Report): boolean {
  return conditions !== null && pressureAmong(conditions) !== pressureOf(world, id);
}

function foreignPortsChanged(world: World, { id }: Node, { ports }: Report): boolean {
  if (ports === null) return false;
  const before = world.observations.get(id)?.ports ?? [];
  return (
    canonicalJson(before.filter(({ managed }) => !managed)) !== canonicalJson(ports.filter(({ managed }) => !managed))
  );
}

/** Each at least once on the wire, once in the store: what is not newer than the last acknowledged one was here before. */
function eventChanges(node: Node, items: readonly OutboxItem[]): readonly Change[] {
  const fresh: OutboxItem[] = [];
  let last = node.eventsAcked;
  for (const item of items) {
    if (item.seq <= last) continue;
    fresh.push(item);
    last = item.seq;
  }
  if (fresh.length === 0) return [];
  return [
    { kind: "node-events", node: node.id, items: fresh },
    { kind: "node-set", node: { ...node, eventsAcked: last } },
  ];
}
