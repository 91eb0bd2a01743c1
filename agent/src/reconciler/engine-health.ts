// EngineHealth: whether the engine answers, and when to ask again. While it does not, one ping at a time is all that is asked of it:
// calls to a hanging engine must not pile up.
import { equalJitterMs } from "@skerry/shared/runtime/backoff.ts";
import { type Clock, DeadlineError, type Millis, withDeadline } from "@skerry/shared/runtime/clock.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import { type Engine, EngineError } from "../engine/engine.ts";

/** Soon enough that a restarted engine's containers are back within seconds; one ping costs next to nothing. */
const ASK_AGAIN = { baseMs: 500, capMs: 5_000 } as const;
/** A healthy engine answers a ping in milliseconds; a busy Pi within a second or two. */
const PING_DEADLINE_MS = 10_000;
/** Complaints of an engine that does answer: so many in a row count as lost. */
const COMPLAINTS = 3;

type Away = { readonly sinceMs: Millis; readonly reason: string; readonly tries: number; readonly nextAskMs: Millis };

export class EngineHealth {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #random: Random;
  #away: Away | null = null;
  #complaints = 0;
  #instance: string | null = null;

  constructor(engine: Engine, clock: Clock, random: Random) {
    this.#engine = engine;
    this.#clock = clock;
    this.#random = random;
  }

  /** null: it answers. */
  away(): Away | null {
    return this.#away;
  }

  answered(): void {
    this.#complaints = 0;
  }

  /** Says whether this failure is what makes it lost. */
  failed(error: EngineError): boolean {
    this.#complaints += 1;
    const lost = error.kind === "unreachable" || this.#complaints >= COMPLAINTS;
    if (!lost || this.#away !== null) return false;
    const now = this.#clock.monotonicMs();
    this.#away = { sinceMs: now, reason: error.message, tries: 0, nextAskMs: now + this.#delayMs(1) };
    return true;
  }

  /** Asks once, when it is time. null: still away. */
  async ask(): Promise<{ readonly downMs: number; readonly restarted: boolean } | null> {
    const away = this.#away;
    if (away === null || this.#clock.monotonicMs() < away.nextAskMs) return null;
    try {
      await withDeadline(this.#clock, "ping", PING_DEADLINE_MS, () => this.#engine.ping());
      const before = this.#instance;
      await this.#readInstance();
      this.#away = null;
      this.#complaints = 0;
      const downMs = Math.max(0, Math.round(this.#clock.monotonicMs() - away.sinceMs));
      return { downMs, restarted: before !== null && before !== this.#instance };
    } catch (error) {
      if (!(error instanceof EngineError) && !(error instanceof DeadlineError)) throw error;
      const tries = away.tries + 1;
      const nextAskMs = this.#clock.monotonicMs() + this.#delayMs(tries + 1);
      this.#away = { ...away, tries, nextAskMs, reason: error.message };
      return null;
    }
  }

  /** Asks at the start which engine this is. null: it answered. */
  async learn(): Promise<EngineError | null> {
    try {
      await this.#readInstance();
      return null;
    } catch (error) {
      if (error instanceof EngineError) return error;
      if (error instanceof DeadlineError) return new EngineError("unreachable", error.message);
      throw error;
    }
  }

  /** Remembered to tell a restarted engine from one that only hung. */
  async #readInstance(): Promise<void> {
    const facts = await withDeadline(this.#clock, "engine facts", PING_DEADLINE_MS, () => this.#engine.facts());
    this.#instance = facts.instance;
  }

  #delayMs(attempt: number): number {
    return equalJitterMs(ASK_AGAIN, attempt, this.#random.next());
  }
}
