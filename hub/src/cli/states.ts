// How states look in tables: the same words and colours everywhere. Pure.
import type { AppCondition } from "../http/schemas/apps.ts";
import type { NodeSummary } from "../http/schemas/nodes.ts";
import type { ShownState, WorkloadView } from "../http/schemas/workloads.ts";
import { age, type Cell, cell, type Tint } from "./render.ts";

const STATE_TINTS: Readonly<Record<ShownState, Tint | null>> = {
  unplaced: "bad",
  assigned: "busy",
  waiting: "busy",
  pulling: "busy",
  starting: "busy",
  running: "good",
  "backing-off": "bad",
  completed: "good",
  failed: "bad",
  stopped: "busy",
  fenced: "busy",
  stopping: "busy",
  unknown: "busy",
};

export function stateCell(workload: Pick<WorkloadView, "state" | "health" | "last" | "good">): Cell {
  const { state, health, last } = workload;
  if (state === "running" && health !== null && health !== "none") {
    return cell(`running (${health})`, health === "healthy" ? "good" : health === "starting" ? "busy" : "bad");
  }
  if (state === "unknown" && last !== null) return cell(`unknown (was ${last})`, "busy");
  return cell(state, STATE_TINTS[state] ?? null);
}

const CONDITION_TINTS: Readonly<Record<AppCondition, Tint>> = {
  good: "good",
  working: "busy",
  troubled: "bad",
  unknown: "busy",
};
export function conditionCell(condition: AppCondition): Cell {
  return cell(condition, CONDITION_TINTS[condition] ?? null);
}

/** A node's state in one or two words, as it matters most. */
export function nodeCell(node: Pick<NodeSummary, "reachability" | "availability" | "standing">): Cell {
  const { kind } = node.reachability;
  if (node.standing === "frozen") return cell("frozen", "bad");
  if (node.standing === "pending") return cell(`pending, ${kind}`, "busy");
  const tint: Tint = kind === "ready" ? "good" : kind === "unreachable" ? "bad" : "busy";
  if (node.availability === "active") return cell(kind, tint);
  return cell(`${kind}, ${node.availability}`, kind === "ready" ? "busy" : tint);
}

/** "now" for a node with a link. */
export function heard(node: Pick<NodeSummary, "reachability">): string {
  const { connected, silentForMs } = node.reachability;
  if (connected) return "now";
  return silentForMs === null ? "-" : `${age(silentForMs)} ago`;
}

/** A global copy is known by its node, a replicated one by its number. */
export function workloadName(workload: Pick<WorkloadView, "app" | "service" | "slot">): string {
  const { app, service, slot } = workload;
  return /^n[0-9a-f]{16}$/.test(slot) ? `${app}/${service}` : `${app}/${service}/${slot}`;
}

/** As people look for them: by service, then by number or by the node's name. */
export function inOrder(workloads: readonly WorkloadView[]): WorkloadView[] {
  const place = (workload: WorkloadView): string =>
    workloadName(workload).includes(`/${workload.service}/`)
      ? workload.slot.padStart(5, "0")
      : (workload.node?.name ?? "");
  const key = (workload: WorkloadView): string => [workload.app, workload.service, place(workload)].join("\0");
  return [...workloads].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** The same, of a workload's id. */
export function shortId(id: string): string {
  return id.replace(/\/n[0-9a-f]{16}$/, "");
}

/** "2/3", "?/3" when nothing is known, "1/3, 1?": what is not known does not count as not running. */
export function runningText({ good, wanted, unknown }: NodeSummary["workloads"]): string {
  if (unknown === 0) return `${good}/${wanted}`;
  return unknown === wanted ? `?/${wanted}` : `${good}/${wanted}, ${unknown}?`;
}
