// [I8] as it happens: an agent stops or removes a container that runs, is not unhealthy, was not tampered with, and has been exactly what
// the node's accepted assignment wants ever since it was started.
import { LABEL } from "@skerry/agent/engine/labels.ts";
import type { LedgerChange } from "@skerry/agent/ledger/ledger.ts";
import type { Mutation } from "../engine/client.ts";
import type { Machine, SimContainer } from "../engine/machine.ts";
import type { Violation } from "../history.ts";

/** Per workload: what is wanted, and since when without a break. */
export type Wanted = Map<
  string,
  { readonly specHash: string; readonly fencingToken: number; readonly fenced: boolean; readonly sinceMs: number }
>;

/** From a container's change until the agent has looked: an event, or the periodic look of 30 s and a slow engine. */
const SEEING_MS = 60_000;

/** A ledger that was lost leaves what is wanted as it was: missing is not a removal. */
export function wantedAfter(wanted: Wanted, changes: readonly LedgerChange[], nowMs: number): Wanted {
  let current = wanted;
  for (const change of changes) {
    if (change.kind !== "assignment") continue;
    const next: Wanted = new Map();
    for (const { id, specHash, fencingToken, disconnect } of change.assignment.workloads) {
      const before = current.get(id);
      const same = before?.specHash === specHash && before.fencingToken === fencingToken;
      next.set(id, {
        specHash,
        fencingToken,
        fenced: disconnect.policy === "fence",
        sinceMs: same ? before.sinceMs : nowMs,
      });
    }
    current = next;
  }
  return current;
}

export function needlessStop(node: string, machine: Machine, wanted: Wanted, mutation: Mutation): Violation | null {
  const { call, target, atMs, askedAtMs } = mutation;
  if (target === null || !(call.startsWith("stop ") || call.startsWith("remove "))) return null;
  if (target.madeBy !== "agent" || target.status !== "running" || target.runningSinceMs === null) return null;
  if (target.health === "unhealthy" || target.edited || hasTwin(machine, target)) return null;
  // Decided while it was unhealthy, as far as the agent could see; the engine was slow to do it.
  if (target.recoveredAtMs !== null && target.recoveredAtMs > askedAtMs - SEEING_MS) return null;
  const workload = target.labels[LABEL.workload] ?? "";
  const want = wanted.get(workload);
  if (want === undefined || want.specHash !== target.labels[LABEL.specHash]) return null;
  // A fence may stop it at any time without a lease: that is I16's business.
  if (want.fenced || want.sinceMs > target.runningSinceMs) return null;
  if (target.request.spec.dependsOn.some(({ restart }) => restart)) return null;
  return { invariant: "I8", atMs, message: `${node}: ${call}, though ${workload} was wanted as it was and ran well` };
}

function hasTwin(machine: Machine, target: SimContainer): boolean {
  const workload = target.labels[LABEL.workload];
  return [...machine.containers.values()].some(
    (one) => one !== target && one.labels[LABEL.workload] === workload && one.status !== "removing",
  );
}
