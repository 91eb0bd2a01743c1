// States: how a workload is shown, from its container, its lane in flight, or how it ended. Pure.
import type { WorkloadState } from "@skerry/shared/model/report.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Action, Lane } from "../action.ts";
import type { OwnContainer } from "../observed.ts";
import type { Case } from "./decision.ts";
import { isUp } from "./existing.ts";

/** What a container by itself says. */
export function stateOf({ summary }: OwnContainer): WorkloadState {
  switch (summary.status) {
    case "running":
      return { kind: "running", health: summary.health };
    case "created":
    case "restarting":
      return { kind: "starting" };
    case "paused":
      return { kind: "waiting", reason: "it is paused" };
    case "removing":
      return { kind: "stopping" };
    case "exited":
    case "dead":
      return { kind: "waiting", reason: "it is not running" };
    default:
      return assertNever(summary.status);
  }
}

export function endedState({ memory }: Case): WorkloadState {
  const { ended } = memory;
  if (ended === null) return { kind: "waiting", reason: "it is not running" };
  if (ended.kind === "completed") return { kind: "completed", exit: ended.exit };
  return { kind: "failed", reason: ended.reason, exit: memory.during === "create" ? null : memory.lastExit };
}

export function stateInFlight(one: Case, lane: Lane): WorkloadState {
  const does = (kind: Action["kind"]): boolean => lane.actions.some((action) => action.kind === kind);
  const { matching } = one.existing;
  if (does("create-container") || does("start-container")) return { kind: "starting" };
  if (matching !== null && !lane.actions.some((action) => stops(action, matching.summary.id))) return stateOf(matching);
  return { kind: "stopping" };
}

const stops = (action: Action, id: string): boolean => action.kind === "stop-container" && action.containerId === id;

/** Completed, given up or not to be restarted: it stays as it ended. */
export function isEnded({ memory }: Case, own: OwnContainer): boolean {
  return memory.ended !== null && !isUp(own) && own.summary.status !== "created";
}
