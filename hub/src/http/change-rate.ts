// How fast one API token or user may change things. Each change is an entry of the audit log, which keeps so many: without a bound who may pause and
// unpause one app could push out all that he wants forgotten within minutes. The admin token and join tokens are not slowed down.
import type { Clock, Millis } from "@skerry/shared/runtime/clock.ts";

/** A pipeline that deploys hundreds of apps, or a script that restarts hundreds of slots one by one, gets through at full speed. */
export const MAX_CHANGES_AT_ONCE = 1_000;
/** And then so many, day and night: with them one token needs six days to fill the 100,000 entries that the audit log keeps. */
export const CHANGES_PER_MINUTE = 10;
const EACH_MS = 60_000 / CHANGES_PER_MINUTE;

export class ChangeRate {
  readonly #clock: Clock;
  /** By account: when all of its changes are worn off. No more than there are API tokens and users that changed something within two hours. */
  readonly #wornOffAtMs = new Map<string, Millis>();
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds to wait; 0: go on. */
  waitMs(account: string): number {
    const now = this.#clock.monotonicMs();
    const wornOffInMs = (this.#wornOffAtMs.get(account) ?? now) - now;
    return Math.max(0, wornOffInMs - (MAX_CHANGES_AT_ONCE - 1) * EACH_MS);
  }

  count(account: string): void {
    const now = this.#clock.monotonicMs();
    for (const [other, atMs] of this.#wornOffAtMs) if (atMs <= now) this.#wornOffAtMs.delete(other);
    this.#wornOffAtMs.set(account, (this.#wornOffAtMs.get(account) ?? now) + EACH_MS);
  }
}
