// Report: what to tell the hub, as the difference between what it was told last and what is true now. Pure. Ages, waits that tick and
// small wobbles in figures are no change: a node at rest says nothing.
import type { Position } from "@skerry/shared/model/assignment.ts";
import { sameJson } from "@skerry/shared/model/canonical.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Condition, NodeFacts, NodeFigures, PortInUse } from "@skerry/shared/model/node.ts";
import type { Pull, Report, WorkloadState, WorkloadStatus } from "@skerry/shared/model/report.ts";

/** Everything a hub knows of a node. Kept as "last sent" per connection; null before the first report of a connection. */
export interface Told {
  readonly observed: Position;
  readonly workloads: readonly WorkloadStatus[];
  readonly facts: NodeFacts | null;
  readonly figures: NodeFigures | null;
  readonly ports: readonly PortInUse[];
  readonly conditions: readonly Condition[];
}

/** Memory and disk: a change is worth telling from a tenth of what was told; scheduling uses capacities, these are for people. */
const BYTES_WOBBLE = 0.1;
/** Load swings all day; only a large turn says something. */
const LOAD_WOBBLE = 2;
/** A Pi's temperature moves by a few degrees with the sun. */
const TEMPERATURE_WOBBLE_C = 8;
/** Steps in which a pull's progress is told: ten lines for one image. */
const PULL_STEPS = 10;
/** Unpacking takes minutes on a small machine, and its bytes are not counted. */
const LAYER_STEPS = 4;

/** null: nothing worth a frame. `told` in the answer takes the place of `last` once it was sent. */
export function nextReport(last: Told | null, now: Told): { readonly report: Report; readonly told: Told } | null {
  if (last === null) return { report: wholeReport(now), told: now };
  const before = new Map(last.workloads.map((status) => [status.id, status]));
  const present = new Set(now.workloads.map(({ id }) => id));
  const workloads = now.workloads.filter((status) => !sameStatus(before.get(status.id), status));
  const gone: WorkloadId[] = last.workloads.map(({ id }) => id).filter((id) => !present.has(id));
  const figures = figuresMoved(last.figures, now.figures) ? now.figures : null;
  const report: Report = {
    whole: false,
    observed: now.observed,
    workloads,
    gone,
    facts: sameJson(last.facts, now.facts) ? null : now.facts,
    figures,
    ports: sameJson(last.ports, now.ports) ? null : [...now.ports],
    conditions: sameJson(last.conditions, now.conditions) ? null : [...now.conditions],
  };
  if (sameJson(last.observed, now.observed) && isEmpty(report)) return null;
  return { report, told: { ...now, figures: figures ?? last.figures, workloads: heldStatuses(before, now.workloads) } };
}

function wholeReport(now: Told): Report {
  const { observed, workloads, facts, figures, ports, conditions } = now;
  return {
    whole: true,
    observed,
    workloads: [...workloads],
    gone: [],
    facts,
    figures,
    ports: [...ports],
    conditions: [...conditions],
  };
}

function isEmpty(report: Report): boolean {
  const { workloads, gone, facts, figures, ports, conditions } = report;
  const parts = [facts, figures, ports, conditions];
  return workloads.length === 0 && gone.length === 0 && parts.every((part) => part === null);
}

/** What was not sent stays as it was sent last, so that many small steps add up to a change. */
function heldStatuses(
  before: ReadonlyMap<WorkloadId, WorkloadStatus>,
  now: readonly WorkloadStatus[],
): readonly WorkloadStatus[] {
  return now.map((status) => {
    const told = before.get(status.id);
    return told !== undefined && sameStatus(told, status) ? told : status;
  });
}

/** Whether two statuses say the same to a reader, whatever their ages. */
export function sameStatus(a: WorkloadStatus | undefined, b: WorkloadStatus): boolean {
  if (a === undefined) return false;
  return sameJson(withoutAges(a), withoutAges(b));
}

function withoutAges(status: WorkloadStatus): unknown {
  const pull = status.pull === null ? null : pullStep(status.pull);
  const hold = status.hold === null ? null : { ...status.hold, leftMs: 0 };
  const lastEnd = status.lastEnd === null ? null : { ...status.lastEnd, agoMs: null };
  return { ...status, forMs: 0, state: stateWithoutAges(status.state), pull, hold, lastEnd };
}

function stateWithoutAges(state: WorkloadState): unknown {
  if (state.kind === "backing-off") return { ...state, nextTryInMs: 0 };
  if (state.kind === "pulling") return { kind: state.kind, step: pullStep(state) };
  return state;
}

/** The first byte is news as well: until it is there a pull may hang. */
function pullStep({ doneBytes, totalBytes, doneLayers, totalLayers }: Omit<Pull, "forMs">): string {
  const bytes = totalBytes === 0 ? "-" : doneBytes === 0 ? "none" : Math.floor((doneBytes / totalBytes) * PULL_STEPS);
  const layers = totalLayers === 0 ? "-" : Math.floor((doneLayers / totalLayers) * LAYER_STEPS);
  return `${bytes} ${layers}`;
}

function figuresMoved(last: NodeFigures | null, now: NodeFigures | null): boolean {
  if (last === null || now === null) return last !== now;
  return (
    bytesMoved(last.memoryAvailableBytes, now.memoryAvailableBytes) ||
    bytesMoved(last.diskFreeBytes, now.diskFreeBytes) ||
    Math.abs(last.load1 - now.load1) >= LOAD_WOBBLE ||
    temperatureMoved(last.temperatureC, now.temperatureC) ||
    last.clockSynchronised !== now.clockSynchronised
  );
}

const bytesMoved = (last: number, now: number): boolean => Math.abs(last - now) > last * BYTES_WOBBLE;

function temperatureMoved(last: number | null, now: number | null): boolean {
  if (last === null || now === null) return last !== now;
  return Math.abs(last - now) >= TEMPERATURE_WOBBLE_C;
}
