// Slows down whoever sends wrong tokens: after too many within a window an address is refused before its token is even looked at.
// Guessing 256 bits is hopeless anyway; this keeps a flood from costing hashing and log lines. Must never grow without bound.
import type { Clock, Millis } from "@skerry/shared/runtime/clock.ts";

/** A misconfigured script sends a few; nobody sends thirty a minute by hand. */
export const MAX_REFUSALS = 30;
export const REFUSAL_WINDOW_MS = 60_000;
/** Addresses remembered; when there are more the oldest are forgotten. About 1 MB. */
const MAX_ADDRESSES = 10_000;

export class Refusals {
  readonly #clock: Clock;
  readonly #byAddress = new Map<string, { count: number; readonly sinceMs: Millis }>();
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds to wait; 0: go on. */
  waitMs(address: string): number {
    const entry = this.#current(address);
    if (entry === null || entry.count < MAX_REFUSALS) return 0;
    return entry.sinceMs + REFUSAL_WINDOW_MS - this.#clock.monotonicMs();
  }

  count(address: string): void {
    const entry = this.#current(address);
    if (entry !== null) {
      entry.count += 1;
      return;
    }
    if (this.#byAddress.size >= MAX_ADDRESSES) {
      const [oldest] = this.#byAddress.keys();
      if (oldest !== undefined) this.#byAddress.delete(oldest);
    }
    this.#byAddress.set(address, { count: 1, sinceMs: this.#clock.monotonicMs() });
  }

  #current(address: string): { count: number; readonly sinceMs: Millis } | null {
    const entry = this.#byAddress.get(address);
    if (entry === undefined) return null;
    if (this.#clock.monotonicMs() - entry.sinceMs < REFUSAL_WINDOW_MS) return entry;
    this.#byAddress.delete(address);
    return null;
  }
}
