// LinkState: since when the hub has been silent, as data. Only a fence reads it. The lease counts from the moment that the last
// acknowledged beat was *sent*: the hub counts from when it received it, which is later, so this side always ends first.
// Monotonic time of this boot. A machine whose monotonic clock stops in suspend counts too little there: it must not run fenced
// services (Linux's CLOCK_MONOTONIC stops; a Pi does not suspend).
import type { Millis } from "@skerry/shared/runtime/clock.ts";

export interface LinkState {
  /** A welcome was received on the present connection. */
  readonly connected: boolean;
  /** When `connected` last turned; at first the start of the process. For showing. */
  readonly changedAtMs: Millis;
  /** When the newest acknowledged beat was sent. null: no lease is known in this boot. */
  readonly leaseFromMs: Millis | null;
  /** Beats of the present connection without an answer, oldest first. */
  readonly pending: readonly { readonly n: number; readonly sentAtMs: Millis }[];
}

/** What outlives the process, not the boot: kept where a reboot clears it, so that an agent restart does not lose the lease. */
export interface SavedLease {
  readonly bootId: string;
  readonly leaseFromMs: Millis;
}

/** A link with more unanswered beats than this is given up long before; older ones need no memory. */
const MAX_PENDING_BEATS = 16;

/** `saved` counts only within the same boot: after a reboot nothing is known of the time that passed. */
export function initialLinkState(bootId: string, saved: SavedLease | null, now: Millis): LinkState {
  const known = saved !== null && saved.bootId === bootId && saved.leaseFromMs <= now;
  return { connected: false, changedAtMs: now, leaseFromMs: known ? saved.leaseFromMs : null, pending: [] };
}

export function linkConnected(state: LinkState, now: Millis): LinkState {
  return { ...state, connected: true, changedAtMs: now, pending: [] };
}

export function linkDisconnected(state: LinkState, now: Millis): LinkState {
  if (!state.connected) return { ...state, pending: [] };
  return { ...state, connected: false, changedAtMs: now, pending: [] };
}

export function beatSent(state: LinkState, n: number, now: Millis): LinkState {
  return { ...state, pending: [...state.pending, { n, sentAtMs: now }].slice(-MAX_PENDING_BEATS) };
}

/** An answer to a beat that is not pending (late, repeated, of another connection) changes nothing. */
export function beatAcked(state: LinkState, n: number): LinkState {
  const beat = state.pending.find((candidate) => candidate.n === n);
  if (beat === undefined) return state;
  const leaseFromMs = Math.max(state.leaseFromMs ?? beat.sentAtMs, beat.sentAtMs);
  return { ...state, leaseFromMs, pending: state.pending.filter((other) => other.n > n) };
}

export function savedLease(state: LinkState, bootId: string): SavedLease | null {
  return state.leaseFromMs === null ? null : { bootId, leaseFromMs: state.leaseFromMs };
}

/** How long the lease of a workload that may run `afterMs` without a word still lasts. 0: it has ended, or none is known. */
export function leaseLeftMs(state: LinkState, afterMs: number, now: Millis): number {
  if (state.leaseFromMs === null) return 0;
  return Math.max(0, state.leaseFromMs + afterMs - now);
}

/** null: there was no word in this boot, or none that this process knows of. */
export function silentForMs(state: LinkState, now: Millis): number | null {
  return state.leaseFromMs === null ? null : Math.max(0, now - state.leaseFromMs);
}
