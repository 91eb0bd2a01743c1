// Pace: so much of something at once, and then one in so long, for each key by itself. In memory, of fixed size, by the monotonic clock: a restart
// forgives, and no file grows.
import type { Clock, Millis } from "@skerry/shared/runtime/clock.ts";

export interface PaceLimit {
  readonly burst: number;
  readonly eachMs: number;
}

export class Pace {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #limit: PaceLimit;
  readonly #most: number;
  /** When all that was taken is worn off. */
  readonly #wornOffAtMs = new Map<string, Millis>();

  /** `most`: keys that are remembered; the one used longest ago goes. */
  constructor(clock: Pick<Clock, "monotonicMs">, limit: PaceLimit, most: number) {
    this.#clock = clock;
    this.#limit = limit;
    this.#most = most;
  }

  get size(): number {
    return this.#wornOffAtMs.size;
  }

  /** Milliseconds to wait; 0: go on. */
  waitMs(key: string): number {
    const { burst, eachMs } = this.#limit;
    const now = this.#clock.monotonicMs();
    return Math.max(0, (this.#wornOffAtMs.get(key) ?? now) - now - (burst - 1) * eachMs);
  }

  take(key: string): void {
    const now = this.#clock.monotonicMs();
    const atMs = Math.max(now, this.#wornOffAtMs.get(key) ?? now) + this.#limit.eachMs;
    remember(this.#wornOffAtMs, key, atMs, this.#most);
  }

  /** What was taken last was none. */
  giveBack(key: string): void {
    const atMs = this.#wornOffAtMs.get(key);
    if (atMs !== undefined) this.#wornOffAtMs.set(key, atMs - this.#limit.eachMs);
  }
}

/** Sets it; of more than `most` the one that was set longest ago goes. */
export function remember<V>(table: Map<string, V>, key: string, value: V, most: number): void {
  table.delete(key);
  table.set(key, value);
  if (table.size <= most) return;
  const [oldest] = table.keys();
  if (oldest !== undefined) table.delete(oldest);
}
