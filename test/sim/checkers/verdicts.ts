// What must hold of a node's verdicts: what failed is not tried again, what passed stays passed. From what nodes wrote down and from their
// engines' own truth; a ledger that was lost may forget a failure, never a success.

import type { GateMemory } from "@skerry/agent/core/memory.ts";
import { LABEL } from "@skerry/agent/engine/labels.ts";
import type { LedgerChange } from "@skerry/agent/ledger/ledger.ts";
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { ContainerFact } from "../engine/machine.ts";
import type { History, Violation } from "../history.ts";

type Moment =
  | { readonly kind: "lost"; readonly atMs: number; readonly node: string }
  | { readonly kind: "told"; readonly atMs: number; readonly node: string; readonly changes: readonly LedgerChange[] }
  | { readonly kind: "removed" | "asked"; readonly atMs: number; readonly node: string; readonly target: Target };
type Target = Pick<ContainerFact["container"], "name" | "labels">;

/** What comes first counts first when several are in one moment: a word is durable before anything is done for it. */
const ORDER: Readonly<Record<Moment["kind"], number>> = { lost: 0, told: 1, removed: 2, asked: 3 };

function moments({ ledgersLost, ledgerCommits, facts, mutations }: History): readonly Moment[] {
  return [
    ...ledgersLost.map((one): Moment => ({ kind: "lost", ...one })),
    ...ledgerCommits.map((one): Moment => ({ kind: "told", ...one })),
    ...facts
      .filter(({ what }) => what === "removed")
      .map(({ atMs, node, container }): Moment => ({ kind: "removed", atMs, node, target: container })),
    ...mutations.flatMap(({ askedAtMs: atMs, node, call, target }): Moment[] =>
      target?.madeBy === "agent" && call.startsWith("start ") ? [{ kind: "asked", atMs, node, target }] : [],
    ),
  ].sort((a, b) => a.atMs - b.atMs || ORDER[a.kind] - ORDER[b.kind]);
}

/** One slot on one node, since it wants this spec at this attempt. */
interface Judged {
  readonly wanted: Workload;
  /** It failed, and the node went back. */
  readonly failedAtMs: number | null;
  readonly passed: boolean;
  /** What was kept until it had passed is gone, so that its containers alone tell that it passed. */
  readonly alone: boolean;
}

/** [I41] A spec that failed on a node is not started there again. [I47] A spec that passed on a node does not fail there. */
export function verdictsStand(history: History): readonly Violation[] {
  const found: Violation[] = [];
  const held = new Map<string, Judged>();
  for (const moment of moments(history)) {
    const { atMs, node } = moment;
    switch (moment.kind) {
      case "lost":
        for (const [key, one] of held) if (key.startsWith(`${node} `)) held.set(key, { ...one, failedAtMs: null });
        break;
      case "told":
        for (const change of moment.changes) {
          if (change.kind === "assignment") takeAssignment(held, node, change.assignment.workloads);
          if (change.kind === "memory") found.push(...takeVerdict(held, atMs, node, change));
        }
        break;
      case "removed":
        takeRemoval(held, node, moment.target);
        break;
      case "asked":
        found.push(...triedAgain(held, atMs, node, moment.target));
    }
  }
  return found;
}

const keyOf = (node: string, { labels }: Target): string => `${node} ${labels[LABEL.workload] ?? ""}`;

function takeAssignment(held: Map<string, Judged>, node: string, workloads: readonly Workload[]): void {
  const present = new Set(workloads.map(({ id }) => `${node} ${id}`));
  for (const key of [...held.keys()]) if (key.startsWith(`${node} `) && !present.has(key)) held.delete(key);
  for (const wanted of workloads) {
    const before = held.get(`${node} ${wanted.id}`);
    const isSame =
      before?.wanted.specHash === wanted.specHash && before.wanted.changeOver.attempt === wanted.changeOver.attempt;
    const fresh = { failedAtMs: null, passed: false, alone: false };
    held.set(`${node} ${wanted.id}`, before !== undefined && isSame ? { ...before, wanted } : { wanted, ...fresh });
  }
}

function takeVerdict(
  held: Map<string, Judged>,
  atMs: number,
  node: string,
  { id, memory }: Extract<LedgerChange, { kind: "memory" }>,
): readonly Violation[] {
  const one = held.get(`${node} ${id}`);
  const gate: GateMemory | null = memory?.gate ?? null;
  if (one === undefined || gate === null) return [];
  const { specHash, changeOver } = one.wanted;
  if (gate.specHash !== specHash || gate.attempt !== changeOver.attempt) return [];
  const { verdict } = gate;
  const hasFailed = verdict.kind === "failed" && verdict.revertedTo !== null;
  const failedAtMs = hasFailed ? (one.failedAtMs ?? atMs) : one.failedAtMs;
  held.set(`${node} ${id}`, { ...one, failedAtMs, passed: one.passed || verdict.kind === "passed" });
  if (verdict.kind !== "failed" || !one.alone) return [];
  return [{ invariant: "I47", atMs, message: `${node}: ${id} had passed, and failed: ${verdict.reason}` }];
}

function takeRemoval(held: Map<string, Judged>, node: string, target: Target): void {
  const one = held.get(keyOf(node, target));
  if (one === undefined || !one.passed) return;
  if (target.labels[LABEL.specHash] === one.wanted.changeOver.previous?.specHash)
    held.set(keyOf(node, target), { ...one, alone: true });
}

function triedAgain(held: ReadonlyMap<string, Judged>, atMs: number, node: string, target: Target): Violation[] {
  const one = held.get(keyOf(node, target));
  if (one?.failedAtMs == null || one.failedAtMs >= atMs) return [];
  if (target.labels[LABEL.specHash] !== one.wanted.specHash) return [];
  const message = `${node}: ${target.name} is started, though its spec failed there at ${Math.round(one.failedAtMs)} ms`;
  return [{ invariant: "I41", atMs, message }];
}
