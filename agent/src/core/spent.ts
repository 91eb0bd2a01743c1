// Spent: time that runs and stands still by turns, and outlives the process. Pure. What passed in another boot, or while this process
// did not look, is not known: for a deadline it does not count, which may come late for it and never early; for a hold it does.
import type { Millis } from "@skerry/shared/runtime/clock.ts";

export interface Spent {
  readonly spentMs: number;
  /** null: it stands still. */
  readonly since: { readonly bootId: string; readonly atMs: Millis } | null;
}

export interface SpentMoment {
  readonly bootId: string;
  readonly now: Millis;
  readonly unbrokenSinceMs: Millis;
  /** What the end of a boot counts for, of whose last part nothing is written down. */
  readonly lostMs: number;
}

export const NOTHING_SPENT: Spent = { spentMs: 0, since: null };
/** What runs is written down this often: a power cut loses no more of it, and a day of it costs 144 small writes. */
const FOLD_MS = 600_000;

/** For what must never come early: what is not known did not pass. */
export function atLeast(bootId: string, now: Millis, unbrokenSinceMs: Millis): SpentMoment {
  return { bootId, now, unbrokenSinceMs, lostMs: 0 };
}

/** For what must never come late, such as the end of a hold: it runs whether anybody looks or not, and a reboot took all that it could. */
export function atMost(bootId: string, now: Millis): SpentMoment {
  return { bootId, now, unbrokenSinceMs: 0, lostMs: FOLD_MS };
}

export function spentAt({ spentMs, since }: Spent, { bootId, now, unbrokenSinceMs, lostMs }: SpentMoment): number {
  if (since === null) return spentMs;
  if (since.bootId !== bootId) return spentMs + lostMs;
  return spentMs + Math.max(0, now - Math.max(since.atMs, unbrokenSinceMs));
}

export function runOn(spent: Spent, moment: SpentMoment): Spent {
  const { since } = spent;
  const { bootId, now, unbrokenSinceMs } = moment;
  const runs = since !== null && since.bootId === bootId && since.atMs >= unbrokenSinceMs;
  if (runs && now - since.atMs < FOLD_MS) return spent;
  return { spentMs: spentAt(spent, moment), since: { bootId, atMs: now } };
}

export function standStill(spent: Spent, moment: SpentMoment): Spent {
  return spent.since === null ? spent : { spentMs: spentAt(spent, moment), since: null };
}
