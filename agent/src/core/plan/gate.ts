// Gate: whether a wanted spec has shown itself good on this node. The node alone judges, by its monotonic clock, with or without a
// hub. What there is nothing to go back from never fails: it stays open until it passes. Pure.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { NodeEvent } from "@skerry/shared/model/event.ts";
import type { Gate, WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { GateMemory, WorkloadMemory } from "../memory.ts";
import type { OwnContainer } from "../observed.ts";
import { freshMemory, runKey } from "../remember.ts";
import { stableRunMs } from "../retry.ts";
import { atLeast, atMost, NOTHING_SPENT, runOn, type SpentMoment, spentAt, standStill } from "../spent.ts";
import type { Case, Decision } from "./decision.ts";
import { type Existing, hasRun, matches } from "./existing.ts";
import { leaseOf } from "./fence.ts";
import { type HeldBack, leaseLeft } from "./held-back.ts";
import { credentialObstacle, isQueued, PULL_TURN } from "./images.ts";
import { imageLaneKey, type PlanContext } from "./scene.ts";
import { gateOf, previousOf } from "./target.ts";

/** A start that an engine refuses three times (no such command, no such device) is not going to work in the fourth. */
const HOPELESS_STARTS = 3;
/** A link that was lost for less is taken for a hiccup, or an agent's own start. */
const LINK_LOST_MS = 30_000;

export interface Judging {
  readonly wanted: Workload;
  readonly existing: Existing;
  readonly memory: WorkloadMemory;
  readonly held: HeldBack | null;
  /** What this look has counted: an end of a run, for one. */
  readonly counted: readonly NodeEvent[];
  readonly context: PlanContext;
  readonly now: Millis;
}

export interface Judged {
  readonly memory: WorkloadMemory;
  readonly events: readonly NodeEvent[];
  readonly wakeAtMs: Millis | null;
}

/**
 * What is remembered, as far as it still holds: a verdict ends when another hash is wanted, so that whatever returns is judged anew. With
 * nothing remembered (the ledger was lost) the containers tell: the last good one is kept until its successor has passed, so one that
 * has run and stands without it has passed.
 */
export function recalled(
  wanted: Workload,
  own: readonly OwnContainer[],
  remembered: WorkloadMemory | undefined,
): WorkloadMemory | undefined {
  if (remembered !== undefined) {
    const holds = remembered.gate === null || remembered.gate.specHash === wanted.specHash;
    return holds ? remembered : { ...remembered, gate: null };
  }
  const previous = previousOf(wanted);
  const stands = own.some((one) => matches(wanted, one) && hasRun(one));
  if (previous === null || !stands || own.some(({ specHash }) => specHash === previous.specHash)) return undefined;
  return { ...freshMemory(wanted.specHash), gate: { ...gateOf(undefined, wanted), verdict: { kind: "passed" } } };
}

export function judge(one: Judging): Judged {
  const gate = gateOf(one.memory, one.wanted);
  if (gate.verdict.kind === "passed" || isReverted(gate)) return { memory: one.memory, events: [], wakeAtMs: null };
  const timed = withTimes(one, gate);
  const since = timed.good === null ? null : timed.good.atMs + neededMs(one, timed);
  if (one.memory.ended?.kind === "completed" || (since !== null && since <= one.now)) return pass(one, timed);
  if (gate.verdict.kind === "failed") return linger(one, timed, gate.verdict.reason);
  const reason = failureOf(one, timed);
  if (reason !== null) return fail(one, timed, reason);
  const deadlineMs = deadlineLeftMs(one, timed);
  const wakes = [since, deadlineMs === null ? null : one.now + deadlineMs].filter((at) => at !== null);
  return { ...kept(one, timed), wakeAtMs: wakes.length === 0 ? null : Math.min(...wakes) };
}

const isReverted = ({ verdict }: GateMemory): boolean => verdict.kind === "failed" && verdict.revertedTo !== null;

/** Nothing is written for a gate that is as it begins. */
function kept(one: Judging, gate: GateMemory): Judged {
  const before = gateOf(one.memory, one.wanted);
  const memory = JSON.stringify(before) === JSON.stringify(gate) ? one.memory : { ...one.memory, gate };
  return { memory, events: holdEvents(one, before, gate), wakeAtMs: null };
}

// ---- good, and the times

function withTimes(one: Judging, gate: GateMemory): GateMemory {
  const moment = momentOf(one);
  const heldMoment = atMost(moment.bootId, moment.now);
  const counts = previousOf(one.wanted) !== null && !standsStill(one);
  const heldNow = one.held?.waits === "hold";
  const lease = one.context.holds.get(one.wanted.id);
  return {
    ...gate,
    good: goodSince(one, gate),
    own: counts ? runOn(gate.own, moment) : standStill(gate.own, moment),
    held: heldNow ? runOn(gate.held, heldMoment) : standStill(gate.held, heldMoment),
    heldBy: heldNow
      ? (lease?.owner ?? gate.heldBy)
      : one.held === null
        ? null
        : lease === undefined
          ? null
          : gate.heldBy,
  };
}

const momentOf = ({ context, now }: Judging): SpentMoment => atLeast(context.bootId, now, context.unbrokenSinceMs);

/** Not its own time: held back, stopped, fenced, or while its image comes (a pull that is silent for long fails). */
function standsStill({ held, wanted, context, now }: Judging): boolean {
  const pull = imageLaneKey(wanted.spec.image, wanted.spec.platform);
  return held !== null || !wanted.intent.run || context.busy.has(pull) || leaseOf({ context, now }, wanted) === 0;
}

function goodSince(one: Judging, gate: GateMemory): GateMemory["good"] {
  const own = one.existing.matching;
  if (own === null || !isGood(own, one)) return null;
  const { bootId } = one.context;
  const run = runKey(own.details);
  if (gate.good !== null && gate.good.bootId === bootId && gate.good.run === run) return gate.good;
  // What no check looks at is good from its start on.
  const unchecked = own.summary.health === "none" && !one.context.readiness.has(one.wanted.id);
  return { bootId, run, atMs: unchecked ? own.sinceMs : one.now };
}

function isGood({ summary }: OwnContainer, { context, wanted }: Judging): boolean {
  if (!wanted.intent.run || summary.status !== "running") return false;
  if (summary.health !== "none" && summary.health !== "healthy") return false;
  const probed = context.readiness.get(wanted.id);
  return probed === undefined || (probed.ready && probed.startupDone && probed.alive);
}

/** One that failed and goes on must show more than that it starts. */
function neededMs({ wanted }: Judging, { verdict }: GateMemory): number {
  const { monitorMs } = wanted.changeOver;
  return verdict.kind === "failed" ? Math.max(monitorMs, stableRunMs(wanted.spec.restart)) : monitorMs;
}

// ---- verdicts

function pass(one: Judging, gate: GateMemory): Judged {
  const { id, revision } = one.wanted;
  const settled = { own: NOTHING_SPENT, good: null, held: NOTHING_SPENT, heldBy: null };
  const memory: WorkloadMemory = { ...one.memory, gate: { ...gate, ...settled, verdict: { kind: "passed" } } };
  const events: NodeEvent[] = previousOf(one.wanted) === null ? [] : [{ kind: "gate-passed", workload: id, revision }];
  return { memory, events, wakeAtMs: null };
}

function fail(one: Judging, gate: GateMemory, reason: string): Judged {
  const { id, revision } = one.wanted;
  const failed: NodeEvent = { kind: "gate-failed", workload: id, revision, reason };
  const next = linger(one, gate, reason);
  return { ...next, events: [failed, ...next.events] };
}

/** What a failed one does: back to the last good one, or on as it is. */
function linger(one: Judging, gate: GateMemory, reason: string): Judged {
  const { id, revision, changeOver } = one.wanted;
  const { context, now } = one;
  const previous = previousOf(one.wanted);
  const lostAtMs = context.link.connected ? null : context.link.changedAtMs + LINK_LOST_MS;
  const back =
    changeOver.onFailure === "revert" || (changeOver.onFailure === "wait" && lostAtMs !== null && lostAtMs <= now);
  const settled = { own: NOTHING_SPENT, held: NOTHING_SPENT, heldBy: null };
  if (previous === null || !back) {
    const on = kept(one, { ...gate, ...settled, verdict: { kind: "failed", reason, revertedTo: null } });
    const good =
      gate.good === null
        ? null
        : gate.good.atMs + neededMs(one, { ...gate, verdict: { kind: "failed", reason, revertedTo: null } });
    const waits = [good, changeOver.onFailure === "wait" ? lostAtMs : null].filter((at) => at !== null && at > now);
    return { ...on, wakeAtMs: waits.length === 0 ? null : Math.min(...waits.map(Number)) };
  }
  const verdict = { kind: "failed", reason, revertedTo: previous } as const;
  const reverted: NodeEvent = { kind: "reverted", workload: id, from: revision, to: previous.revision, reason };
  const memory = { ...one.memory, gate: { ...gate, ...settled, good: null, verdict } };
  return { memory, events: [reverted], wakeAtMs: null };
}

/** null: it has not failed. */
function failureOf(one: Judging, gate: GateMemory): string | null {
  if (previousOf(one.wanted) === null || !one.wanted.intent.run) return null;
  return endOf(one) ?? illnessOf(one) ?? hopeless(one) ?? overdue(one, gate);
}

/**
 * An end that was found at the first look after a break may be the engine's, the machine's or our own doing: it is healed, and only
 * the next one counts.
 */
function endOf({ counted, context, now }: Judging): string | null {
  if (context.unbrokenSinceMs >= now) return null;
  for (const event of counted) {
    if (event.kind === "container-exited") return event.words;
  }
  return null;
}

function illnessOf({ existing, context, wanted }: Judging): string | null {
  const own = existing.matching;
  if (own === null || own.summary.status !== "running") return null;
  if (own.summary.health === "unhealthy")
    return `unhealthy: ${own.details.healthOutput.trim() || "its health check fails and says nothing"}`;
  const probed = context.readiness.get(wanted.id);
  return probed === undefined || probed.alive ? null : probed.reason;
}

const NOT_TO_BE_HAD: ReadonlySet<string> = new Set(["not-found", "unauthorised", "wrong-architecture", "too-big"]);

/** What no further try will mend. */
function hopeless({ memory }: Judging): string | null {
  if (memory.ended?.kind === "failed") return memory.ended.reason;
  // A registry that is away may come back: that is left to the deadline.
  if (memory.pullFailure !== null && NOT_TO_BE_HAD.has(memory.pullFailure)) return memory.reason;
  const starts = memory.during === "start" && memory.failures >= HOPELESS_STARTS;
  return starts ? `it could not be started ${memory.failures} times: ${memory.reason}` : null;
}

function overdue(one: Judging, gate: GateMemory): string | null {
  if (deadlineLeftMs(one, gate) !== 0) return null;
  const seconds = Math.round(one.wanted.changeOver.deadlineMs / 1_000);
  const last = one.memory.reason === "" ? "" : `; last: ${one.memory.reason}`;
  return `it was not good within its deadline of ${seconds} s${last}`;
}

/** null: its deadline does not run. */
function deadlineLeftMs(one: Judging, { own }: GateMemory): number | null {
  if (own.since === null) return null;
  return Math.max(0, one.wanted.changeOver.deadlineMs - spentAt(own, momentOf(one)));
}

// ---- holds, told

function holdEvents(one: Judging, before: GateMemory, after: GateMemory): readonly NodeEvent[] {
  if (before.heldBy === after.heldBy) return [];
  const { id: workload } = one.wanted;
  const lease = leaseLeft(one, one.wanted, one.memory);
  const events: NodeEvent[] = [];
  if (before.heldBy !== null) events.push({ kind: "hold-ended", workload, owner: before.heldBy, how: howEnded(one) });
  if (after.heldBy !== null && lease !== null) {
    events.push({ kind: "held", workload, owner: after.heldBy, reason: lease.reason, forMs: lease.leftMs });
  }
  return events;
}

function howEnded({ wanted, context, now }: Judging): string {
  if (wanted.changeOver.force) return "overridden with --force";
  if ((context.holds.get(wanted.id)?.endsAtMs ?? 0) > now) return "it has held this update for as long as it may";
  return "given back, or its time is up";
}

// ---- as shown

export function gateStatus(one: Case, decision: Decision): Pick<WorkloadStatus, "gate" | "gateFor" | "hold"> {
  const gate = gateOf(decision.memory, one.wanted);
  const lease = leaseLeft(one.scene, one.wanted, decision.memory);
  return {
    gate: shownGate(one, decision, gate),
    gateFor: { specHash: gate.specHash, attempt: gate.attempt },
    hold: lease === null ? null : { owner: lease.owner, reason: lease.reason, leftMs: lease.leftMs },
  };
}

function shownGate(one: Case, decision: Decision, { verdict }: GateMemory): Gate {
  switch (verdict.kind) {
    case "passed":
      return { kind: "passed" };
    case "failed":
      return { kind: "failed", reason: verdict.reason, reverted: verdict.revertedTo !== null };
    case "open":
      return { kind: "open", ...waitsOf(one, decision) };
  }
}

function waitsOf(
  one: Case,
  { pull, state, memory }: Decision,
): Pick<Extract<Gate, { kind: "open" }>, "waits" | "reason"> {
  const { held, wanted, existing, scene } = one;
  if (!wanted.intent.run) return { waits: "other", reason: "it is stopped: start it" };
  if (held !== null) return { waits: held.waits, reason: held.reason };
  // What the last try failed of is the news, also while it is tried again.
  if (memory.pullFailure !== null && (pull || memory.nextTry !== null))
    return { waits: "image", reason: memory.reason };
  const absentCredential = pull ? credentialObstacle(scene, wanted) : null;
  if (absentCredential !== null) return { waits: "image", reason: absentCredential };
  if (pull) return { waits: "image", reason: isQueued(scene, wanted) ? PULL_TURN : `pulls ${wanted.spec.image}` };
  const own = existing.matching;
  if (own?.summary.status === "running") {
    const probed = scene.context.readiness.get(wanted.id);
    const seconds = Math.round(wanted.changeOver.monitorMs / 1_000);
    if (probed !== undefined && !probed.ready) return { waits: "health", reason: probed.reason };
    return { waits: "health", reason: `must be good for ${seconds} s without a break` };
  }
  return {
    waits: "start",
    reason: state.kind === "waiting" || state.kind === "backing-off" ? state.reason : "is being started",
  };
}
