// The history of a run in true time: what was done, committed, accepted, sent and shown. Checkers read it when the run is over; no
// simulated process can.
import type { LedgerChange } from "@skerry/agent/ledger/ledger.ts";
import type { Command, CommandOutcome } from "@skerry/hub/core/command.ts";
import type { Commit } from "@skerry/hub/store/store.ts";
import type { NodeId, SpecHash, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Mutation } from "./engine/client.ts";
import type { ContainerFact } from "./engine/machine.ts";

/** One run of one managed container's process. */
export interface Interval {
  readonly node: string;
  readonly container: string;
  readonly startedAt: string;
  readonly workload: WorkloadId | null;
  readonly specHash: string | null;
  readonly fencingToken: string | null;
  readonly sinceMs: number;
  /** null: runs to the end of the history. */
  untilMs: number | null;
}

export interface Violation {
  /** I8, I16, … ; "bug" for a crash of the code under test. */
  readonly invariant: string;
  readonly atMs: number;
  readonly message: string;
}

export interface History {
  readonly facts: (ContainerFact & { readonly node: string })[];
  readonly intervals: Interval[];
  /** The same, by node and workload: see `runsKey`. */
  readonly runs: Map<string, Interval[]>;
  readonly mutations: (Mutation & { readonly node: string })[];
  readonly commits: { readonly atMs: number; readonly seq: number; readonly commit: Commit }[];
  readonly ledgerCommits: {
    readonly atMs: number;
    readonly node: string;
    readonly changes: readonly LedgerChange[];
  }[];
  /** Ledgers that were damaged: what they held is lost. */
  readonly ledgersLost: { readonly atMs: number; readonly node: string }[];
  /** Every command of the operator, whatever became of it. */
  readonly asked: { readonly atMs: number; readonly command: Command }[];
  readonly acked: { readonly atMs: number; readonly command: Command; readonly outcome: CommandOutcome }[];
  /** Events as each node's ledger numbered them. */
  readonly events: Map<string, { readonly seq: number; readonly text: string; readonly atMs: number }[]>;
  /** Frames with an assignment or a delta, as the hub sent them. */
  readonly offered: {
    readonly atMs: number;
    readonly node: NodeId;
    readonly position: string;
    readonly hash: SpecHash;
  }[];
  /** Every placement as the hub stored it, and whether it heard the node at that moment. */
  readonly placed: {
    readonly atMs: number;
    readonly workload: WorkloadId;
    readonly specHash: SpecHash;
    readonly heard: boolean;
  }[];
  /** Found while it happened: needs the state of that moment. */
  readonly violations: Violation[];
}

export const runsKey = (node: string, workload: string): string => `${node} ${workload}`;

export function noteRun({ intervals, runs }: History, run: Interval): void {
  intervals.push(run);
  if (run.workload === null) return;
  const key = runsKey(run.node, run.workload);
  const known = runs.get(key);
  if (known === undefined) runs.set(key, [run]);
  else known.push(run);
}

export function createHistory(): History {
  return {
    facts: [],
    intervals: [],
    runs: new Map(),
    mutations: [],
    commits: [],
    ledgerCommits: [],
    ledgersLost: [],
    asked: [],
    acked: [],
    events: new Map(),
    offered: [],
    placed: [],
    violations: [],
  };
}
