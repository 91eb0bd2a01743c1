// What must hold of updates at every moment, from what nodes wrote down and from their engines' own truth.
import { LABEL } from "@skerry/agent/engine/labels.ts";
import type { LedgerChange } from "@skerry/agent/ledger/ledger.ts";
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { Mutation } from "../engine/client.ts";
import { isHopeless } from "../engine/life.ts";
import { type History, runsKey, type Violation } from "../history.ts";
import type { Impaired } from "./history.ts";

type Told = History["ledgerCommits"][number];
type Done = Mutation & { readonly node: string };
type Moment =
  | { readonly kind: "told"; readonly atMs: number; readonly told: Told }
  | { readonly kind: "done"; readonly atMs: number; readonly done: Done };

/** What a node wrote down comes before what it did in the same moment. A call counts from when it was asked for. */
function moments(history: History): readonly Moment[] {
  return [
    ...history.ledgerCommits.map((told): Moment => ({ kind: "told", atMs: told.atMs, told })),
    ...history.mutations.map((done): Moment => ({ kind: "done", atMs: done.askedAtMs, done })),
  ].sort((a, b) => a.atMs - b.atMs || (a.kind === b.kind ? 0 : a.kind === "told" ? -1 : 1));
}

/** One slot on one node, as the node last wrote down what it wants of it. */
interface Held {
  readonly wanted: Workload;
  /** Since when its intent is as it is. */
  readonly intentSinceMs: number;
  /** Its gate failed, and it went back: not tried again until another spec or a larger attempt is wanted. */
  readonly failed: boolean;
  readonly passed: boolean;
}

type Holdings = Map<string, Held>;

const isSame = (a: Workload, b: Workload): boolean =>
  a.specHash === b.specHash && a.changeOver.attempt === b.changeOver.attempt;

function take(held: Holdings, { node, atMs, changes }: Told): void {
  for (const change of changes) {
    if (change.kind === "assignment") takeAssignment(held, node, atMs, change.assignment.workloads);
    if (change.kind === "memory") takeVerdict(held, node, change);
    // Whoever loses what it knew may try again.
    if (change.kind === "event" && change.event.kind === "ledger-rebuilt")
      for (const [key, one] of held) if (key.startsWith(`${node} `)) held.set(key, { ...one, failed: false });
  }
}

function takeAssignment(held: Holdings, node: string, atMs: number, workloads: readonly Workload[]): void {
  const present = new Set(workloads.map(({ id }) => `${node} ${id}`));
  for (const key of [...held.keys()]) if (key.startsWith(`${node} `) && !present.has(key)) held.delete(key);
  for (const wanted of workloads) {
    const before = held.get(`${node} ${wanted.id}`);
    const same = before !== undefined && isSame(before.wanted, wanted);
    const keeps = before?.wanted.intent.run === wanted.intent.run;
    held.set(`${node} ${wanted.id}`, {
      wanted,
      intentSinceMs: before !== undefined && keeps ? before.intentSinceMs : atMs,
      failed: same && before.failed,
      passed: same && before.passed,
    });
  }
}

function takeVerdict(held: Holdings, node: string, { id, memory }: Extract<LedgerChange, { kind: "memory" }>): void {
  const one = held.get(`${node} ${id}`);
  const gate = memory?.gate ?? null;
  if (one === undefined || gate === null) return;
  const { specHash, changeOver } = one.wanted;
  if (gate.specHash !== specHash || gate.attempt !== changeOver.attempt) return;
  const failed = gate.verdict.kind === "failed" && gate.verdict.revertedTo !== null;
  held.set(`${node} ${id}`, { ...one, failed, passed: gate.verdict.kind === "passed" });
}

/** An action that was under way when the word came is finished: one call of the engine, however slow. */
const UNDER_WAY_MS = 20_000;

/** [I40] What is to stand stopped is not started. */
export function startsAsWanted(history: History): readonly Violation[] {
  const found: Violation[] = [];
  const held: Holdings = new Map();
  for (const moment of moments(history)) {
    if (moment.kind === "told") take(held, moment.told);
    else {
      const { node, call, target, askedAtMs: atMs } = moment.done;
      if (target?.madeBy !== "agent" || !call.startsWith("start ")) continue;
      const workload = target.labels[LABEL.workload] ?? "";
      const one = held.get(`${node} ${workload}`);
      if (one === undefined) continue;
      if (!one.wanted.intent.run && one.intentSinceMs < atMs - UNDER_WAY_MS)
        found.push({ invariant: "I40", atMs, message: `${node}: ${call}, though ${workload} is to stand stopped` });
    }
  }
  return found;
}

/** [I42] The hub goes back once: a rollback neither fails nor is paused by the hub, and what failed is not accepted again unasked. */
export function goesBackOnce(history: History): readonly Violation[] {
  return [...rollbacksStay(history), ...triedAgain(history)];
}

function rollbacksStay({ commits }: History): readonly Violation[] {
  return commits.flatMap(({ atMs, commit }) =>
    commit.changes.flatMap((change) => {
      if (change.kind !== "rollout-set" || change.rollout.kind !== "rollback") return [];
      const { state, app, revision } = change.rollout;
      if (state.kind !== "failed" && !(state.kind === "paused" && state.by === "hub")) return [];
      const message = `the rollback of ${app} to revision ${revision} is ${state.kind}: ${state.reason}`;
      return [{ invariant: "I42", atMs, message }];
    }),
  );
}

function triedAgain({ acked, commits }: History): readonly Violation[] {
  return acked.flatMap(({ atMs, command }) => {
    if (command.kind !== "apply-app" || command.retry) return [];
    const { name, services } = command.spec;
    const failed = commits
      .filter((one) => one.atMs < atMs)
      .flatMap(({ commit }) => commit.changes)
      .findLast((change) =>
        change.kind === "app-removed" ? change.app === name : change.kind === "app-set" && change.app.name === name,
      );
    if (failed?.kind !== "app-set") return [];
    const again = failed.app.failedSpecs.find((one) =>
      services.some((service) => service.name === one.service && service.specHash === one.specHash),
    );
    if (again === undefined) return [];
    return [{ invariant: "I42", atMs, message: `${name} was accepted, though this very ${again.service} had failed` }];
  });
}

/** [I19] At every moment no more good copies of a service are down for its updates than its budget allows, as its engines tell. */
export function withinBudget(history: History): readonly Violation[] {
  const found: Violation[] = [];
  const held: Holdings = new Map();
  const down = new Map<string, string>();
  const labels = labelsOf(history);
  for (const moment of moments(history)) {
    if (moment.kind === "told") {
      take(held, moment.told);
      for (const key of down.keys()) if (isOver(held.get(key))) down.delete(key);
      continue;
    }
    const { node, call, target, askedAtMs: atMs } = moment.done;
    const workload = target?.labels[LABEL.workload] ?? "";
    const key = `${node} ${workload}`;
    const one = held.get(key);
    if (target?.madeBy !== "agent" || one === undefined) continue;
    const isWanted = target.labels[LABEL.specHash] === one.wanted.specHash;
    // It went back: the one before runs again.
    if (call.startsWith("start ") && !isWanted) down.delete(key);
    if (!call.startsWith("stop ") || isWanted || target.status !== "running" || target.health === "unhealthy") continue;
    const budget = budgetAt(history, labels, one.wanted, node, atMs);
    if (budget === null || !isTakenDown(one) || !wasHeard(history, one.wanted, atMs)) continue;
    const { most, group } = budget;
    down.set(key, `${one.wanted.app}/${one.wanted.service} ${group}`);
    const others = [...down].filter(([, service]) => service === down.get(key)).map(([each]) => each);
    if (others.length <= most) continue;
    const where = group === "" ? "" : ` in ${group}`;
    const message = `${others.join(", ")} are down at once for an update${where}; the budget is ${most}`;
    found.push({ invariant: "I19", atMs, message });
  }
  return found;
}

/** A good one gives way to another that is to be judged. */
const isTakenDown = ({ wanted, failed }: Held): boolean =>
  wanted.changeOver.previous !== null && wanted.intent.run && !failed;

const isOver = (one: Held | undefined): boolean => one === undefined || one.passed || !one.wanted.intent.run;

/** By node name: its labels as the hub last stored them, and the keys whose value was ever changed. */
interface NodeLabels {
  readonly labels: Readonly<Record<string, string>>;
  readonly changed: ReadonlySet<string>;
}

function labelsOf({ commits }: History): ReadonlyMap<string, NodeLabels> {
  const known = new Map<string, { labels: Readonly<Record<string, string>>; changed: Set<string> }>();
  for (const { commit } of commits) {
    for (const change of commit.changes) {
      if (change.kind !== "node-set") continue;
      const { name, labels } = change.node;
      const before = known.get(name);
      const changed = before?.changed ?? new Set<string>();
      for (const key of new Set([...Object.keys(labels), ...Object.keys(before?.labels ?? labels)]))
        if (before !== undefined && before.labels[key] !== labels[key]) changed.add(key);
      known.set(name, { labels, changed });
    }
  }
  return known;
}

/**
 * The largest that was ever asked for: which one holds in the middle of a change is the hub's to say. null: there is none, or groups that
 * were made in different ways, or of which a node changed sides.
 */
function budgetAt(
  history: History,
  nodes: ReadonlyMap<string, NodeLabels>,
  { app, service }: Workload,
  node: string,
  nowMs: number,
): { readonly most: number; readonly group: string } | null {
  const files = history.asked.flatMap(({ atMs, command }) =>
    atMs <= nowMs && command.kind === "apply-app" && command.spec.name === app
      ? command.spec.services.filter(({ name }) => name === service)
      : [],
  );
  const per = files[0]?.rollout.budget?.per ?? null;
  if (per !== null && [...nodes.values()].some(({ changed }) => changed.has(per))) return null;
  const copies = mostCopies(history, files, app, service, nodes.size, nowMs);
  let most = 0;
  for (const { rollout } of files) {
    const { budget } = rollout;
    if (budget === null || budget.per !== per) return null;
    const { maxUnavailable: amount } = budget;
    most = Math.max(
      most,
      amount.kind === "count" ? amount.count : Math.max(1, Math.ceil((copies * amount.percent) / 100)),
    );
  }
  const group = per === null ? "" : `${per} ${nodes.get(node)?.labels[per] ?? "(none)"}`;
  return most === 0 ? null : { most, group };
}

/** No group ever had more. */
function mostCopies(
  { asked }: History,
  files: readonly ServiceSpec[],
  app: string,
  service: string,
  nodes: number,
  nowMs: number,
): number {
  const wished = files.map(({ mode }) => (mode.kind === "global" ? nodes : mode.replicas));
  const scaled = asked.flatMap(({ atMs, command }) =>
    atMs <= nowMs && command.kind === "scale" && command.app === app && command.service === service
      ? [command.replicas]
      : [],
  );
  return Math.max(0, ...wished, ...scaled);
}

/** Let through while its node was there; one that was away gets the newest when it is back, whatever others do. */
function wasHeard(history: History, { id, specHash }: Workload, nowMs: number): boolean {
  return history.placed.findLast((one) => one.workload === id && one.atMs <= nowMs)?.specHash === specHash
    ? (history.placed.findLast((one) => one.workload === id && one.atMs <= nowMs)?.heard ?? false)
    : false;
}

/** Time for the container before to be stopped, made and started again, through a slow engine. */
const WAY_BACK_MS = 90_000;

/**
 * [I20] What failed gives its place back: within WAY_BACK_MS the last good one runs again on that node, or has run and ended, unless
 * something else is wanted there meanwhile, the engine could not do its part, or somebody meddled.
 */
export function waysBack(history: History, impaired: Impaired, untilMs: number): readonly Violation[] {
  const found: Violation[] = [];
  const held: Holdings = new Map();
  for (const told of history.ledgerCommits) {
    const { node, atMs, changes } = told;
    take(held, told);
    for (const change of changes) {
      if (change.kind !== "event" || change.event.kind !== "reverted") continue;
      const { workload } = change.event;
      const wanted = held.get(`${node} ${workload}`)?.wanted;
      const previous = wanted?.changeOver.previous ?? null;
      if (wanted === undefined || previous === null || isExcused(history, node, wanted, atMs)) continue;
      if (atMs + WAY_BACK_MS > untilMs || impaired(node, atMs - WAY_BACK_MS, atMs + WAY_BACK_MS)) continue;
      const runs = history.runs.get(runsKey(node, workload)) ?? [];
      const isBack = runs.some(
        ({ specHash, sinceMs, untilMs: ended }) =>
          specHash === previous.specHash && sinceMs <= atMs + WAY_BACK_MS && (ended ?? atMs) >= atMs,
      );
      if (isBack) continue;
      const message = `${node}: ${workload} failed, and the one before does not run ${WAY_BACK_MS / 1_000} s later`;
      found.push({ invariant: "I20", atMs, message });
    }
  }
  return found;
}

/** Its file never ran well, it waits for others, or this node was told something else in that time. */
function isExcused(history: History, node: string, { id, changeOver, disconnect }: Workload, atMs: number): boolean {
  const spec = changeOver.previous?.spec;
  if (spec === undefined || isHopeless(spec.image) || spec.dependsOn.length > 0 || spec.ports.length > 0) return true;
  if (disconnect.policy === "fence") return true;
  const isNear = (otherMs: number): boolean => otherMs >= atMs - 1_000 && otherMs <= atMs + WAY_BACK_MS;
  const toldElse = history.ledgerCommits.some(
    (one) =>
      one.node === node &&
      isNear(one.atMs) &&
      one.changes.some(
        (change) =>
          change.kind === "assignment" &&
          change.assignment.workloads.every((other) => other.id !== id || !sameWish(other, changeOver)),
      ),
  );
  const meddled = history.facts.some((fact) => fact.node === node && fact.by === "outside" && isNear(fact.atMs));
  return toldElse || meddled;
}

const sameWish = (other: Workload, { attempt }: Workload["changeOver"]): boolean =>
  other.intent.run && other.changeOver.attempt === attempt;
