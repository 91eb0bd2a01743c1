// A clock that is moved by hand, for unit tests: timers fire in order while it is moved, and at no other time.
import type { Clock } from "@skerry/shared/runtime/clock.ts";

export interface HandClock extends Clock {
  /** Moves on by `ms`, firing what comes due on the way. */
  run(ms: number): void;
  /** Moves on without firing anything: a process that stood still. Overdue timers fire with the next `run`. */
  stall(ms: number): void;
  /** Timers that have neither fired nor been cancelled. */
  pending(): number;
  /** Sets the wall clock wrong by so much; nothing else moves. */
  setWallErrorMs(ms: number): void;
}

export function handClock(): HandClock {
  const due = new Map<number, { readonly atMs: number; readonly fire: () => void }>();
  let now = 0;
  let made = 0;
  let wallErrorMs = 0;
  const next = (untilMs: number) =>
    [...due].filter(([, { atMs }]) => atMs <= untilMs).sort(([i, a], [j, b]) => a.atMs - b.atMs || i - j)[0];
  return {
    monotonicMs: () => now,
    wallMs: () => 1_700_000_000_000 + now + wallErrorMs,
    setTimer(delayMs, fire) {
      made += 1;
      const id = made;
      due.set(id, { atMs: now + Math.max(0, delayMs), fire });
      return { cancel: () => void due.delete(id) };
    },
    run(ms) {
      const until = now + ms;
      for (let first = next(until); first !== undefined; first = next(until)) {
        const [id, { atMs, fire }] = first;
        due.delete(id);
        now = Math.max(now, atMs);
        fire();
      }
      now = Math.max(now, until);
    },
    stall(ms) {
      now += ms;
    },
    pending: () => due.size,
    setWallErrorMs(ms) {
      wallErrorMs = ms;
    },
  };
}
