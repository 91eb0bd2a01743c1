// Which changes a hub should know at once, and which can wait long. Pure. The rest (progress, ports) waits for its period.
import type { Report, WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { Told } from "../core/report.ts";

/** A state, a spec, a health, a gate or a readiness that turned; something that is gone; a condition; an assignment made durable; the first report. */
export function isUrgent(last: Told | null, report: Report): boolean {
  if (last === null || report.gone.length > 0 || report.conditions !== null) return true;
  const { epoch, generation } = last.observed;
  if (report.observed.epoch !== epoch || report.observed.generation !== generation) return true;
  const before = new Map(last.workloads.map((status) => [status.id, status]));
  return report.workloads.some((status) => turned(before.get(status.id), status));
}

/** Memory, disk, load, temperature: for people, who look at them now and then. The first figures are more than that: news. */
export function isFiguresOnly(last: Told | null, report: Report): boolean {
  if (last?.figures == null || report.figures === null || isUrgent(last, report)) return false;
  return report.workloads.length === 0 && report.facts === null && report.ports === null;
}

function turned(before: WorkloadStatus | undefined, now: WorkloadStatus): boolean {
  if (before === undefined || before.specHash !== now.specHash || before.state.kind !== now.state.kind) return true;
  if (before.revision !== now.revision || before.containerId !== now.containerId) return true;
  if (gateTurned(before, now) || before.ready !== now.ready) return true;
  if ((before.pullFailure === null) !== (now.pullFailure === null)) return true;
  return before.state.kind === "running" && now.state.kind === "running" && before.state.health !== now.state.health;
}

/** For what a change waits, and how it was judged: a rollout goes on by it, and a person asks for it. */
function gateTurned({ gate: was, gateFor: wasFor, hold: had }: WorkloadStatus, now: WorkloadStatus): boolean {
  const { gate, gateFor, hold } = now;
  if (was.kind !== gate.kind || (had === null) !== (hold === null)) return true;
  if (wasFor?.specHash !== gateFor?.specHash || wasFor?.attempt !== gateFor?.attempt) return true;
  return was.kind === "open" && gate.kind === "open" && was.waits !== gate.waits;
}
