// [I8] as it happens: an agent stops or removes a container that runs, is not unhealthy, was not tampered with, and has been exactly what
// the node's accepted assignment wants ever since it was started.
import { LABEL } from "@skerry/agent/engine/labels.ts";
import type { LedgerChange } from "@skerry/agent/ledger/ledger.ts";
import type { Intent, Workload } from "@skerry/shared/model/assignment.ts";
import type { Mutation } from "../engine/client.ts";
import type { Machine, SimContainer } from "../engine/machine.ts";
import type { Violation } from "../history.ts";

/** Per workload: what is wanted, and since when without a break. */
export type Wanted = Map<
  string,
  {
    readonly workload: Workload;
    readonly specHash: string;
    readonly fencingToken: number;
    readonly fenced: boolean;
    readonly intent: Intent;
    readonly attempt: number;
    /** Its gate failed here: it may be taken back. */
    readonly failed: boolean;
    readonly sinceMs: number;
  }
>;

/** From a container's change until the agent has looked: an event, or the periodic look of 30 s and a slow engine. */
const SEEING_MS = 60_000;

/** A ledger that was lost leaves what is wanted as it was: missing is not a removal. */
export function wantedAfter(wanted: Wanted, changes: readonly LedgerChange[], nowMs: number): Wanted {
  let current = wanted;
  for (const change of changes) {
    if (change.kind === "memory") current = judgedAfter(current, change);
    if (change.kind !== "assignment") continue;
    const next: Wanted = new Map();
    for (const workload of change.assignment.workloads) {
      const { id, specHash, fencingToken, disconnect, intent, changeOver } = workload;
      const { attempt } = changeOver;
      const before = current.get(id);
      const same =
        before?.specHash === specHash &&
        before.fencingToken === fencingToken &&
        before.attempt === attempt &&
        before.intent.run === intent.run &&
        before.intent.restarts === intent.restarts;
      const fenced = disconnect.policy === "fence";
      const failed = same && before.failed;
      const sinceMs = same ? before.sinceMs : nowMs;
      next.set(id, { workload, specHash, fencingToken, fenced, intent, attempt, failed, sinceMs });
    }
    current = next;
  }
  return current;
}

function judgedAfter(wanted: Wanted, { id, memory }: Extract<LedgerChange, { kind: "memory" }>): Wanted {
  const want = wanted.get(id);
  const gate = memory?.gate ?? null;
  if (want === undefined || gate === null || gate.verdict.kind !== "failed") return wanted;
  if (gate.specHash !== want.specHash || gate.attempt !== want.attempt) return wanted;
  return new Map(wanted).set(id, { ...want, failed: true });
}

export function needlessStop(node: string, machine: Machine, wanted: Wanted, mutation: Mutation): Violation | null {
  const { call, target, atMs, askedAtMs } = mutation;
  if (target === null || !(call.startsWith("stop ") || call.startsWith("remove "))) return null;
  if (target.madeBy !== "agent" || target.status !== "running" || target.runningSinceMs === null) return null;
  if (target.health === "unhealthy" || target.edited || hasTwin(machine, target)) return null;
  // Decided while it was unhealthy, as far as the agent could see; the engine was slow to do it.
  if (target.recoveredAtMs !== null && target.recoveredAtMs > askedAtMs - SEEING_MS) return null;
  if (servedBadly(target, askedAtMs)) return null;
  const workload = target.labels[LABEL.workload] ?? "";
  const want = wanted.get(workload);
  if (want === undefined || want.specHash !== target.labels[LABEL.specHash]) return null;
  // A fence may stop it at any time without a lease: that is I16's business.
  if (want.fenced || want.failed || !want.intent.run || want.sinceMs > target.runningSinceMs) return null;
  if (target.request.spec.dependsOn.some(({ restart }) => restart)) return null;
  // An operator asked for another restart while the one before was under way.
  if (want.intent.restarts > 0 && want.sinceMs > atMs - SEEING_MS) return null;
  return { invariant: "I8", atMs, message: `${node}: ${call}, though ${workload} was wanted as it was and ran well` };
}

/** Its liveness or startup probe may have given it up. */
function servedBadly({ life, sickSinceMs }: SimContainer, askedAtMs: number): boolean {
  return life?.healthyAfterMs === null || (sickSinceMs !== null && sickSinceMs > askedAtMs - 2 * SEEING_MS);
}

export function hasTwin(machine: Machine, target: SimContainer): boolean {
  const workload = target.labels[LABEL.workload];
  return [...machine.containers.values()].some(
    (one) => one !== target && one.labels[LABEL.workload] === workload && one.status !== "removing",
  );
}
