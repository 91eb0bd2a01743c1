// Probe: what the answers of our own probes mean for one run of a container. Pure: answers and times go in, verdicts and the next times
// come out. The startup probe holds the other two back until it has succeeded once; a run that it gives up is not alive.
import type { ProbeAnswer } from "@skerry/shared/model/report.ts";
import type { Probe, Probes } from "@skerry/shared/model/update.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Readiness } from "./plan/scene.ts";

export const PROBE_NAMES = ["startup", "readiness", "liveness"] as const;
export type ProbeName = (typeof PROBE_NAMES)[number];

/** `what` says the kind of answer ("HTTP 503", "connection refused"), `detail` what changes from time to time. */
export interface Answer {
  readonly ok: boolean;
  readonly what: string;
  readonly detail: string;
}

/** What is said of one whose time is up. */
export const unanswered = ({ timeoutMs }: Pick<Probe, "timeoutMs">): Answer => ({
  ...{ ok: false, what: `no answer within ${timeoutMs / 1_000} s`, detail: "" },
});

export interface ProbeState {
  readonly probe: Probe;
  /** `unknown`: neither threshold was ever reached. */
  readonly verdict: "unknown" | "good" | "bad";
  /** In a row. */
  readonly failures: number;
  readonly successes: number;
  readonly last: Answer | null;
  readonly dueMs: Millis;
  /** Asked, and not answered yet. */
  readonly asked: boolean;
}

export interface ProbedRun {
  readonly states: Readonly<Record<ProbeName, ProbeState | null>>;
}

/** Asked this much earlier or later than an interval says, so that probes that began together drift apart. */
const JITTER_SHARE = 0.05;

/** `ageMs`: for how long the run has been running. `isProven`: its spec has passed its gate on this node. `chance`: in [0, 1). */
export function beginRun(
  probes: Probes,
  ageMs: number,
  isProven: boolean,
  now: Millis,
  chance: (key: string) => number,
): ProbedRun {
  const state = (name: ProbeName): ProbeState | null => {
    const probe = probes[name];
    if (probe === null) return null;
    const waitMs = Math.max(0, probe.initialDelayMs - ageMs) + chance(name) * probe.intervalMs * JITTER_SHARE;
    return { probe, verdict: "unknown", failures: 0, successes: 0, last: null, dueMs: now + waitMs, asked: false };
  };
  const startup = state("startup");
  const isOld = startup !== null && ageMs > longestStartMs(startup.probe);
  return {
    states: {
      startup: isOld ? outlived(startup, isProven) : startup,
      readiness: state("readiness"),
      liveness: state("liveness"),
    },
  };
}

/**
 * Found running for longer than its startup probe allows, by an agent that comes anew. What is proven has started, and is not asked again;
 * nobody may have asked the other while no agent was there: it must still answer, and is not restarted when it does not.
 */
function outlived(startup: ProbeState, isProven: boolean): ProbeState {
  return isProven
    ? { ...startup, verdict: "good" }
    : { ...startup, probe: { ...startup.probe, failureThreshold: Number.POSITIVE_INFINITY } };
}

function longestStartMs({ initialDelayMs, intervalMs, timeoutMs, failureThreshold }: Probe): number {
  return initialDelayMs + failureThreshold * Math.max(intervalMs, timeoutMs);
}

/** Asked now and not sooner: what is held back, in flight or settled is not due. */
export function dueAt(run: ProbedRun, name: ProbeName): Millis | null {
  const state = run.states[name];
  if (state === null || state.asked) return null;
  switch (name) {
    case "startup":
      return state.verdict === "unknown" ? state.dueMs : null;
    case "readiness":
    case "liveness":
      return startupDone(run) ? state.dueMs : null;
    default:
      return assertNever(name);
  }
}

/** The next one is due an interval after this one began. */
export function asking(run: ProbedRun, name: ProbeName, now: Millis, chance: number): ProbedRun {
  const state = run.states[name];
  if (state === null) return run;
  const jitter = 1 + (chance * 2 - 1) * JITTER_SHARE;
  return put(run, name, { ...state, asked: true, dueMs: now + state.probe.intervalMs * jitter });
}

/** null: nobody could ask (the engine was away), which says nothing of the container. */
export function answered(run: ProbedRun, name: ProbeName, answer: Answer | null): ProbedRun {
  const state = run.states[name];
  if (state === null) return run;
  if (answer === null) return put(run, name, { ...state, asked: false });
  const failures = answer.ok ? 0 : state.failures + 1;
  const successes = answer.ok ? state.successes + 1 : 0;
  const { successThreshold, failureThreshold } = state.probe;
  const verdict = successes >= successThreshold ? "good" : failures >= failureThreshold ? "bad" : state.verdict;
  return put(run, name, { ...state, asked: false, failures, successes, verdict, last: answer });
}

function put(run: ProbedRun, name: ProbeName, state: ProbeState): ProbedRun {
  return { states: { ...run.states, [name]: state } };
}

const startupDone = ({ states }: ProbedRun): boolean => states.startup === null || states.startup.verdict === "good";

export function readinessOf(run: ProbedRun): Readiness {
  const { startup, readiness, liveness } = run.states;
  const done = startupDone(run);
  const ready = done && (readiness === null || readiness.verdict === "good");
  const alive = startup?.verdict !== "bad" && liveness?.verdict !== "bad";
  return { ready, startupDone: done, alive, reason: reasonOf(run, ready, alive), answers: answersOf(run) };
}

function reasonOf({ states }: ProbedRun, ready: boolean, alive: boolean): string {
  if (ready && alive) return "";
  const bad = PROBE_NAMES.find((name) => states[name]?.verdict === "bad");
  const name = bad ?? PROBE_NAMES.find((one) => states[one] !== null && states[one].verdict !== "good") ?? "readiness";
  const last = states[name]?.last ?? null;
  if (last === null) return `its ${name} probe has not answered yet`;
  if (last.ok) return `its ${name} probe must succeed more often in a row; last: ${answerText(last)}`;
  return `its ${name} probe fails: ${answerText(last)}`;
}

export function answerText({ what, detail }: Answer): string {
  return detail === "" ? what : `${what}: ${detail}`;
}

function answersOf({ states }: ProbedRun): readonly ProbeAnswer[] {
  return PROBE_NAMES.flatMap((probe) => {
    const state = states[probe];
    if (state === null || state.last === null) return [];
    const { last, failures } = state;
    return [{ probe, ok: last.ok, answer: answerText(last), failures }];
  });
}

/** Worth a look and a report: a verdict turned, or what is bad is bad in another way. A single answer that wobbles is not. */
export function isNews(before: ProbedRun, after: ProbedRun): boolean {
  return PROBE_NAMES.some((name) => newsKey(before.states[name]) !== newsKey(after.states[name]));
}

function newsKey(state: ProbeState | null): string {
  if (state === null) return "";
  // What was never good yet shows from its first answer on why.
  const shown = state.verdict === "good" ? "" : (state.last?.what ?? "");
  return `${state.verdict} ${shown}`;
}
