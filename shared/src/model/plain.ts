// Plain: what a service, a workload or a status is when nothing particular is said of it. Values only, without the schemas, so that
// `core/` and tests can start from them.
import type { ServiceSpec } from "./app.ts";
import type { ChangeOver, Intent, Workload } from "./assignment.ts";
import type { WorkloadStatus } from "./report.ts";
import type { RolloutPolicy, UpdatePolicy, UpdateTimes } from "./update.ts";

/** When there is no `update_config` at all: a quarter at a time, and back by itself. */
export const DEFAULT_UPDATE: UpdatePolicy = {
  parallelism: { kind: "percent", percent: 25 },
  delayMs: 0,
  monitorMs: 5_000,
  failureAction: "rollback",
  maxFailureRatio: 0,
  order: "stop-first",
};
/** Back to what was good: all at once, whatever fails on the way. */
export const DEFAULT_ROLLBACK: UpdatePolicy = {
  parallelism: { kind: "count", count: 0 },
  delayMs: 0,
  monitorMs: 5_000,
  failureAction: "continue",
  maxFailureRatio: 1,
  order: "stop-first",
};
/** As Kubernetes' progressDeadlineSeconds: 10 min. */
export const DEFAULT_DEADLINE_MS = 600_000;
export const DEFAULT_ROLLOUT: RolloutPolicy = {
  canary: null,
  batchBy: null,
  successThreshold: 0,
  budget: null,
  deadlineMs: DEFAULT_DEADLINE_MS,
};
/** Where a container that may hold its own update finds the folder for it. */
export const HOLD_TARGET = "/run/skerry";
export const NO_UPDATE_TIMES: UpdateTimes = { download: null, apply: null, hold: null };

/** What a service is when its file says nothing of updates. Start from this when building specs in code. */
export const defaultServiceUpdate: Pick<
  ServiceSpec,
  "probes" | "update" | "rollback" | "rollout" | "times" | "priority"
> = {
  probes: null,
  update: DEFAULT_UPDATE,
  rollback: DEFAULT_ROLLBACK,
  rollout: DEFAULT_ROLLOUT,
  times: NO_UPDATE_TIMES,
  priority: 0,
};

export const RUN_INTENT: Intent = { run: true, restarts: 0 };
export const PLAIN_CHANGE_OVER: ChangeOver = {
  order: "stop-first",
  monitorMs: 0,
  deadlineMs: DEFAULT_DEADLINE_MS,
  onFailure: "carry-on",
  attempt: 0,
  force: false,
  previous: null,
};

/** A workload that is simply to run. Start from this when building assignments in code. */
export const defaultWorkloadExtras: Pick<Workload, "probes" | "intent" | "changeOver" | "times" | "policy"> = {
  probes: null,
  intent: RUN_INTENT,
  changeOver: PLAIN_CHANGE_OVER,
  times: NO_UPDATE_TIMES,
  policy: null,
};

/** A status of which nothing more is to be said. Start from this when building statuses in code. */
export const plainStatus: Pick<
  WorkloadStatus,
  "pull" | "pullFailure" | "ready" | "probes" | "gate" | "gateFor" | "hold" | "lastEnd"
> = {
  pull: null,
  pullFailure: null,
  ready: null,
  probes: [],
  gate: { kind: "none" },
  gateFor: null,
  hold: null,
  lastEnd: null,
};
