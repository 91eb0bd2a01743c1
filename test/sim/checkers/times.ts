// As it happens, by the engine's own truth: [I44] outside its update window nothing good is stopped for a change; [I45] a gate passes only
// what has shown itself good.
import type { WorkloadMemory } from "@skerry/agent/core/memory.ts";
import { LABEL } from "@skerry/agent/engine/labels.ts";
import type { LedgerChange } from "@skerry/agent/ledger/ledger.ts";
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Mutation } from "../engine/client.ts";
import { kindOf } from "../engine/life.ts";
import type { Machine, SimContainer } from "../engine/machine.ts";
import type { Violation } from "../history.ts";
import { isOpen } from "../times.ts";
import { hasTwin, type Wanted } from "./needless.ts";

/** Between the plan and the call: an engine that is slow to answer the one before. */
const LANE_MS = 15_000;
/** A clock that was just set: the agent works out anew when its windows open. */
const CLOCK_SET_MS = 60_000;
/** A restart that an operator asked for is carried out when the node hears of it. */
const ORDER_MS = 120_000;

export interface NodeTime {
  readonly wallMs: number;
  /** True time when somebody last set its wall clock. */
  readonly setAtMs: number;
}

export function outsideWindow(
  node: string,
  machine: Machine,
  wanted: Wanted,
  { call, target, atMs, askedAtMs }: Mutation,
  { wallMs, setAtMs }: NodeTime,
): Violation | null {
  if (target === null || !call.startsWith("stop ") || target.status !== "running" || target.edited) return null;
  const workload = target.labels[LABEL.workload] ?? "";
  const want = wanted.get(workload);
  if (want === undefined || target.madeBy !== "agent" || !isPut(want.workload, target) || want.failed) return null;
  const { apply } = want.workload.times;
  if (apply === null || want.fenced || hasTwin(machine, target) || target.health === "unhealthy") return null;
  if (target.sickSinceMs !== null || setAtMs > atMs - CLOCK_SET_MS) return null;
  if (want.intent.restarts > 0 && want.sinceMs > askedAtMs - ORDER_MS) return null;
  if (target.request.spec.dependsOn.some(({ restart }) => restart)) return null;
  const askedWallMs = wallMs - (atMs - askedAtMs);
  if (isOpen(apply, askedWallMs) || isOpen(apply, askedWallMs - LANE_MS)) return null;
  const message = `${node}: ${call}, for a change of ${workload} outside its window ${apply.cron}`;
  return { invariant: "I44", atMs, message };
}

/** The last good one, which is to be stopped first for another. */
const isPut = ({ changeOver, intent, specHash }: Workload, target: SimContainer): boolean =>
  changeOver.order === "stop-first" &&
  !changeOver.force &&
  intent.run &&
  target.labels[LABEL.specHash] !== specHash &&
  target.labels[LABEL.specHash] === changeOver.previous?.specHash;

/** Longer than what a sick one takes to be found out, and to be found well again. */
const BAD_MS = 45_000;

/** `before`: what the node remembered until now. Other probes are no other spec: what has passed has passed. */
export function passedUnseen(
  node: string,
  machine: Machine,
  wanted: Wanted,
  before: ReadonlyMap<WorkloadId, WorkloadMemory>,
  changes: readonly LedgerChange[],
  nowMs: number,
): readonly Violation[] {
  return changes.flatMap((change) => {
    if (change.kind !== "memory") return [];
    const want = wanted.get(change.id);
    const gate = change.memory?.gate ?? null;
    if (want === undefined || gate?.verdict.kind !== "passed" || gate.specHash !== want.specHash) return [];
    const old = before.get(change.id)?.gate ?? null;
    if (old?.verdict.kind === "passed" && old.specHash === gate.specHash) return [];
    const { probes, spec } = want.workload;
    const isAsked = probes?.startup ?? probes?.readiness ?? spec.healthcheck;
    const container = [...machine.containers.values()].find(
      ({ labels, status }) =>
        labels[LABEL.workload] === change.id && labels[LABEL.specHash] === want.specHash && status === "running",
    );
    if (container === undefined || isAsked === null || isAsked === undefined || kindOf(spec.image) === "job") return [];
    if (!neverServed(machine, container, nowMs)) return [];
    const message = `${node}: ${change.id} passed its gate, and its container has not served`;
    return [{ invariant: "I45", atMs: nowMs, message }];
  });
}

/** For so long that nobody who looked could have taken it for good. */
function neverServed(machine: Machine, container: SimContainer, nowMs: number): boolean {
  const { life, runningSinceMs, sickSinceMs } = container;
  if (life === null || life.healthyAfterMs === null) return true;
  const isLong = runningSinceMs !== null && runningSinceMs < nowMs - BAD_MS;
  return isLong && !machine.serves(container) && (sickSinceMs === null || sickSinceMs < nowMs - BAD_MS);
}
