// Account: what is known of one workload, in words; every view of it is made from this one. And the shapes of an answer to "why".
import type { WorkloadState } from "@skerry/shared/model/report.ts";

/** As in the API: the node's own word, or that there is none. */
export type ShownState = WorkloadState["kind"] | "unplaced" | "assigned" | "unknown";
export type Health = Extract<WorkloadState, { readonly kind: "running" }>["health"];

export interface Account {
  readonly state: ShownState;
  /** Only while running. */
  readonly health: Health | null;
  /** Why it is so: one sentence without its subject and without a full stop. */
  readonly reason: string;
  /** What that follows from, the nearest cause first. */
  readonly because: readonly string[];
  /** What else is worth knowing: how the last run ended, a hold, what follows. */
  readonly notes: readonly string[];
  /** What to do next; null: nothing, or nothing but to wait. */
  readonly hint: string | null;
  /** For `unknown`: what the node last said. */
  readonly last: WorkloadState["kind"] | null;
  /** For how long the node has been silent; null: it is heard, or nobody knows. */
  readonly silentForMs: number | null;
}

/** What the subjects' files make; `account` fills in the rest. */
export type Told = Pick<Account, "state" | "reason"> & Partial<Account>;

export const account = (told: Told): Account => ({
  health: null,
  because: [],
  notes: [],
  hint: null,
  last: null,
  silentForMs: null,
  ...told,
});

/** One ground of an answer. */
export interface Ground {
  /** What it is about: a workload, a node, a condition; null: the target itself. */
  readonly subject: string | null;
  readonly text: string;
  readonly because: readonly string[];
  readonly hint: string | null;
}

export const ground = (subject: string | null, text: string, hint: string | null = null): Ground => ({
  subject,
  text,
  because: [],
  hint,
});

export interface Answer {
  readonly kind: "app" | "service" | "workload" | "node";
  /** true: nothing is wrong with it. */
  readonly good: boolean;
  /** One sentence. */
  readonly answer: string;
  /** What operators want: the revision, wishes, availability; since when, by whom, and why. */
  readonly wanted: readonly string[];
  /** What nodes said, and how old that is. */
  readonly seen: readonly string[];
  /** Most telling first. */
  readonly lines: readonly Ground[];
}
