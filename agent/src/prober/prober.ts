// Prober: asks running containers what their probes want to know, each in its time, and keeps what the answers mean. It works with or
// without a hub, and costs nothing where nothing is probed. One probe never waits for another's answer; all of them together begin at
// most MAX_STARTS_PER_S times a second, and those that wait go in the order in which they were due.
import type { Assignment, Workload } from "@skerry/shared/model/assignment.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Probe, Probes } from "@skerry/shared/model/update.ts";
import type { Clock, Millis, Timer } from "@skerry/shared/runtime/clock.ts";
import type { OwnContainer } from "../core/observed.ts";
import type { Readiness } from "../core/plan/scene.ts";
import {
  type Answer,
  answered,
  asking,
  beginRun,
  dueAt,
  isNews,
  PROBE_NAMES,
  type ProbedRun,
  type ProbeName,
  readinessOf,
  unanswered,
} from "../core/probe.ts";
import { runKey } from "../core/remember.ts";

/** Of all workloads together; what they cost stands in docs/figures.md. More than these wait for their turn. */
export const MAX_STARTS_PER_S = 100;
const START_GAP_MS = 1_000 / MAX_STARTS_PER_S;
/** Each holds a socket: a machine full of hanging services must not run out of files. One probe has at most one in flight. */
export const MAX_IN_FLIGHT = 256;
/** From a time-out to what it means: an engine that is asked about a command has five seconds. */
const SETTLED_WITHIN_MS = 6_000;

/** What a probe is about: one container while it runs. */
export interface ProbeTarget {
  readonly workload: Workload;
  readonly containerId: string;
  readonly addresses: readonly string[];
}

/**
 * Asks once; never rejects, but on a bug. null: nobody could ask. `signal` is aborted when its time is up: then it answers soon what that
 * means, for a command that an engine has not even started is no answer of the container's.
 */
export type Ask = (target: ProbeTarget, probe: Probe, signal: AbortSignal) => Promise<Answer | null>;

export interface ProberParts {
  readonly clock: Clock;
  /** A fixed number in [0, 1) per key. */
  readonly chance: (key: string) => number;
  readonly ask: Ask;
  /** A verdict turned: the reconciler looks again. */
  readonly onNews: () => void;
  readonly onBug: (error: unknown) => void;
}

interface Due {
  readonly dueMs: Millis;
  readonly name: ProbeName;
}

interface Followed {
  readonly run: string;
  readonly probes: Probes;
  readonly probesText: string;
  target: ProbeTarget;
  state: ProbedRun;
  /** The first of its probes that is due; kept, since every start and every answer looks at all that are followed. */
  next: Due | null;
  /** As it is told: changes only with news. */
  told: Readiness;
  readonly gone: AbortController;
  asks: number;
}

export class Prober {
  readonly #parts: ProberParts;
  readonly #followed = new Map<WorkloadId, Followed>();
  #timer: Timer | null = null;
  #lastStartMs: Millis = Number.NEGATIVE_INFINITY;
  #inFlight = 0;

  constructor(parts: ProberParts) {
    this.#parts = parts;
  }

  /** What runs now, as the last look saw it, and whose spec has passed its gate here. The answer is what `plan` is told. */
  follow(
    desired: Assignment | null,
    own: readonly OwnContainer[],
    isProven: (workload: Workload) => boolean,
  ): ReadonlyMap<WorkloadId, Readiness> {
    const wanted = new Map((desired?.workloads ?? []).map((one) => [one.id, one]));
    const running = new Map<WorkloadId, OwnContainer>();
    for (const one of own) {
      const workload = wanted.get(one.workload);
      if (workload === undefined || workload.probes === null || one.specHash !== workload.specHash) continue;
      if (one.summary.status === "running") running.set(one.workload, one);
    }
    for (const [id, held] of this.#followed) {
      if (running.has(id)) continue;
      held.gone.abort();
      this.#followed.delete(id);
    }
    for (const [id, one] of running) {
      const workload = wanted.get(id);
      if (workload !== undefined && workload.probes !== null) this.#take(workload, workload.probes, one, isProven);
    }
    this.#schedule();
    return new Map([...this.#followed].map(([id, { told }]) => [id, told]));
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    for (const { gone } of this.#followed.values()) gone.abort();
    this.#followed.clear();
  }

  #take(
    workload: Workload,
    probes: Probes,
    { details }: OwnContainer,
    isProven: (workload: Workload) => boolean,
  ): void {
    const target: ProbeTarget = { workload, containerId: details.id, addresses: details.addresses };
    const run = runKey(details);
    const probesText = JSON.stringify(probes);
    const held = this.#followed.get(workload.id);
    if (held?.run === run && held.probesText === probesText) {
      held.target = target;
      return;
    }
    held?.gone.abort();
    const { clock, chance } = this.#parts;
    // Not by the run: its key holds a stamp of the wall clock.
    const key = (name: string): number => chance(`probe ${details.id} ${name}`);
    const state = beginRun(probes, details.ranMs ?? 0, isProven(workload), clock.monotonicMs(), key);
    const gone = new AbortController();
    this.#followed.set(workload.id, {
      ...{ run, probes, probesText, target, state, next: firstDue(state), told: readinessOf(state), gone, asks: 0 },
    });
  }

  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const next = this.#next();
    if (next === null || this.#inFlight >= MAX_IN_FLIGHT) return;
    const { clock } = this.#parts;
    const atMs = Math.max(next.dueMs, this.#lastStartMs + START_GAP_MS);
    this.#timer = clock.setTimer(Math.ceil(Math.max(0, atMs - clock.monotonicMs())), () => {
      this.#timer = null;
      this.#startDue();
    });
  }

  #next(): (Due & { readonly held: Followed }) | null {
    let first: Due | null = null;
    let of: Followed | null = null;
    for (const held of this.#followed.values()) {
      if (held.next === null || (first !== null && held.next.dueMs >= first.dueMs)) continue;
      first = held.next;
      of = held;
    }
    return first === null || of === null ? null : { ...first, held: of };
  }

  #startDue(): void {
    const now = this.#parts.clock.monotonicMs();
    const next = this.#next();
    if (next !== null && next.dueMs <= now) {
      this.#lastStartMs = now;
      this.#start(next.held, next.name, now);
    }
    this.#schedule();
  }

  #start(held: Followed, name: ProbeName, now: Millis): void {
    const probe = held.state.states[name]?.probe;
    if (probe === undefined) return;
    held.asks += 1;
    put(
      held,
      asking(held.state, name, now, this.#parts.chance(`probe ${held.target.containerId} ${name} ${held.asks}`)),
    );
    this.#inFlight += 1;
    this.#askOnce(held, probe)
      .then((answer) => this.#onAnswer(held, name, answer))
      .catch((error: unknown) => this.#parts.onBug(error));
  }

  /** Ends soon after the probe's time-out, whatever is being asked does. */
  async #askOnce(held: Followed, probe: Probe): Promise<Answer | null> {
    const { clock, ask } = this.#parts;
    const late = new AbortController();
    const timedOut = Promise.withResolvers<Answer>();
    let timer = clock.setTimer(probe.timeoutMs, () => {
      timer = clock.setTimer(SETTLED_WITHIN_MS, () => timedOut.resolve(unanswered(probe)));
      late.abort();
    });
    try {
      const signal = AbortSignal.any([late.signal, held.gone.signal]);
      return await Promise.race([ask(held.target, probe, signal), timedOut.promise]);
    } finally {
      timer.cancel();
    }
  }

  #onAnswer(held: Followed, name: ProbeName, answer: Answer | null): void {
    this.#inFlight -= 1;
    if (this.#followed.get(held.target.workload.id) === held) {
      const before = held.state;
      put(held, answered(before, name, answer));
      if (isNews(before, held.state)) {
        held.told = readinessOf(held.state);
        this.#parts.onNews();
      }
    }
    this.#schedule();
  }
}

function put(held: Followed, state: ProbedRun): void {
  held.state = state;
  held.next = firstDue(state);
}

function firstDue(state: ProbedRun): Due | null {
  let first: Due | null = null;
  for (const name of PROBE_NAMES) {
    const dueMs = dueAt(state, name);
    if (dueMs !== null && (first === null || dueMs < first.dueMs)) first = { dueMs, name };
  }
  return first;
}
