// World: everything that decisions need, in memory, with the indexes that make a decision's cost follow the change.
// Entities are immutable values; `applyChange` is the only writer, and only the control loop calls it, after the commit.
import type { AppSpec } from "@skerry/shared/model/app.ts";
import type { Intent, Position } from "@skerry/shared/model/assignment.ts";
import type {
  AppName,
  InstallationId,
  NodeId,
  NodeName,
  Revision,
  ServiceName,
  Slot,
  SpecHash,
  WorkloadId,
} from "@skerry/shared/model/ids.ts";
import type { Condition, NodeFacts, NodeFigures, PortInUse } from "@skerry/shared/model/node.ts";
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { Policy, ResolvedPolicy } from "@skerry/shared/policy/policy.ts";
import type { Millis, WallMillis } from "@skerry/shared/runtime/clock.ts";
import type { KeyRoll } from "./key-roll.ts";
import type { Lineage } from "./lineage.ts";
import type { FailedSpec, GateResult, Rollout, Said, Wish } from "./rollout-state.ts";
import type { StoredValue } from "./value.ts";

/** One immutable revision of an app. */
export interface AppRevision {
  readonly revision: Revision;
  readonly spec: AppSpec;
}

/**
 * An app at its current revision, with the older ones that some placement still stands at (a slot whose new revision no node takes
 * runs on as it was). All others live in the store only.
 */
export interface App extends AppRevision {
  readonly name: AppName;
  /** Sorted by revision. Stored with the app, so that what is loaded equals what was in memory. */
  readonly older: readonly AppRevision[];
  readonly appliedBy: string;
  readonly appliedAtMs: WallMillis;
  /** The newest revision whose rollout was done; its spec is among `older` or is the app's own. null: none yet. */
  readonly lastGood: Revision | null;
  /** The newest last, bounded. */
  readonly failedSpecs: readonly FailedSpec[];
}

export type Availability = "active" | "cordoned" | "draining";

/**
 * What a node is to this hub. `pending`: it joined and waits for an operator's approval; it is given nothing. `frozen`: two machines used
 * its key; neither is let in until an operator decides.
 */
export type Standing = "member" | "pending" | "frozen";

export interface Node {
  readonly id: NodeId;
  readonly name: NodeName;
  readonly labels: Readonly<Record<string, string>>;
  readonly availability: Availability;
  readonly joinedAtMs: WallMillis;
  /** Last known; survive a hub restart so that scheduling works at once. null until the first report. */
  readonly facts: NodeFacts | null;
  /** The newest position given out. generation 0: nothing was ever assigned. */
  readonly assigned: Position;
  /** The newest position the node said is durable; null: none yet. */
  readonly accepted: Position | null;
  /** Set while the node refuses what it is given; cleared by `accepted`. */
  readonly refusal: { readonly reason: string; readonly message: string } | null;
  /** Highest event sequence number of this node that is durable here. */
  readonly eventsAcked: number;
  /** Who set `availability`, when and why; null: it was never set. */
  readonly availabilitySaid: Said | null;
  /** draining: after this wall time what could not move is stopped; null: it waits. */
  readonly drainDeadlineMs: WallMillis | null;
  /** draining: since when (hub's wall clock) that deadline is seen to have passed, so that what is left is stopped; null: it has not. */
  readonly drainOverMs: WallMillis | null;
  readonly standing: Standing;
  readonly lineage: Lineage;
  readonly keyRoll: KeyRoll;
}

/** One slot on one node. A slot has at most one placement; what may still stand elsewhere is a tombstone not yet carried out. */
export interface Placement {
  readonly workload: WorkloadId;
  readonly app: AppName;
  readonly service: ServiceName;
  readonly slot: Slot;
  readonly node: NodeId;
  readonly revision: Revision;
  readonly specHash: SpecHash;
  /** For `fence`; 0 otherwise. */
  readonly fencingToken: number;
  /** The generation of its node that first carried this revision of it. */
  readonly sinceGeneration: number;
  /** How long after its last word from the hub the node may still run it. null: for ever, as nothing on the node fences it. */
  readonly silentRunMs: number | null;
  /** What operators' wishes come to for this slot; part of the assignment. */
  readonly intent: Intent;
  /** How it came to its spec hash; part of the assignment. */
  readonly step: Step;
  /** What policies came to when it was placed or last changed; part of the assignment. null: none was bound. */
  readonly policy: ResolvedPolicy | null;
}

/** `previous`: the revision to go back to, kept among the app's `older`; null: none. `attempt` and `force` as in the assignment. */
export interface Step {
  readonly kind: "first" | "update" | "rollback";
  readonly previous: Revision | null;
  readonly attempt: number;
  readonly force: boolean;
}
export const FIRST_STEP: Step = { kind: "first", previous: null, attempt: 0, force: false };

/** A positive order to remove, kept until the node has accepted `generation` or later. */
export interface Tombstone {
  readonly workload: WorkloadId;
  readonly node: NodeId;
  readonly generation: number;
  readonly reason: string;
  /** As in the placement that it follows. */
  readonly silentRunMs: number | null;
}

/** A slot that has no node, and why; recomputed, never stored. */
export interface Unplaced {
  readonly app: AppName;
  readonly service: ServiceName;
  readonly slot: Slot;
  /** At which it is to start: one that was let through and had to leave its node first does not go back to the older one. */
  readonly revision: Revision;
  readonly refusals: readonly Refusal[];
}

/** Why one node cannot take one slot. `Explain` of each filter. */
export type Refusal = { readonly node: NodeId } & (
  | { readonly kind: "pending" }
  | { readonly kind: "frozen" }
  | { readonly kind: "cordoned" }
  | { readonly kind: "unreachable" }
  /** Not heard since the hub's own start. */
  | { readonly kind: "awaited" }
  /** A fenced slot waits until this node, where a copy may still stand, has removed it or must have stopped it. */
  | { readonly kind: "fence-wait"; readonly untilMs: Millis | null }
  | { readonly kind: "no-facts" }
  | { readonly kind: "constraint"; readonly text: string; readonly found: string | null }
  | { readonly kind: "memory"; readonly needBytes: number; readonly freeBytes: number }
  | { readonly kind: "cpu"; readonly needNanoCpus: number; readonly freeNanoCpus: number }
  | { readonly kind: "port"; readonly port: number; readonly protocol: string; readonly holder: string }
  | { readonly kind: "max-per-node"; readonly most: number }
  | { readonly kind: "too-many-workloads"; readonly most: number }
  /** A condition of the node keeps new work away. */
  | { readonly kind: "pressure"; readonly condition: string }
  | { readonly kind: "draining" }
  /** `text`: what of it policies do not allow here, and which one would elsewhere. */
  | { readonly kind: "policy"; readonly text: string }
);

/** Volatile: from the links. Times are the hub's monotonic clock. */
export type Reachability =
  /** Since the hub's own start nothing was heard; not judged before `judgeAfterMs`. */
  | { readonly kind: "awaited"; readonly judgeAfterMs: Millis }
  /** `leaseMs`: the lease in force, that of the last assignment accepted: a tighter one binds a node only once it knows of it. */
  | { readonly kind: "ready"; readonly lastHeardMs: Millis; readonly connected: boolean; readonly leaseMs: number }
  | { readonly kind: "unreachable"; readonly lastHeardMs: Millis | null; readonly sinceMs: Millis };

/** Volatile: what the node last said. Written behind to the store so that `ps` has an answer after a hub restart — marked as old. */
export interface Observation {
  readonly observed: Position | null;
  readonly workloads: ReadonlyMap<WorkloadId, SeenStatus>;
  readonly figures: NodeFigures | null;
  readonly ports: readonly PortInUse[];
  readonly conditions: readonly Condition[];
  /** Hub's monotonic time of the last report; null: not since this hub started. */
  readonly heardMs: Millis | null;
  readonly word: Word;
}

/** Whether what a node said may be shown as how things are. Reports tell only what changed, so their age alone does not say. */
export type Word =
  | { readonly kind: "current" }
  /** Of an earlier connection: the first report of the one that was opened at `sinceMs` takes its place. null: before this hub's start. */
  | { readonly kind: "awaits-report"; readonly sinceMs: Millis | null }
  /** The hub stood still: who fell silent meanwhile cannot be told from who did not, before it speaks again. */
  | { readonly kind: "awaits-word" };

/** `seenMs`: hub's monotonic time of receipt; null: said before this hub started. */
export interface SeenStatus {
  readonly status: WorkloadStatus;
  readonly seenMs: Millis | null;
}

/** Replacing is suspended because most of the fleet vanished at once: the hub is the one cut off. */
export interface Brake {
  readonly sinceMs: Millis;
  readonly unreachable: number;
  readonly nodes: number;
}

/**
 * Durable, change only by `Change`: installation, epoch, seq, apps, nodes, placements, tombstones, fencing tokens, rollouts, wishes, gates, policies, registries.
 * Volatile, change by `Change` kinds that the store ignores or writes behind: reachability, observations, brake, unplaced, settledSinceMs.
 */
export interface World {
  readonly installation: InstallationId;
  readonly epoch: number;
  /** The number of the last durable commit: the watch's revision. */
  readonly seq: number;
  /**
   * The hub's monotonic time since when it has listened without a pause: its start, or the end of its last stall. A lease counts from
   * the last word or from here, whichever is later.
   */
  readonly listeningSinceMs: Millis;
  readonly apps: ReadonlyMap<AppName, App>;
  readonly nodes: ReadonlyMap<NodeId, Node>;
  readonly nodesByName: ReadonlyMap<NodeName, NodeId>;
  readonly drainingNodes: ReadonlySet<NodeId>;
  readonly placements: ReadonlyMap<WorkloadId, Placement>;
  readonly placementsByNode: ReadonlyMap<NodeId, ReadonlySet<WorkloadId>>;
  readonly copies: ReadonlyMap<AppName, ReadonlyMap<ServiceName, ServiceCopies>>;
  readonly tombstonesByNode: ReadonlyMap<NodeId, readonly Tombstone[]>;
  readonly tombstoneNodes: ReadonlyMap<WorkloadId, ReadonlySet<NodeId>>;
  /** What placements set aside on each node. */
  readonly usage: ReadonlyMap<NodeId, Usage>;
  readonly fencingTokens: ReadonlyMap<WorkloadId, number>;
  /** One per app, that of its newest revision. */
  readonly rollouts: ReadonlyMap<AppName, Rollout>;
  /** By `wishKey`. */
  readonly wishes: ReadonlyMap<string, Wish>;
  /** By name. */
  /** In the order of their names. */
  readonly policies: ReadonlyMap<string, Policy>;
  /** Registry credentials by registry, without what is in them. */
  readonly registries: ReadonlyMap<string, StoredValue>;
  /** What nodes found out about the placements' present spec hashes; none: open. Leaves with its placement. */
  readonly gates: ReadonlyMap<WorkloadId, GateResult>;
  /** Volatile: since when (hub's monotonic time) the last batch of `app/service` is settled; `delay` and promotion count from it. */
  readonly settledSinceMs: ReadonlyMap<string, Millis>;
  readonly reachability: ReadonlyMap<NodeId, Reachability>;
  readonly observations: ReadonlyMap<NodeId, Observation>;
  readonly unplaced: ReadonlyMap<WorkloadId, Unplaced>;
  readonly unplacedByApp: ReadonlyMap<AppName, ReadonlySet<WorkloadId>>;
  readonly brake: Brake | null;
  /** What changed since the last decide. */
  readonly dirtyApps: ReadonlySet<AppName>;
  readonly dirtyNodes: ReadonlySet<NodeId>;
  /** Services of which something was said that their rollout may wait for. */
  readonly dirtyRollouts: ReadonlyMap<AppName, ReadonlySet<ServiceName>>;
  /** No lease, fence or brake needs a look before this; null: none at all. The control loop's timer. */
  readonly dueMs: Millis | null;
  /** false until the first decide: what that one finds unplaced was said before. */
  readonly decidedOnce: boolean;
}

/** What is placed of one service, kept by `applyChange`; none of them: there is no entry. */
export interface ServiceCopies {
  readonly all: ReadonlySet<WorkloadId>;
  /** At their app's revision and to run, and their node has not said yet what became of that. */
  readonly unjudged: ReadonlySet<WorkloadId>;
  /** With a verdict that they failed, at whatever revision. */
  readonly failed: ReadonlySet<WorkloadId>;
}

/** Sums over the placements of one node, kept by `applyChange`. */
export interface Usage {
  readonly workloads: number;
  readonly memoryBytes: number;
  readonly nanoCpus: number;
  readonly ports: readonly HeldPort[];
  /** The shortest `after` among its workloads; null: all of them keep. */
  readonly tightestAfterMs: number | null;
}
export interface HeldPort {
  readonly workload: WorkloadId;
  readonly port: number;
  readonly protocol: string;
  readonly hostIp: string;
}
