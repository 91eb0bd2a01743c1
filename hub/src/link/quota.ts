// A token bucket on the hub's clock: so much at once, so much a second. Holds two numbers.
import type { Clock, Millis } from "@skerry/shared/runtime/clock.ts";

export class Quota {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #burst: number;
  #left: number;
  #atMs: Millis;

  constructor(clock: Clock, perSecond: number, burst: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#left = burst;
    this.#atMs = clock.monotonicMs();
  }

  /** Takes `amount`, also into debt. Returns for how long nothing more should come: 0 while there is no debt. */
  take(amount: number): number {
    const now = this.#clock.monotonicMs();
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#atMs) / 1_000) * this.#perSecond) - amount;
    this.#atMs = now;
    return this.#left >= 0 ? 0 : Math.ceil((-this.#left / this.#perSecond) * 1_000);
  }
}
