// Ledger: what an agent must not forget across power cuts. Written only when something changes; a commit that returned is durable.
// better-sqlite3 in production, a disk model in the simulator; one contract suite for both. Synchronous by design.
import type { Assignment } from "@skerry/shared/model/assignment.ts";
import type { NodeEvent, OutboxItem } from "@skerry/shared/model/event.ts";
import type { InstallationId, NodeId, PublicKey, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Mark } from "@skerry/shared/model/mark.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { WorkloadMemory } from "../core/memory.ts";
import type { BootRecord } from "../core/safe-mode.ts";

/**
 * Who this node is. Written at joining, when the hub hands out a mark (once in a run of the agent), and when the key is rolled over. A key is made
 * by the node and fsynced before the hub hears of it.
 */
export interface Identity {
  readonly node: NodeId;
  readonly name: string;
  readonly installation: InstallationId;
  /** Ed25519, as 64 hex digits. It never leaves the node. */
  readonly privateKey: string;
  readonly hubUrl: string;
  /** By which the hub signs assignments, as it said at joining; null: it said none, so nothing new is taken from it. */
  readonly hubKey: PublicKey | null;
  /** What the hub last handed out and is durable here; null: nothing yet. */
  readonly mark: Mark | null;
  /** Of the hub's key and its next one, see protocol/pin. None: it joined a hub without TLS, on this machine. */
  readonly pins: readonly string[];
  /** "tls-exporter": the hub ends TLS itself, and a hub that says otherwise is not believed. "none": it may. */
  readonly binding: "tls-exporter" | "none";
  /** Join tokens that were taken, the newest last: one that stands in a unit file for ever is not taken for a new one. */
  readonly tokens: readonly string[];
  /** Made to take the place of `privateKey`, and not gone over to yet; null: none. */
  readonly nextKey: string | null;
  /** How many steps its keys have gone: a next one made, and gone over to, each count one. Of two copies the larger is the newer. */
  readonly keyStep: number;
  /** For labels, see runtime/label-secret; null: that of `privateKey`, which is the node's first. */
  readonly labelSecret: string | null;
  /** X25519, the newest last: open what is at rest under keys that were given up, and prove nothing. */
  readonly formerBoxKeys: readonly string[];
}

/** By what a held assignment is known to be the hub's. */
export interface AssignmentSeal {
  /** Of `assignmentText`, by the hub's key. */
  readonly signature: string;
  /** Tombstones in it that the hub did not send with it: its hash does not cover them. */
  readonly carried: readonly WorkloadId[];
}

export interface LedgerContent {
  readonly identity: Identity | null;
  readonly assignment: Assignment | null;
  /** Of the assignment; null: it was accepted before hubs signed. */
  readonly seal: AssignmentSeal | null;
  readonly memory: ReadonlyMap<WorkloadId, WorkloadMemory>;
  /** Ids of containers that we made: ownership = label and this record (or adoption after a lost ledger). */
  readonly containers: ReadonlyMap<string, WorkloadId>;
  /** Oldest first. */
  readonly outbox: readonly StoredEvent[];
  readonly nextSeq: number;
  /** Boot id at the last commit: a difference means that the machine was rebooted. */
  readonly bootId: string | null;
  /** How this boot and those before it went; null: nothing is known. */
  readonly boots: BootRecord | null;
  /** Wall time of the last word from the hub: for showing only. */
  readonly lastHubContactWallMs: number | null;
}

export interface StoredEvent {
  readonly seq: number;
  readonly bootId: string;
  /** Monotonic time of that boot. */
  readonly atMs: number;
  readonly wallMs: number;
  readonly event: NodeEvent;
}

export type LedgerChange =
  | { readonly kind: "identity"; readonly identity: Identity }
  | { readonly kind: "assignment"; readonly assignment: Assignment; readonly seal: AssignmentSeal | null }
  | { readonly kind: "memory"; readonly id: WorkloadId; readonly memory: WorkloadMemory | null }
  | { readonly kind: "container"; readonly containerId: string; readonly id: WorkloadId | null }
  /** Sequence numbers are given by the ledger, in order. */
  | { readonly kind: "event"; readonly atMs: number; readonly wallMs: number; readonly event: NodeEvent }
  | { readonly kind: "events-acked"; readonly seq: number }
  | { readonly kind: "boot"; readonly bootId: string }
  | { readonly kind: "boots"; readonly record: BootRecord }
  | { readonly kind: "hub-contact"; readonly wallMs: number };

/** Events kept when the hub is away; past it the oldest go and a gap mark takes their place. About 2 MB on disk. */
export const MAX_OUTBOX_EVENTS = 5_000;

/** `full`: no space or quota; `broken`: anything else. After either, nothing of the commit is there. */
export class LedgerError extends Error {
  override name = "LedgerError";
  readonly kind: "full" | "broken";
  constructor(kind: "full" | "broken", message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.kind = kind;
  }
}

export interface Ledger {
  content(): LedgerContent;
  /** One durable transaction; throws LedgerError. An empty list writes nothing. */
  commit(changes: readonly LedgerChange[]): void;
  close(): void;
}

/** Commits. A full disk keeps nothing from running: what could not be kept is logged, and false comes back. */
export function commitIfPossible(ledger: Ledger, log: Log, changes: readonly LedgerChange[]): boolean {
  try {
    ledger.commit(changes);
    return true;
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    log.warn("not kept in the ledger", { reason: error.message });
    return false;
  }
}

/** As sent: ages in place of clocks. */
export function toOutboxItem(stored: StoredEvent, bootId: string, nowMs: number): OutboxItem {
  const ageMs = stored.bootId === bootId ? Math.max(0, Math.round(nowMs - stored.atMs)) : null;
  return { seq: stored.seq, bootId: stored.bootId, ageMs, event: stored.event };
}
