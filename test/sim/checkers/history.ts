// Checkers over a finished history: orders that must rise, things that must never happen at any moment. Each gives what it found.
import type { HubEvent } from "@skerry/hub/core/change.ts";
import type { Store } from "@skerry/hub/store/store.ts";
import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import type { History, Interval, Violation } from "../history.ts";

const at = (position: { epoch: number; generation: number }): string => `${position.epoch}.${position.generation}`;

/** [I1] What was acknowledged is there. */
export function ackedIsDurable(history: History, store: Store): readonly Violation[] {
  return history.acked.flatMap(({ atMs, command, outcome }) => {
    if (command.kind !== "apply-app" || outcome.kind !== "app-applied") return [];
    const stored = store.revision(outcome.app, outcome.revision);
    const same = stored !== null && canonicalJson(stored.spec) === canonicalJson(command.spec);
    if (same) return [];
    const what = `revision ${outcome.revision} of ${outcome.app}`;
    return [
      {
        invariant: "I1",
        atMs,
        message: `${what} was acknowledged, and the store has ${stored === null ? "nothing" : "another"}`,
      },
    ];
  });
}

/** [I3] The hub's own numbers only rise, and none means two things. */
export function hubOrder(history: History): readonly Violation[] {
  const found: Violation[] = [];
  const assigned = new Map<string, { epoch: number; generation: number }>();
  const revisions = new Map<string, string>();
  const newest = new Map<string, number>();
  const say = (atMs: number, message: string): number => found.push({ invariant: "I3", atMs, message });
  for (const { atMs, commit } of history.commits) {
    for (const change of commit.changes) {
      if (change.kind === "node-removed") assigned.delete(change.node);
      if (change.kind === "node-set") {
        const { id, assigned: now } = change.node;
        const before = assigned.get(id);
        const back =
          before !== undefined &&
          (now.epoch < before.epoch || (now.epoch === before.epoch && now.generation < before.generation));
        if (back) say(atMs, `node ${id} goes back from ${at(before)} to ${at(now)}`);
        assigned.set(id, now);
      }
      if (change.kind !== "app-set") continue;
      const { name, revision, spec } = change.app;
      const key = `${name}@${revision}`;
      const text = canonicalJson(spec);
      if ((revisions.get(key) ?? text) !== text) say(atMs, `${key} means two things`);
      if (revision < (newest.get(name) ?? 0)) say(atMs, `${name} goes back to revision ${revision}`);
      revisions.set(key, text);
      newest.set(name, Math.max(revision, newest.get(name) ?? 0));
    }
  }
  const offers = new Map<string, string>();
  for (const { atMs, node, position, hash } of history.offered) {
    const key = `${node} ${position}`;
    if ((offers.get(key) ?? hash) !== hash) say(atMs, `position ${position} was given to ${node} with two contents`);
    offers.set(key, hash);
  }
  return found;
}

/** [I4] What a node holds never goes back; [I5] it is something that the hub gave to this node. */
export function nodeOrder(history: History): readonly Violation[] {
  const found: Violation[] = [];
  const held = new Map<string, { epoch: number; generation: number }>();
  const offered = new Set(history.offered.map(({ node, position, hash }) => `${node} ${position} ${hash}`));
  for (const { atMs, node, changes } of history.ledgerCommits) {
    for (const change of changes) {
      if (change.kind !== "assignment") continue;
      const { position, hash, node: id } = change.assignment;
      const before = held.get(node);
      const forward =
        before === undefined ||
        position.epoch > before.epoch ||
        (position.epoch === before.epoch && position.generation > before.generation);
      // The same one again is how a lost ledger is filled.
      const same = before !== undefined && at(before) === at(position);
      if (!forward && !same) {
        found.push({
          invariant: "I4",
          atMs,
          message: `${node} goes back from ${at(before ?? position)} to ${at(position)}`,
        });
      }
      if (!offered.has(`${id} ${at(position)} ${hash}`)) {
        found.push({ invariant: "I5", atMs, message: `${node} accepted ${at(position)}, which was never given to it` });
      }
      held.set(node, position);
    }
  }
  return found;
}

/** Whether the agent or engine of a node could not do its part at some moment between two times. */
export type Impaired = (node: string, fromMs: number, untilMs: number) => boolean;
/** The longest time that a fence may take to act: the longest `after` of a seed, grace, margin, and the clocks' one per cent. */
const FENCE_REACH_MS = 60_000;

/** [I16] At most one copy of a fenced workload runs at any moment, as long as agents and engines do their part. Tokens rise with each move. */
export function atMostOne(history: History, impaired: Impaired): readonly Violation[] {
  const found: Violation[] = [];
  const byWorkload = new Map<string, Interval[]>();
  for (const one of history.intervals) {
    if (one.workload === null || one.fencingToken === null) continue;
    byWorkload.set(one.workload, [...(byWorkload.get(one.workload) ?? []), one]);
  }
  for (const [workload, runs] of byWorkload) {
    const byStart = [...runs].sort((a, b) => a.sinceMs - b.sinceMs);
    for (const [index, older] of byStart.entries()) {
      for (const newer of byStart.slice(index + 1)) {
        const overlap = older.untilMs === null || older.untilMs > newer.sinceMs;
        if (!overlap || impaired(older.node, newer.sinceMs - FENCE_REACH_MS, newer.sinceMs)) continue;
        const message = `${workload} runs on ${older.node} (token ${older.fencingToken}) and from ${Math.round(newer.sinceMs)} on ${newer.node} (token ${newer.fencingToken})`;
        found.push({ invariant: "I16", atMs: newer.sinceMs, message });
      }
    }
    for (const [index, run] of byStart.entries()) {
      const before = byStart[index - 1];
      if (before === undefined || before.node === run.node) continue;
      if (Number(before.fencingToken) < Number(run.fencingToken)) continue;
      if (
        impaired(before.node, before.sinceMs - FENCE_REACH_MS, run.sinceMs) ||
        impaired(run.node, run.sinceMs - FENCE_REACH_MS, run.sinceMs)
      )
        continue;
      found.push({
        invariant: "I16",
        atMs: run.sinceMs,
        message: `${workload} moved from ${before.node} to ${run.node} without a newer token`,
      });
    }
  }
  return found;
}

/** No hub of one database refuses its own, and no machine here is a copy of another: such an alarm is a false one. */
export function noFalseAlarms(history: History): readonly Violation[] {
  return history.commits.flatMap(({ atMs, commit }) =>
    commit.changes.flatMap((change) => {
      if (change.kind !== "hub-event") return [];
      const { event } = change;
      const refused = event.kind === "assignment-refused" && event.reason !== "not-durable";
      if (!refused && event.kind !== "clone-detected") return [];
      return [{ invariant: "bug", atMs, message: `false alarm: ${JSON.stringify(event)}` }];
    }),
  );
}

/** [I14] No call of an agent ever changed something that it did not make. */
export function handsOff(history: History): readonly Violation[] {
  return history.mutations
    .filter(({ target }) => target !== null && target.madeBy !== "agent")
    .map(({ atMs, node, call, target }) => ({
      invariant: "I14",
      atMs,
      message: `${node}: ${call} on ${target?.name}, which is somebody else's`,
    }));
}

type Unplaced = Extract<HubEvent, { kind: "unplaced" }>;
/** The hub's own idea: a node's silence. Everything else follows from what an operator asked for. */
const AUTOMATIC = /silent/;

/** [I18] A workload that says `keep` is moved by people only. */
export function keepStays(history: History): readonly Violation[] {
  const found: Violation[] = [];
  for (const { atMs, commit } of history.commits) {
    for (const change of commit.changes) {
      if (change.kind !== "hub-event" || change.event.kind !== "unplaced") continue;
      const { workload, reason }: Unplaced = change.event;
      if (!saysKeep(history, workload, atMs) || !AUTOMATIC.test(reason)) continue;
      found.push({ invariant: "I18", atMs, message: `${workload} says keep and was moved: ${reason}` });
    }
  }
  return found;
}

/** By what the operator last asked for: any other policy in the past leaves the hub free to have planned by it. */
function saysKeep(history: History, workload: string, nowMs: number): boolean {
  const [app, service] = workload.split("/");
  const said = history.asked.filter(
    ({ atMs, command }) => atMs <= nowMs && command.kind === "apply-app" && command.spec.name === app,
  );
  const policies = said.flatMap(({ command }) =>
    command.kind === "apply-app" ? command.spec.services.filter(({ name }) => name === service) : [],
  );
  return policies.length > 0 && policies.every(({ disconnect }) => disconnect.policy === "keep");
}

/** [I22] Every event that a node kept is stored once on the hub, in order, or a mark says how many are missing. */
export function eventsComplete(
  history: History,
  store: Store,
  nodes: ReadonlyMap<string, string>,
  untilMs: number,
): readonly Violation[] {
  const found: Violation[] = [];
  for (const [name, id] of nodes) {
    // The node's id is one by its schema.
    const rows = store.events({
      app: null,
      node: id as never,
      workload: null,
      afterId: null,
      limit: 1_000_000,
      within: null,
    });
    const stored = new Map<number, string>();
    let gapUpTo = 0;
    for (const { event } of rows) {
      if (event.source !== "node") continue;
      const text = canonicalJson(event.event);
      if (stored.has(event.seq))
        found.push({ invariant: "I22", atMs: 0, message: `${name}: event ${event.seq} is stored twice` });
      stored.set(event.seq, text);
      if (event.event.kind === "gap" || event.event.kind === "ledger-rebuilt") gapUpTo = event.seq;
    }
    for (const { seq, text, atMs } of history.events.get(name) ?? []) {
      const there = stored.get(seq);
      if (atMs > untilMs || there === text || (there === undefined && seq < gapUpTo)) continue;
      const message = `${name}: event ${seq} ${text.slice(0, 80)} is ${there === undefined ? "missing" : `stored as ${there.slice(0, 80)}`}`;
      found.push({ invariant: "I22", atMs, message });
    }
  }
  return found;
}
