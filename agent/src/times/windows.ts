// Windows: whether the update windows of the wanted workloads are open now, by this machine's wall clock, told in monotonic time. The
// cron library is loaded only once a workload has a window: most nodes never have one. A clock that is known to be wrong opens nothing.
import type { Assignment } from "@skerry/shared/model/assignment.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Window } from "@skerry/shared/model/update.ts";
import type { Clock, Millis } from "@skerry/shared/runtime/clock.ts";
import type { Cron } from "croner";
import type { WindowNow, WindowsNow } from "../core/plan/scene.ts";

/** Nobody runs this before it was written: an earlier date is a clock that was never set. */
const EARLIEST_WALL_MS = Date.UTC(2025, 0, 1);
/** Windows that run into each other are followed so far: a day of "every minute". */
const MAX_JOINED = 1_440;
/** What was worked out holds until the next edge, unless the wall clock was set by more than this meanwhile. */
const CLOCK_STEP_MS = 1_000;

export interface WindowParts {
  readonly clock: Clock;
  /** Whether the wall clock is known to be right; null: nobody can say, and it is believed. */
  readonly synchronised: () => boolean | null;
}

/** In wall time. `changesAtMs` null: never. */
export interface Edge {
  readonly open: boolean;
  readonly changesAtMs: number | null;
}

type NextMatch = (afterMs: number) => number | null;

/** A window is open from each match on for its length; the next match may prolong it. */
export function edgeOf(next: NextMatch, durationMs: number, wallMs: number): Edge {
  // The first match later than this began less than one length ago.
  const first = next(wallMs - durationMs);
  if (first === null || first > wallMs) return { open: false, changesAtMs: first };
  let endsAtMs = first + durationMs;
  for (let joined = 0, at = next(first); joined < MAX_JOINED && at !== null && at <= endsAtMs; joined += 1) {
    endsAtMs = at + durationMs;
    at = next(at);
  }
  return { open: true, changesAtMs: endsAtMs };
}

interface Held {
  readonly now: WindowNow;
  /** Wall minus monotonic time when it was worked out. */
  readonly offsetMs: number;
}

export class Windows {
  readonly #parts: WindowParts;
  readonly #crons = new Map<string, Cron>();
  readonly #held = new Map<string, Held>();
  #cron: typeof Cron | null = null;

  constructor(parts: WindowParts) {
    this.#parts = parts;
  }

  /** Loads the library when a workload has a window. */
  async prepare(desired: Assignment | null): Promise<void> {
    if (this.#cron !== null || !hasWindows(desired)) return;
    this.#cron = (await import("croner")).Cron;
  }

  now(desired: Assignment | null): ReadonlyMap<WorkloadId, WindowsNow> {
    const timed = (desired?.workloads ?? []).filter(({ times }) => times.download !== null || times.apply !== null);
    if (timed.length === 0) {
      this.#crons.clear();
      this.#held.clear();
    }
    return new Map(
      timed.map(({ id, times: { download, apply } }) => [
        id,
        { download: download && this.#windowNow(download), apply: apply && this.#windowNow(apply) },
      ]),
    );
  }

  #windowNow(window: Window): WindowNow {
    const { clock, synchronised } = this.#parts;
    const [wallMs, now] = [clock.wallMs(), clock.monotonicMs()];
    if (synchronised() === false || wallMs < EARLIEST_WALL_MS) {
      const reason =
        "this node's clock is not set, so nobody can say when it opens; see to its time synchronisation, or use --force";
      return { kind: "closed", opensAtMs: null, reason };
    }
    const key = `${window.timeZone} ${window.durationMs} ${window.cron}`;
    const held = this.#held.get(key);
    const offsetMs = wallMs - now;
    if (held !== undefined && Math.abs(held.offsetMs - offsetMs) < CLOCK_STEP_MS && !isOver(held.now, now))
      return held.now;
    const fresh = this.#workOut(window, key, wallMs, offsetMs);
    this.#held.set(key, { now: fresh, offsetMs });
    return fresh;
  }

  #workOut(window: Window, key: string, wallMs: number, offsetMs: number): WindowNow {
    if (this.#cron === null) return { kind: "closed", opensAtMs: null, reason: "it is being looked up" };
    const cron = this.#cronOf(this.#cron, window, key);
    // The hub checks every window with the same library: only one of a newer hub comes here.
    if (cron === null) return { kind: "closed", opensAtMs: null, reason: `this agent cannot read "${window.cron}"` };
    const next: NextMatch = (afterMs) => cron.nextRun(new Date(afterMs))?.getTime() ?? null;
    const { open, changesAtMs } = edgeOf(next, window.durationMs, wallMs);
    if (open && changesAtMs !== null) return { kind: "open", closesAtMs: changesAtMs - offsetMs };
    if (changesAtMs === null) return { kind: "closed", opensAtMs: null, reason: `"${window.cron}" never comes again` };
    const reason = `it opens at ${inWords(changesAtMs, window.timeZone)} (${window.timeZone})`;
    return { kind: "closed", opensAtMs: changesAtMs - offsetMs, reason };
  }

  #cronOf(make: typeof Cron, { cron, timeZone }: Window, key: string): Cron | null {
    const known = this.#crons.get(key);
    if (known !== undefined) return known;
    try {
      const made = new make(cron, { timezone: timeZone, mode: "5-part" });
      // A time zone is looked at only when it is used.
      made.nextRun();
      this.#crons.set(key, made);
      return made;
    } catch {
      return null;
    }
  }
}

function hasWindows(desired: Assignment | null): boolean {
  return desired?.workloads.some(({ times }) => times.download !== null || times.apply !== null) ?? false;
}

function isOver(window: WindowNow, now: Millis): boolean {
  const edge = window.kind === "open" ? window.closesAtMs : window.opensAtMs;
  return edge === null || edge <= now;
}

/** 2026-11-22 03:00 */
function inWords(wallMs: number, timeZone: string): string {
  const parts = { dateStyle: "short", timeStyle: "short", timeZone } as const;
  return new Intl.DateTimeFormat("sv-SE", parts).format(new Date(wallMs));
}
