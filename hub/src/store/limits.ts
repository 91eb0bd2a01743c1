// What a store keeps of history. The World itself is bounded by what operators apply; these bound what time alone would grow.

/** Events: about 300 bytes each on disk, so 30 MB; a week of a busy fleet of a hundred nodes. */
export const MAX_EVENTS = 100_000;
/** Changes that a watcher can still resume from: days of normal use, and two revisions of 20 services on 1,000 nodes. About 25 MB. */
export const MAX_WATCH_ITEMS = 100_000;
/** Changes of one commit that share a row: one row each would be a third of what a large commit costs. */
export const WATCH_ITEMS_PER_ROW = 100;
/** Answers kept for repeated writes: a client that retries does so within minutes. */
export const MAX_IDEMPOTENT_ANSWERS = 10_000;
/** Of these, one credential's: what a client may have to repeat are its last few, and nobody may push out those of others. */
export const MAX_IDEMPOTENT_ANSWERS_EACH = 1_000;
/** Entries of the audit log: about 600 bytes each on disk, so 60 MB; a hundred changes a day for three years. */
export const MAX_AUDIT_ENTRIES = 100_000;
/** Older entries are let go: a year, and a month to look back at it. */
export const MAX_AUDIT_AGE_MS = 400 * 24 * 3_600_000;
/** So many of the newest stay however old they are: a clock that was set years ahead must not empty the log. */
export const MIN_AUDIT_ENTRIES = 10_000;
/** Entries looked at for one page, whatever the filter: bounds how long the hub stands still for it (about 10 ms). */
export const MAX_AUDIT_LOOKED_AT = 10_000;
/** Rows let go in one commit: bounds how much longer that commit gets, and is more than most commits add. */
export const MAX_TRIMMED_PER_COMMIT = 1_000;

export interface StoreLimits {
  readonly events: number;
  readonly watchItems: number;
  readonly idempotentAnswers: number;
  readonly idempotentAnswersEach: number;
  readonly trimmedPerCommit: number;
  readonly audit: {
    readonly most: number;
    readonly least: number;
    readonly ageMs: number;
    readonly lookedAt: number;
  };
}

export const STORE_LIMITS: StoreLimits = {
  events: MAX_EVENTS,
  watchItems: MAX_WATCH_ITEMS,
  idempotentAnswers: MAX_IDEMPOTENT_ANSWERS,
  idempotentAnswersEach: MAX_IDEMPOTENT_ANSWERS_EACH,
  trimmedPerCommit: MAX_TRIMMED_PER_COMMIT,
  audit: {
    most: MAX_AUDIT_ENTRIES,
    least: MIN_AUDIT_ENTRIES,
    ageMs: MAX_AUDIT_AGE_MS,
    lookedAt: MAX_AUDIT_LOOKED_AT,
  },
};
