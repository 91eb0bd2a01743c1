// Timeline: since when each status has been what it is. Plans carry no ages, so that the same input gives the same plan; ages are put
// on here, when somebody asks. Pure.
import type { NodeEvent } from "@skerry/shared/model/event.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { OwnContainer } from "./observed.ts";
import { sameStatus } from "./report.ts";

interface Entry {
  readonly status: WorkloadStatus;
  /** When it came into this state. */
  readonly sinceMs: Millis;
  /** When the status was made: waits tick from here. */
  readonly madeAtMs: Millis;
}

export type Timeline = ReadonlyMap<WorkloadId, Entry>;

export interface Advanced {
  readonly timeline: Timeline;
  /** Something other than an age is new. */
  readonly changed: boolean;
  readonly events: readonly NodeEvent[];
}

/** `own` tells how long a container that this process sees for the first time has been running. */
export function advance(
  before: Timeline,
  statuses: readonly WorkloadStatus[],
  own: readonly OwnContainer[],
  now: Millis,
): Advanced {
  const entries = statuses.map((status): Entry => {
    const held = before.get(status.id);
    const same = held !== undefined && stateKey(held.status) === stateKey(status);
    const sinceMs = same ? held.sinceMs : held === undefined ? beginOf(status, own, now) : now;
    return { status, sinceMs, madeAtMs: now };
  });
  const timeline = new Map(entries.map((entry) => [entry.status.id, entry]));
  const changed =
    timeline.size !== before.size || entries.some(({ status }) => !sameStatus(before.get(status.id)?.status, status));
  const events = entries.flatMap(({ status }) => {
    const held = before.get(status.id)?.status;
    return [...becameHealthy(held, status), ...readyTurned(held, status)];
  });
  return { timeline, changed, events };
}

function beginOf({ state, containerId }: WorkloadStatus, own: readonly OwnContainer[], now: Millis): Millis {
  if (state.kind !== "running") return now;
  return own.find(({ summary }) => summary.id === containerId)?.sinceMs ?? now;
}

function stateKey({ state, containerId }: WorkloadStatus): string {
  return `${state.kind} ${state.kind === "running" ? state.health : ""} ${containerId ?? ""}`;
}

/** Not at the first look: nobody knows whether it was healthy before. */
function becameHealthy(before: WorkloadStatus | undefined, { id, state, containerId }: WorkloadStatus): NodeEvent[] {
  if (before === undefined || state.kind !== "running" || state.health !== "healthy" || containerId === null) return [];
  const was =
    before.containerId === containerId && before.state.kind === "running" && before.state.health === "healthy";
  return was ? [] : [{ kind: "container-healthy", workload: id, containerId }];
}

/** Of one run alone: that a new one is not ready at once is no news. */
function readyTurned(
  before: WorkloadStatus | undefined,
  { id, state, ready, probes, containerId }: WorkloadStatus,
): NodeEvent[] {
  if (before === undefined || before.containerId !== containerId || before.ready === ready) return [];
  if (before.state.kind !== "running" || state.kind !== "running") return [];
  const failing = (of: WorkloadStatus["probes"]) => of.find(({ ok, probe }) => !ok && probe === "readiness");
  const now = failing(probes);
  if (ready === false && now !== undefined)
    return [{ kind: "probe-failed", workload: id, probe: now.probe, answer: now.answer }];
  const was = failing(before.probes);
  if (ready === true && was !== undefined) return [{ kind: "probe-recovered", workload: id, probe: was.probe }];
  return [];
}

export function statusesAt(timeline: Timeline, now: Millis): readonly WorkloadStatus[] {
  return [...timeline.values()].map(({ status: made, sinceMs, madeAtMs }) => {
    const forMs = Math.max(0, Math.round(now - sinceMs));
    const status = { ...made, hold: heldAt(made.hold, now - madeAtMs) };
    if (status.state.kind !== "backing-off") return { ...status, forMs };
    const nextTryInMs = Math.max(0, Math.round(status.state.nextTryInMs - (now - madeAtMs)));
    return { ...status, forMs, state: { ...status.state, nextTryInMs } };
  });
}

function heldAt(hold: WorkloadStatus["hold"], agoMs: number): WorkloadStatus["hold"] {
  return hold === null ? null : { ...hold, leftMs: Math.max(0, Math.round(hold.leftMs - agoMs)) };
}
