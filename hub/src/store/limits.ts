// What a store keeps of history. The World itself is bounded by what operators apply; these bound what time alone would grow.

/** Events: about 300 bytes each on disk, so 30 MB; a week of a busy fleet of a hundred nodes. */
export const MAX_EVENTS = 100_000;
/** Changes that a watcher can still resume from: days of normal use, and two revisions of 20 services on 1,000 nodes. About 25 MB. */
export const MAX_WATCH_ITEMS = 100_000;
/** Changes of one commit that share a row: one row each would be a third of what a large commit costs. */
export const WATCH_ITEMS_PER_ROW = 100;
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
