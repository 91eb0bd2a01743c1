// Remember: what an exit, an unhealthy run or an action's outcome does to a workload's memory, and the events it is worth. Pure.
// Each run's end is counted once (`countedExit`), whoever looks and however often.
import type { Assignment, Workload } from "@skerry/shared/model/assignment.ts";
import type { NodeEvent } from "@skerry/shared/model/event.ts";
import { exitInWords } from "@skerry/shared/model/exit-words.ts";
import type { SpecHash, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Exit, PullFailure } from "@skerry/shared/model/report.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { ContainerDetails, EngineErrorKind } from "../engine/engine.ts";
import type { Action } from "./action.ts";
import { type EndedRun, MAX_ENDED_RUNS, type WorkloadMemory } from "./memory.ts";
import type { OwnContainer } from "./observed.ts";
import type { EndSeen, Readiness } from "./plan/scene.ts";
import { type During, REFUSED_RETRY_MS, retryDelayMs, stableRunMs, wantsRestart } from "./retry.ts";

export interface Moment {
  readonly bootId: string;
  readonly now: Millis;
  /** A number in [0, 1) per key. */
  readonly chance: (key: string) => number;
}

export interface Remembered {
  readonly memory: WorkloadMemory;
  readonly events: readonly NodeEvent[];
}

export type Outcome =
  | { readonly ok: true; readonly containerId: string | null; readonly tookMs: number }
  | {
      readonly ok: false;
      readonly kind: EngineErrorKind;
      readonly message: string;
      readonly pullFailure?: PullFailure;
    };

export interface OutcomeChanges {
  readonly memory: readonly { readonly id: WorkloadId; readonly memory: WorkloadMemory }[];
  readonly events: readonly NodeEvent[];
}

/** An engine's complaint may hold a page; a screen and a ledger want the beginning. */
const MAX_REASON = 500;

export function freshMemory(specHash: SpecHash): WorkloadMemory {
  return {
    specHash,
    failures: 0,
    nextTry: null,
    during: null,
    reason: "",
    lastExit: null,
    restarts: 0,
    ended: null,
    pullFailure: null,
    refusedWith: null,
    pulled: false,
    countedExit: null,
    gate: null,
    restartsDone: null,
    endRun: null,
    stoppedRun: null,
    stopped: false,
    runs: [],
  };
}

/** Another spec hash starts afresh, but for what is about the workload and not about one spec. */
export function memoryFor(held: WorkloadMemory | undefined, specHash: SpecHash): WorkloadMemory {
  if (held === undefined) return freshMemory(specHash);
  if (held.specHash === specHash) return held;
  const { gate, restartsDone, stoppedRun, stopped, runs } = held;
  return { ...freshMemory(specHash), gate, restartsDone, stoppedRun, stopped, runs };
}

/** One run of one container. */
export function runKey(details: Pick<ContainerDetails, "id" | "startedAt">): string {
  return `${details.id} ${details.startedAt}`;
}

/**
 * A wait that was agreed on in another boot is waited anew, as long as it was: nobody knows how much of it passed. So is one that lies
 * further ahead than it was long, which a monotonic clock that started again would bring about.
 */
export function renewWait(memory: WorkloadMemory, { bootId, now }: Moment): WorkloadMemory {
  const wait = memory.nextTry;
  if (wait === null) return memory;
  if (wait.bootId === bootId && wait.atMs - now <= wait.delayMs) return memory;
  return { ...memory, nextTry: { bootId, atMs: now + wait.delayMs, delayMs: wait.delayMs } };
}

/** Our own stop: the end of this run is not the workload's failure. */
export function stoppedOnPurpose(memory: WorkloadMemory, own: OwnContainer): WorkloadMemory {
  return { ...memory, countedExit: runKey(own.details) };
}

/** A run that lasted: what follows counts afresh. */
export function provenStable(memory: WorkloadMemory): WorkloadMemory {
  return { ...memory, failures: 0, nextTry: null, during: null, reason: "", pullFailure: null, refusedWith: null };
}

/** What was seen of a run beyond what the engine tells. */
export interface RunSeen {
  /** null: it has not ended, or nobody saw more. */
  readonly end: EndSeen | null;
  /** null: it has no probes. */
  readonly probed: Readiness | null;
  readonly metered: boolean;
}

export const NOTHING_SEEN: RunSeen = { end: null, probed: null, metered: false };

/** Counts the end of the container's present run, or that it is unhealthy or not alive, unless that was counted before. */
export function countRun(
  memory: WorkloadMemory,
  own: OwnContainer,
  workload: Workload,
  moment: Moment,
  seen: RunSeen = NOTHING_SEEN,
): Remembered {
  const { details } = own;
  const key = runKey(details);
  if (details.ranMs === null || memory.countedExit === key) return { memory, events: [] };
  const counted: WorkloadMemory = { ...memory, countedExit: key };
  if (details.status === "exited" || details.status === "dead") return countExit(counted, own, workload, moment, seen);
  if (details.status !== "running" || workload.spec.restart.policy === "no") return { memory, events: [] };
  if (details.health === "unhealthy") return countUnhealthy(counted, own, workload, moment);
  if (seen.probed?.alive === false) return countDead(counted, seen.probed, workload, moment);
  return { memory, events: [] };
}

function countExit(
  memory: WorkloadMemory,
  own: OwnContainer,
  workload: Workload,
  moment: Moment,
  { end, metered }: RunSeen,
): Remembered {
  const exit = exitOf(own.details);
  const { restart, memoryBytes } = workload.spec;
  const words = exitInWords(exit, memoryBytes, end?.by ?? null);
  const tail = [...(end?.tail ?? [])];
  // Of a loop the first says it all, where each byte is paid for; the node itself keeps them.
  const again = memory.failures > 0 && memory.lastExit?.code === exit.code && memory.lastExit.oom === exit.oom;
  const exited: NodeEvent = {
    ...{ kind: "container-exited", workload: workload.id, containerId: own.summary.id, exit, words },
    tail: metered && again ? [] : tail,
  };
  const known: WorkloadMemory = { ...memory, lastExit: exit };
  // A stable run wipes the slate: this end is the first failure.
  const before = exit.ranMs >= stableRunMs(restart) ? 0 : memory.failures;
  const next = lastEnd(known, workload, exit, words) ?? restartAfter(known, before, workload, words, moment);
  const run = { exit, words, tail, failures: next.memory.failures, bootId: moment.bootId, atMs: moment.now };
  return { memory: { ...next.memory, runs: withRun(memory.runs, run) }, events: [exited, ...next.events] };
}

function restartAfter(
  memory: WorkloadMemory,
  failures: number,
  workload: Workload,
  words: string,
  moment: Moment,
): Remembered {
  const next = addFailure({ ...memory, failures }, workload, "run", words, moment);
  const restarts = next.memory.ended === null ? memory.restarts + 1 : memory.restarts;
  return { memory: { ...next.memory, restarts }, events: next.events };
}

function withRun(runs: readonly EndedRun[], newest: EndedRun): readonly EndedRun[] {
  return [newest, ...runs.map((run) => (run.tail.length === 0 ? run : { ...run, tail: [] }))].slice(0, MAX_ENDED_RUNS);
}

/** Whether the restart intent says that this end is the last. */
function lastEnd(memory: WorkloadMemory, { id, spec }: Workload, exit: Exit, words: string): Remembered | null {
  if (wantsRestart(spec.restart, exit.code)) return null;
  const resting: WorkloadMemory = { ...memory, nextTry: null, during: null, reason: "" };
  if (exit.code === 0) return { memory: { ...resting, ended: { kind: "completed", exit } }, events: [] };
  const reason = `${words}, and its restart policy is "no"`;
  return {
    memory: { ...resting, ended: { kind: "failed", reason } },
    events: [{ kind: "workload-failed", workload: id, reason }],
  };
}

function countUnhealthy(memory: WorkloadMemory, own: OwnContainer, workload: Workload, moment: Moment): Remembered {
  const output = cut(own.details.healthOutput.trim());
  const unhealthy: NodeEvent = {
    kind: "container-unhealthy",
    workload: workload.id,
    containerId: own.summary.id,
    output,
  };
  const next = restartAfter(
    memory,
    memory.failures,
    workload,
    output === "" ? "unhealthy: its health check fails and says nothing" : `unhealthy: ${output}`,
    moment,
  );
  return { memory: next.memory, events: [unhealthy, ...next.events] };
}

function countDead(memory: WorkloadMemory, probed: Readiness, workload: Workload, moment: Moment): Remembered {
  const probe = probed.startupDone ? "liveness" : "startup";
  const answer = probed.answers.find((one) => one.probe === probe)?.answer ?? "no answer";
  const failed: NodeEvent = { kind: "probe-failed", workload: workload.id, probe, answer };
  const next = restartAfter(memory, memory.failures, workload, `not alive: ${probed.reason}`, moment);
  return { memory: next.memory, events: [failed, ...next.events] };
}

/** One more failure in a row, and when the next try is due; or the end, when `on-failure` allows no more tries. */
export function addFailure(
  memory: WorkloadMemory,
  workload: Workload,
  during: During,
  fullReason: string,
  moment: Moment,
): Remembered {
  const { restart } = workload.spec;
  const reason = cut(fullReason);
  const failures = memory.failures + 1;
  const most = during === "run" && restart.policy === "on-failure" ? restart.maxAttempts : null;
  if (most !== null && failures > most) {
    const given = `gave up after ${most} restarts: ${reason}`;
    return {
      memory: {
        ...memory,
        failures,
        nextTry: null,
        during,
        reason: given,
        ended: { kind: "failed", reason: given },
      },
      events: [{ kind: "workload-failed", workload: workload.id, reason: given }],
    };
  }
  const delayMs = retryDelayMs(restart, during, failures, moment.chance(`${workload.id} ${failures}`));
  const failed = {
    ...memory,
    failures,
    nextTry: waitFor(delayMs, moment),
    during,
    reason,
    ended: null,
    pullFailure: null,
    refusedWith: null,
  };
  const attempt = failures + 1;
  return {
    memory: failed,
    events:
      delayMs === 0 ? [] : [{ kind: "backing-off", workload: workload.id, attempt, nextTryInMs: delayMs, reason }],
  };
}

function waitFor(delayMs: number, { bootId, now }: Moment): WorkloadMemory["nextTry"] {
  return delayMs === 0 ? null : { bootId, atMs: now + delayMs, delayMs };
}

/** What the outcome of one action changes. An engine that did not answer is not the workload's failure: nothing changes. */
export function rememberOutcome(
  desired: Assignment | null,
  memory: ReadonlyMap<WorkloadId, WorkloadMemory>,
  action: Action,
  outcome: Outcome,
  moment: Moment,
): OutcomeChanges {
  if (!outcome.ok && outcome.kind === "unreachable") return NOTHING;
  switch (action.kind) {
    case "pull-image":
      return rememberPull(desired, memory, action, outcome, moment);
    case "create-container":
      return rememberCreate(memory, action.workload, outcome, moment);
    case "start-container":
      return rememberStart(desired, memory, action, outcome, moment);
    case "remove-container":
      return outcome.ok ? { memory: [], events: [removedEvent(action)] } : NOTHING;
    case "stop-container":
    case "rename-container":
    case "connect-network":
    case "change-aliases":
    case "let-settle":
    case "create-network":
    case "remove-network":
    case "create-volume":
      // Their failures belong to the lane, not to the workload: the loop lets the lane rest.
      return NOTHING;
    default:
      return assertNever(action);
  }
}

const NOTHING: OutcomeChanges = { memory: [], events: [] };

function removedEvent(action: Extract<Action, { kind: "remove-container" }>): NodeEvent {
  const { workload, containerId, reason } = action;
  return { kind: "container-removed", workload, containerId, reason };
}

/** One pull serves, and one failed pull holds back, every workload that wants the image. */
function rememberPull(
  desired: Assignment | null,
  memory: ReadonlyMap<WorkloadId, WorkloadMemory>,
  action: Extract<Action, { kind: "pull-image" }>,
  outcome: Outcome,
  moment: Moment,
): OutcomeChanges {
  const { workload, image, platform, credential } = action;
  const wanting = (desired?.workloads ?? []).filter(
    ({ spec }) => spec.image === image && spec.platform === platform && spec.pullPolicy !== "never",
  );
  if (outcome.ok) {
    const changes = wanting.flatMap((wanted) => {
      const held = memoryFor(memory.get(wanted.id), wanted.specHash);
      const after = pulledMemory(held, wanted);
      return after === held ? [] : [{ id: wanted.id, memory: after }];
    });
    return { memory: changes, events: [{ kind: "image-pulled", workload, image, tookMs: Math.round(outcome.tookMs) }] };
  }
  const reason = cut(outcome.message);
  const failure = outcome.pullFailure ?? "other";
  const refusedWith = failure === "unauthorised" ? (credential?.version ?? null) : null;
  const failed = wanting.map((wanted) => {
    const held = memoryFor(memory.get(wanted.id), wanted.specHash);
    const next = addFailure(held, wanted, "pull", `could not pull ${image}: ${reason}`, moment);
    return { id: wanted.id, ...next, memory: { ...next.memory, pullFailure: failure, refusedWith } };
  });
  return {
    memory: failed.map(({ id, memory: after }) => ({ id, memory: after })),
    events: [
      { kind: "image-pull-failed", workload, image, reason, failure },
      ...failed.flatMap(({ events }) => events),
    ],
  };
}

function pulledMemory(held: WorkloadMemory, { spec }: Workload): WorkloadMemory {
  const proven = held.during === "pull" ? provenStable(held) : held;
  return spec.pullPolicy === "always" && !held.pulled ? { ...proven, pulled: true } : proven;
}

function rememberCreate(
  memory: ReadonlyMap<WorkloadId, WorkloadMemory>,
  workload: Workload,
  outcome: Outcome,
  moment: Moment,
): OutcomeChanges {
  const held = memoryFor(memory.get(workload.id), workload.specHash);
  if (outcome.ok) {
    const created: NodeEvent = {
      kind: "container-created",
      workload: workload.id,
      containerId: outcome.containerId ?? "",
    };
    const settled = held.during === "create" || held.ended !== null;
    const after: WorkloadMemory = { ...held, during: null, nextTry: null, ended: null };
    return { memory: settled ? [{ id: workload.id, memory: after }] : [], events: [created] };
  }
  if (outcome.kind !== "invalid")
    return one(workload.id, addFailure(held, workload, "create", outcome.message, moment));
  const reason = cut(`the engine refuses it: ${outcome.message}`);
  const refused: WorkloadMemory = {
    ...held,
    failures: held.failures + 1,
    during: "create",
    reason,
    nextTry: waitFor(REFUSED_RETRY_MS, moment),
    ended: { kind: "failed", reason },
  };
  // Said once: the seldom further tries with the same answer are no news.
  const news = held.ended?.kind === "failed" && held.ended.reason === reason;
  const events: NodeEvent[] = news ? [] : [{ kind: "workload-failed", workload: workload.id, reason }];
  return { memory: [{ id: workload.id, memory: refused }], events };
}

function rememberStart(
  desired: Assignment | null,
  memory: ReadonlyMap<WorkloadId, WorkloadMemory>,
  action: Extract<Action, { kind: "start-container" }>,
  outcome: Outcome,
  moment: Moment,
): OutcomeChanges {
  if (outcome.ok) {
    const containerId = outcome.containerId ?? "";
    return { memory: [], events: [{ kind: "container-started", workload: action.workload, containerId }] };
  }
  const workload = desired?.workloads.find(({ id }) => id === action.workload);
  if (workload === undefined) return NOTHING;
  const held = memoryFor(memory.get(workload.id), workload.specHash);
  // "Not found" at a start: the container, or something it was made with (a network made anew), is gone. Only a new one helps,
  // and `during: "create"` is what makes the plan make it.
  const during = outcome.kind === "not-found" ? "create" : "start";
  return one(workload.id, addFailure(held, workload, during, outcome.message, moment));
}

function one(id: WorkloadId, { memory, events }: Remembered): OutcomeChanges {
  return { memory: [{ id, memory }], events };
}

export function exitOf(details: ContainerDetails): Exit {
  return {
    code: details.exitCode,
    oom: details.oomKilled,
    error: cut(details.error),
    ranMs: Math.max(0, Math.round(details.ranMs ?? 0)),
  };
}

function cut(text: string): string {
  const line = text.replaceAll("\0", "").trim();
  return line.length <= MAX_REASON ? line : `${line.slice(0, MAX_REASON)}…`;
}
