// Time as a parameter. Decisions and durations use `monotonicMs`; `wallMs` is for showing to people and for nothing else.
// Only this file and main.ts may touch Date, performance or timers; the simulator brings its own Clock.

/** A point on one process's monotonic clock, in milliseconds. Never compare two processes' values. */
export type Millis = number;
/** Milliseconds since 1970 by a wall clock that may be wrong by decades. For display only. */
export type WallMillis = number;

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Never goes back; keeps counting while the machine is suspended where the system allows it. */
  monotonicMs(): Millis;
  wallMs(): WallMillis;
  /** Calls `fire` once after `delayMs` (at least 0). A timer never keeps the process alive by itself. */
  setTimer(delayMs: number, fire: () => void): Timer;
}

/** setTimeout fires at once for delays over 2^31-1 ms; longer ones are cut to this (24.8 days) and callers look again. */
const MAX_TIMER_MS = 2_147_483_647;

export const systemClock: Clock = {
  // Counts from the machine's boot, so that a time kept with the boot id means the same to the next process of that boot.
  monotonicMs: () => Number(process.hrtime.bigint()) / 1e6,
  wallMs: () => Date.now(),
  setTimer(delayMs, fire) {
    const handle = setTimeout(fire, Math.min(Math.max(0, delayMs), MAX_TIMER_MS));
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `delayMs` on the given clock, or as soon as `signal` is aborted. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      timer.cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.setTimer(delayMs, done);
    signal?.addEventListener("abort", done);
  });
}

/** Thrown by `withDeadline`: the operation may still be under way, its outcome is unknown. */
export class DeadlineError extends Error {
  override name = "DeadlineError";
  readonly afterMs: number;
  constructor(what: string, afterMs: number) {
    super(`${what} did not finish within ${afterMs} ms`);
    this.afterMs = afterMs;
  }
}

/** Waits for `work` at most `afterMs`; the work itself is not cancelled unless it watches `signal`. */
export async function withDeadline<T>(
  clock: Clock,
  what: string,
  afterMs: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let timer: Timer | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = clock.setTimer(afterMs, () => {
      reject(new DeadlineError(what, afterMs));
      controller.abort();
    });
  });
  try {
    return await Promise.race([work(controller.signal), deadline]);
  } finally {
    timer?.cancel();
  }
}
