// Journal: the ledger as the reconciler uses it. What cannot be written (disk full) is kept in memory and tried again with the next
// write: a node whose disk is full still heals what it runs. Never loses an event without a gap mark.
import type { Assignment } from "@skerry/shared/model/assignment.ts";
import type { NodeEvent } from "@skerry/shared/model/event.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Clock } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { WorkloadMemory } from "../core/memory.ts";
import { type Ledger, type LedgerChange, LedgerError } from "../ledger/ledger.ts";

/** A crash loop at its slowest makes twelve events an hour: two days of one before the oldest go. */
const MAX_UNWRITTEN_EVENTS = 500;

export class Journal {
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  readonly #log: Log;
  #unwritten: readonly LedgerChange[] = [];
  #lostEvents = 0;
  #trouble: LedgerError | null = null;

  constructor(ledger: Ledger, clock: Clock, log: Log) {
    this.#ledger = ledger;
    this.#clock = clock;
    this.#log = log;
  }

  desired(): Assignment | null {
    return this.#ledger.content().assignment;
  }

  memory(): ReadonlyMap<WorkloadId, WorkloadMemory> {
    const held = this.#ledger.content().memory;
    if (this.#unwritten.length === 0) return held;
    const merged = new Map(held);
    for (const change of this.#unwritten) {
      if (change.kind !== "memory") continue;
      if (change.memory === null) merged.delete(change.id);
      else merged.set(change.id, change.memory);
    }
    return merged;
  }

  /** Ids of containers that are recorded as ours. */
  containers(): ReadonlyMap<string, WorkloadId> {
    const held = this.#ledger.content().containers;
    if (this.#unwritten.length === 0) return held;
    const merged = new Map(held);
    for (const change of this.#unwritten) {
      if (change.kind !== "container") continue;
      if (change.id === null) merged.delete(change.containerId);
      else merged.set(change.containerId, change.id);
    }
    return merged;
  }

  /** What is wrong with the ledger; null: everything is written. */
  trouble(): LedgerError | null {
    return this.#trouble;
  }

  event(event: NodeEvent): LedgerChange {
    return { kind: "event", atMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs(), event };
  }

  /** Tries what could not be written before, too. Writes nothing when there is nothing. */
  write(changes: readonly LedgerChange[]): void {
    const all = [...this.#unwritten, ...changes];
    if (all.length === 0) return;
    try {
      const gap = this.#lostEvents === 0 ? [] : [this.event({ kind: "gap", lost: this.#lostEvents })];
      this.#ledger.commit([...gap, ...all]);
      this.#unwritten = [];
      this.#lostEvents = 0;
      this.#trouble = null;
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      if (this.#trouble === null) this.#log.error("ledger cannot be written", { reason: error.message });
      this.#trouble = error;
      this.#unwritten = this.#bounded(all);
    }
  }

  #bounded(changes: readonly LedgerChange[]): readonly LedgerChange[] {
    const events = changes.filter(({ kind }) => kind === "event").length;
    let excess = events - MAX_UNWRITTEN_EVENTS;
    if (excess <= 0) return newestOfEach(changes);
    this.#lostEvents += excess;
    const kept = changes.filter((change) => {
      if (change.kind !== "event" || excess <= 0) return true;
      excess -= 1;
      return false;
    });
    return newestOfEach(kept);
  }
}

/** Of several memories of one workload, or records of one container, only the last counts: what waits stays small. */
function newestOfEach(changes: readonly LedgerChange[]): readonly LedgerChange[] {
  const seen = new Set<string>();
  return changes
    .toReversed()
    .filter((change) => {
      if (change.kind !== "memory" && change.kind !== "container") return true;
      const key = change.kind === "memory" ? `memory ${change.id}` : `container ${change.containerId}`;
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    })
    .toReversed();
}
