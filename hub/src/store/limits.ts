// What a store keeps of history. The World itself is bounded by what operators apply; these bound what time alone would grow.

/** Events: about 300 bytes each on disk, so 30 MB; a week of a busy fleet of a hundred nodes. */
export const MAX_EVENTS = 100_000;
/** Changes that a watcher can still resume from: hours of normal use, and one revision rolled out to 5,000 nodes with room. */
export const MAX_WATCH_ITEMS = 20_000;
/** Answers kept for repeated writes: a client that retries does so within minutes. */
export const MAX_IDEMPOTENT_ANSWERS = 10_000;
/** Rows let go in one commit: bounds how much longer that commit gets, and is more than most commits add. */
export const MAX_TRIMMED_PER_COMMIT = 1_000;

export interface StoreLimits {
  readonly events: number;
  readonly watchItems: number;
  readonly idempotentAnswers: number;
  readonly trimmedPerCommit: number;
}

export const STORE_LIMITS: StoreLimits = {
  events: MAX_EVENTS,
  watchItems: MAX_WATCH_ITEMS,
  idempotentAnswers: MAX_IDEMPOTENT_ANSWERS,
  trimmedPerCommit: MAX_TRIMMED_PER_COMMIT,
};
