// What is wrong, or worth knowing, in a Compose file: in plain words, with the place in the file.
// It must never hold a variable's value: a problem may be shown, logged and stored, and variables carry passwords.
import { MAX_PROBLEMS } from "./limits.ts";

export type ProblemCode =
  | "yaml-invalid"
  | "limit-exceeded"
  | "variable-invalid"
  | "variable-required"
  | "variable-unset"
  | "key-unknown"
  | "key-refused"
  | "key-without-effect"
  | "key-missing"
  | "value-invalid"
  | "value-refused"
  | "value-changed"
  | "reference-unknown"
  | "file-missing"
  | "value-missing"
  | "conflict"
  /** Not of the file alone: a policy in audit mode would refuse it. */
  | "policy-audited";

export interface Problem {
  readonly code: ProblemCode;
  /** What is wrong, and with what. */
  readonly message: string;
  /** What to do next; "" when the message says it. */
  readonly hint: string;
  /** `services.web.ports[0]`; "" for the file as a whole. */
  readonly path: string;
  /** From 1; null when there is no place to point at. */
  readonly line: number | null;
  readonly column: number | null;
}

/** Where something stands in the file. */
export interface Place {
  readonly path: string;
  readonly line: number | null;
  readonly column: number | null;
}

export const wholeFile: Place = { path: "", line: null, column: null };

/** Collects problems (the file is refused) and warnings (it is not). Bounded, and each said once. */
export interface Notes {
  problem(place: Place, code: ProblemCode, message: string, hint?: string): void;
  warning(place: Place, code: ProblemCode, message: string, hint?: string): void;
  /** Nothing more is taken in: what would be found is not worth looking for. */
  isFull(): boolean;
  readonly problems: () => readonly Problem[];
  readonly warnings: () => readonly Problem[];
}

export function collectNotes(): Notes {
  const problems = new Map<string, Problem>();
  const warnings = new Map<string, Problem>();
  const add =
    (to: Map<string, Problem>) =>
    (place: Place, code: ProblemCode, message: string, hint = ""): void => {
      const { path, line, column } = place;
      // An anchor used in ten services is wrong once, not ten times: what counts is the place in the text.
      const key = `${line}:${column}:${line === null ? path : ""}:${code}:${message}`;
      if (to.size < MAX_PROBLEMS && !to.has(key)) to.set(key, { code, message, hint, path, line, column });
    };
  const sorted = (from: Map<string, Problem>) => () => [...from.values()].sort(byPlace);
  return {
    problem: add(problems),
    warning: add(warnings),
    isFull: () => problems.size >= MAX_PROBLEMS,
    problems: sorted(problems),
    warnings: sorted(warnings),
  };
}

function byPlace(a: Problem, b: Problem): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0) || compareText(a.path, b.path);
}

/** By code units: the same on every machine, whatever its language. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** " Did you mean `image`?" or "". A near miss is up to a third of the word, at most three letters. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const most = Math.min(3, Math.max(1, Math.floor(word.length / 3)));
  let best: string | null = null;
  let bestDistance = most + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best === null ? "" : `Did you mean \`${best}\`?`;
}

/** Longer words are never near misses of a key, and comparing them would cost time. */
const LONGEST_WORD = 64;

function editDistance(a: string, b: string): number {
  if (a.length > LONGEST_WORD || b.length > LONGEST_WORD) return LONGEST_WORD;
  let above = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    above = row;
  }
  return above[b.length] ?? LONGEST_WORD;
}
