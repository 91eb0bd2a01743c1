// Lanes: the plan's actions under way. One lane per key at a time; a lane ends at its first failure; dear calls wait for a slot; right
// before each call it is asked whether it is still wanted. Decides nothing: the next look does.
import type { Assignment } from "@skerry/shared/model/assignment.ts";
import { backoffCeilingMs, equalJitterMs } from "@skerry/shared/runtime/backoff.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import type { Action, Lane } from "../core/action.ts";
import type { LinkState } from "../core/link-state.ts";
import type { PullUnderWay, Rest } from "../core/plan/scene.ts";
import type { Outcome } from "../core/remember.ts";
import type { PullProgress } from "../engine/engine.ts";
import { type ExecuteParts, execute } from "./execute.ts";
import { Slots } from "./slots.ts";
import { stillWanted } from "./still-wanted.ts";

/** Creating and starting keep a Pi's SD card and all four cores busy; more at once only makes each slower. */
const STARTS_AT_ONCE = 4;
/** Two pulls fill any far-out link; more would make none arrive. */
const PULLS_AT_ONCE = 2;
/** Everything else is light, or waits for a process to end; this only bounds what a faulty engine can pile up. */
const OTHERS_AT_ONCE = 64;

/** Failures that are no workload's own: networks, volumes, removals. The cap is low: what blocks them is usually short. */
const REST = { baseMs: 1_000, capMs: 30_000 } as const;
/**
 * The same lane so often within the span is an engine that does not show what it was told: it rests instead of turning in a loop, twice
 * as long each time, and starts afresh after a quiet time.
 */
const BRAKE = { launches: 10, spanMs: 10_000, quietMs: 900_000 } as const;
const BRAKE_REST = { baseMs: 10_000, capMs: 300_000 } as const;

export interface LaneParts extends ExecuteParts {
  readonly random: Random;
  readonly log: Log;
  readonly link: () => LinkState;
  /** An action ended. Must not throw but on a bug. */
  readonly onOutcome: (lane: Lane, action: Action, outcome: Outcome) => void;
  readonly onEnd: (lane: Lane) => void;
  /** A bug: nothing is sure any more. */
  readonly onBug: (error: unknown) => void;
}

const NOTHING_PULLED: PullProgress = { doneBytes: 0, totalBytes: 0, doneLayers: 0, totalLayers: 0 };

interface Flight {
  readonly lane: Lane;
  readonly planned: Assignment | null;
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

interface Launches {
  readonly sinceMs: Millis;
  readonly count: number;
  /** Times that it was braked. */
  readonly brakes: number;
}

interface Failing {
  readonly failures: number;
  readonly rest: Rest;
}

export class Lanes {
  readonly #parts: LaneParts;
  readonly #flights = new Map<string, Flight>();
  readonly #pulls = new Map<string, PullUnderWay>();
  /** By lane: the container that it has made. */
  readonly #created = new Map<string, string>();
  readonly #failing = new Map<string, Failing>();
  readonly #launches = new Map<string, Launches>();
  readonly #starts = new Slots(STARTS_AT_ONCE);
  readonly #pullSlots = new Slots(PULLS_AT_ONCE);
  readonly #others = new Slots(OTHERS_AT_ONCE);
  #stopped = false;

  constructor(parts: LaneParts) {
    this.#parts = parts;
  }

  busy(): ReadonlyMap<string, Lane> {
    return new Map([...this.#flights].map(([key, { lane }]) => [key, lane]));
  }

  /** Those that have their turn. */
  pulls(): ReadonlyMap<string, PullUnderWay> {
    return this.#pulls;
  }

  resting(): ReadonlyMap<string, Rest> {
    return new Map([...this.#failing].map(([key, { rest }]) => [key, rest]));
  }

  /** Containers that a lane in flight removes. */
  beingRemoved(): ReadonlySet<string> {
    const ids = [...this.#flights.values()].flatMap(({ lane }) =>
      lane.actions.flatMap((action) => (action.kind === "remove-container" ? [action.containerId] : [])),
    );
    return new Set(ids);
  }

  /** Containers that a lane in flight works on: the engine answers for them only when it is done. */
  inWork(): ReadonlySet<string> {
    const ids = new Set(this.#created.values());
    for (const { lane } of this.#flights.values()) {
      for (const action of lane.actions) {
        if ("containerId" in action && action.containerId !== null) ids.add(action.containerId);
      }
    }
    return ids;
  }

  /** A key that is in flight is left alone. */
  launch(lane: Lane, planned: Assignment | null): void {
    if (this.#stopped || this.#flights.has(lane.key) || this.#brake(lane)) return;
    const abort = new AbortController();
    // The flight is entered before the first step, which may end at once.
    const begin = Promise.withResolvers<void>();
    const done = begin.promise.then(() => this.#fly(lane, planned, abort.signal));
    this.#flights.set(lane.key, { lane, planned, abort, done });
    begin.resolve();
  }

  /** Ends pulls that nobody wants any more. */
  cancelUnwanted(held: Assignment | null): void {
    for (const { lane, planned, abort } of this.#flights.values()) {
      const [first] = lane.actions;
      if (first?.kind !== "pull-image") continue;
      if (!stillWanted(first, planned, held, this.#parts.link(), this.#parts.clock.monotonicMs())) abort.abort();
    }
  }

  /** After the engine was away: what failed then says nothing about now. */
  forgetRests(): void {
    this.#failing.clear();
  }

  /** Rests that are over and had no failure since are forgotten. */
  tidy(): void {
    const now = this.#parts.clock.monotonicMs();
    for (const [key, { rest }] of this.#failing) {
      if (now - rest.untilMs > REST.capMs * 2) this.#failing.delete(key);
    }
    for (const [key, { sinceMs }] of this.#launches) {
      if (now - sinceMs > BRAKE.quietMs) this.#launches.delete(key);
    }
  }

  /** No further action begins; resolves when those in flight have ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const flights = [...this.#flights.values()];
    for (const { abort } of flights) abort.abort();
    await Promise.all(flights.map(({ done }) => done));
  }

  async #fly(lane: Lane, planned: Assignment | null, signal: AbortSignal): Promise<void> {
    try {
      await this.#runAll(lane, planned, signal);
    } catch (error) {
      this.#parts.onBug(error);
    } finally {
      this.#flights.delete(lane.key);
      this.#pulls.delete(lane.key);
      this.#created.delete(lane.key);
      if (!this.#stopped) this.#parts.onEnd(lane);
    }
  }

  async #runAll(lane: Lane, planned: Assignment | null, signal: AbortSignal): Promise<void> {
    let created: string | null = null;
    for (const action of lane.actions) {
      const outcome = await this.#runOne(lane, action, planned, created, signal);
      if (outcome === null) return;
      if (action.kind === "create-container" && outcome.ok && outcome.containerId !== null) {
        created = outcome.containerId;
        this.#created.set(lane.key, created);
      }
      if (!outcome.ok) this.#parts.log.warn(`${action.kind} failed`, { lane: lane.key, reason: outcome.message });
      this.#parts.onOutcome(lane, action, outcome);
      if (!outcome.ok) return this.#letRest(lane, action, outcome);
    }
    this.#failing.delete(lane.key);
  }

  /** null: not wanted any more. */
  async #runOne(
    lane: Lane,
    action: Action,
    planned: Assignment | null,
    created: string | null,
    signal: AbortSignal,
  ): Promise<Outcome | null> {
    const giveBack = await this.#slotsFor(action).take();
    try {
      const { clock, desired, link } = this.#parts;
      if (this.#stopped || signal.aborted) return null;
      if (!stillWanted(action, planned, desired(), link(), clock.monotonicMs())) return null;
      const sinceMs = clock.monotonicMs();
      if (action.kind === "pull-image") this.#pulls.set(lane.key, { ...NOTHING_PULLED, sinceMs });
      const progress = (now: PullProgress): void => {
        this.#pulls.set(lane.key, { ...now, sinceMs });
      };
      const outcome = await execute(this.#parts, action, { created, progress, signal });
      // A pull that was called off has failed for nobody.
      return signal.aborted && !outcome.ok ? null : outcome;
    } finally {
      giveBack();
    }
  }

  #slotsFor({ kind }: Action): Slots {
    if (kind === "pull-image") return this.#pullSlots;
    return kind === "create-container" || kind === "start-container" ? this.#starts : this.#others;
  }

  #letRest(lane: Lane, action: Action, outcome: Extract<Outcome, { ok: false }>): void {
    if (outcome.kind !== "unreachable" && failsItsWorkload(lane, action)) return;
    const failures = (this.#failing.get(lane.key)?.failures ?? 0) + 1;
    const sinceMs = this.#parts.clock.monotonicMs();
    const delayMs = equalJitterMs(REST, failures, this.#parts.random.next());
    const reason = outcome.message;
    this.#failing.set(lane.key, { failures, rest: { sinceMs, untilMs: sinceMs + delayMs, reason } });
  }

  #brake({ key }: Lane): boolean {
    const now = this.#parts.clock.monotonicMs();
    const held = this.#launches.get(key) ?? { sinceMs: now, count: 0, brakes: 0 };
    const { count, sinceMs, brakes } = now - held.sinceMs > BRAKE.spanMs ? { ...held, sinceMs: now, count: 0 } : held;
    this.#launches.set(key, { sinceMs, count: count + 1, brakes });
    if (count < BRAKE.launches) return false;
    this.#parts.log.error("the same actions were planned too often: the engine does not show what it was told", {
      lane: key,
    });
    const reason = "repairing it had no effect that the engine shows; trying again shortly";
    const restMs = backoffCeilingMs(BRAKE_REST, brakes + 1);
    this.#failing.set(key, { failures: 1, rest: { sinceMs: now, untilMs: now + restMs, reason } });
    this.#launches.set(key, { sinceMs: now, count: 0, brakes: brakes + 1 });
    return true;
  }
}

/** Its failure is written into the workload's memory (see `rememberOutcome`); everything else lets the lane rest. */
export function failsItsWorkload({ key }: Lane, action: Action): boolean {
  switch (action.kind) {
    case "pull-image":
    case "create-container":
      return true;
    case "start-container":
      return key === action.workload;
    default:
      return false;
  }
}
