// Change: the only way that the World moves. The control loop commits durable ones to the store in one transaction, then applies
// all of them to the World, then tells callers and nodes. `decide` returns changes; so do the handlers of what comes in.
import type { OutboxItem } from "@skerry/shared/model/event.ts";
import type {
  AppName,
  NodeId,
  NodeName,
  PublicKey,
  Revision,
  ServiceName,
  SpecHash,
  WorkloadId,
} from "@skerry/shared/model/ids.ts";
import type { Report } from "@skerry/shared/model/report.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import type { Policy } from "@skerry/shared/policy/policy.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Binding, Permission, Role } from "./permission.ts";
import type { GateResult, Rollout, Wish } from "./rollout-state.ts";
import type { Session, User } from "./user.ts";
import type { SealedContent, StoredValue, ValueId } from "./value.ts";
import type { App, Brake, Node, Placement, Reachability, Tombstone, Unplaced, Word } from "./world.ts";

/** Said by the hub itself; node events keep their own union. */
export type HubEvent =
  | { readonly kind: "app-applied"; readonly app: AppName; readonly revision: number; readonly by: string }
  | { readonly kind: "app-removed"; readonly app: AppName; readonly by: string }
  | { readonly kind: "placed"; readonly workload: WorkloadId; readonly node: NodeId; readonly reason: string }
  | { readonly kind: "unplaced"; readonly workload: WorkloadId; readonly node: NodeId; readonly reason: string }
  | { readonly kind: "unschedulable"; readonly workload: WorkloadId; readonly reason: string }
  | { readonly kind: "node-joined"; readonly node: NodeId; readonly by: string }
  | { readonly kind: "node-removed"; readonly node: NodeId; readonly by: string }
  | { readonly kind: "node-revoked"; readonly node: NodeId; readonly name: NodeName; readonly by: string }
  | { readonly kind: "node-pending"; readonly node: NodeId; readonly by: string }
  | { readonly kind: "node-changed"; readonly node: NodeId; readonly what: string; readonly by: string }
  | { readonly kind: "node-ready"; readonly node: NodeId; readonly silentForMs: number | null }
  | { readonly kind: "node-unreachable"; readonly node: NodeId; readonly silentForMs: number | null }
  | { readonly kind: "brake-on"; readonly unreachable: number; readonly nodes: number }
  | { readonly kind: "brake-off" }
  | { readonly kind: "assignment-refused"; readonly node: NodeId; readonly reason: string; readonly message: string }
  | { readonly kind: "clone-detected"; readonly node: NodeId }
  /** Somebody showed a key that the node has given up. */
  | { readonly kind: "former-key-shown"; readonly node: NodeId; readonly from: string }
  | { readonly kind: "rollout-started"; readonly app: AppName; readonly revision: number; readonly reason: string }
  | {
      readonly kind: "rollout-batch";
      readonly app: AppName;
      readonly service: ServiceName;
      readonly batch: number;
      readonly slots: number;
    }
  | { readonly kind: "rollout-paused"; readonly app: AppName; readonly revision: number; readonly reason: string }
  | { readonly kind: "rollout-resumed"; readonly app: AppName; readonly revision: number; readonly by: string }
  | { readonly kind: "rollout-done"; readonly app: AppName; readonly revision: number }
  | { readonly kind: "rollout-failed"; readonly app: AppName; readonly revision: number; readonly reason: string }
  /** An operator's wish: "stopped", "started", "restarted", "paused", "unpaused", with its reason. */
  | {
      readonly kind: "wish-changed";
      readonly app: AppName;
      readonly target: string;
      readonly what: string;
      readonly by: string;
      readonly reason: string;
    }
  | { readonly kind: "preempted"; readonly workload: WorkloadId; readonly node: NodeId; readonly by: WorkloadId }
  | { readonly kind: "drained"; readonly node: NodeId }
  /** A mistake in the hub: deciding came to no end by itself. `waiting`: slots without a node. */
  | { readonly kind: "decision-cut-short"; readonly waiting: number }
  | { readonly kind: "token-created"; readonly token: string; readonly by: string }
  | { readonly kind: "token-removed"; readonly token: string; readonly by: string }
  /** `token`: its id and `name`; `role`: what it may do, and where. */
  | {
      readonly kind: "api-token-created";
      readonly token: string;
      readonly name: string;
      readonly role: string;
      readonly by: string;
    }
  | { readonly kind: "api-token-removed"; readonly token: string; readonly name: string; readonly by: string }
  | {
      readonly kind: "role-changed";
      readonly role: string;
      readonly permissions: readonly Permission[];
      readonly by: string;
    }
  | { readonly kind: "role-removed"; readonly role: string; readonly by: string }
  /** `what`: the policy in words. */
  | { readonly kind: "policy-changed"; readonly policy: string; readonly what: string; readonly by: string }
  | { readonly kind: "policy-removed"; readonly policy: string; readonly by: string }
  /** A policy in audit mode let through what it would refuse. */
  | { readonly kind: "policy-audited"; readonly app: AppName; readonly reason: string; readonly by: string }
  /** `what`: "disabled", "given a new password". */
  | { readonly kind: "user-changed"; readonly user: string; readonly what: string; readonly by: string }
  /** `value`: "secret db". */
  | { readonly kind: "value-set"; readonly value: string; readonly by: string }
  | { readonly kind: "value-removed"; readonly value: string; readonly by: string }
  | { readonly kind: "value-keys-rotated"; readonly by: string; readonly rewrapped: number };

/** Join token at rest: never its secret. `usesLeft` and `expiresAtMs` (hub's wall clock) are checked at the door. */
export interface JoinToken {
  readonly id: string;
  readonly secretHash: SpecHash;
  readonly usesLeft: number;
  readonly expiresAtMs: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Whoever joins with it waits for an operator's approval. */
  readonly approval: boolean;
  readonly createdAtMs: number;
  readonly createdBy: string;
}

/** API token at rest: never its secret. Lets a person or a program in, with one role. */
export interface ApiToken extends Binding {
  readonly id: string;
  /** Unique among the tokens there are; as it stands in events. */
  readonly name: string;
  readonly secretHash: SpecHash;
  /** Hub's wall clock. */
  readonly expiresAtMs: number;
  readonly createdAtMs: number;
  readonly createdBy: string;
}

/** A key that opens no node any more and lets no machine join, ever. */
export interface RevokedKey {
  readonly publicKey: PublicKey;
  /** Whose it was, and what that was called. */
  readonly node: NodeId;
  readonly name: NodeName;
  /** Hub's wall clock. */
  readonly revokedAtMs: number;
  readonly revokedBy: string;
  /** "replaced": the node has another one since; what is told here of revoking is then of that. */
  readonly why: "revoked" | "replaced";
}

/** Durable: in the store before anything else sees them. */
export type DurableChange =
  /** `source`: the file's text; or that of an older revision, for an undo, a rollback or a scale. */
  | { readonly kind: "app-set"; readonly app: App; readonly source: string | { readonly sameAs: Revision } }
  | { readonly kind: "app-removed"; readonly app: AppName }
  | { readonly kind: "node-set"; readonly node: Node }
  /** One per node. Never read back into the World. */
  | { readonly kind: "node-key-set"; readonly node: NodeId; readonly publicKey: PublicKey }
  | { readonly kind: "node-removed"; readonly node: NodeId }
  /** Before the `node-removed` of its node, or the `node-key-set` that takes its place. */
  | { readonly kind: "key-revoked"; readonly key: RevokedKey }
  | { readonly kind: "placement-set"; readonly placement: Placement }
  | { readonly kind: "placement-removed"; readonly workload: WorkloadId }
  | { readonly kind: "tombstone-set"; readonly tombstone: Tombstone }
  | { readonly kind: "tombstone-removed"; readonly node: NodeId; readonly workload: WorkloadId }
  | { readonly kind: "fencing-token-set"; readonly workload: WorkloadId; readonly token: number }
  /** The store keeps one for each revision; the World the app's newest. */
  | { readonly kind: "rollout-set"; readonly rollout: Rollout }
  | { readonly kind: "wish-set"; readonly wish: Wish }
  | { readonly kind: "wish-removed"; readonly key: string }
  | { readonly kind: "gate-set"; readonly gate: GateResult }
  | { readonly kind: "gate-removed"; readonly workload: WorkloadId }
  | { readonly kind: "token-set"; readonly token: JoinToken }
  | { readonly kind: "token-removed"; readonly id: string }
  | { readonly kind: "api-token-set"; readonly token: ApiToken }
  | { readonly kind: "api-token-removed"; readonly id: string }
  | { readonly kind: "role-set"; readonly role: Role }
  | { readonly kind: "role-removed"; readonly name: string }
  | { readonly kind: "policy-set"; readonly policy: Policy }
  | { readonly kind: "policy-removed"; readonly name: string }
  | { readonly kind: "user-set"; readonly user: User }
  /** Not his sessions: each has a change of its own. */
  | { readonly kind: "user-removed"; readonly name: string }
  | { readonly kind: "session-set"; readonly session: Session }
  | { readonly kind: "session-removed"; readonly id: string }
  /** `sealed`: the content of its newest version; null: only whom it is for changed. Versions that it does not list any more go. */
  | {
      readonly kind: "value-set";
      readonly value: StoredValue;
      readonly sealed: (SealedContent & { readonly version: string }) | null;
    }
  | { readonly kind: "value-removed"; readonly value: ValueId }
  | { readonly kind: "value-rewrapped"; readonly ref: ValueRef; readonly key: string; readonly wrapped: string }
  | { readonly kind: "hub-event"; readonly event: HubEvent }
  | { readonly kind: "node-events"; readonly node: NodeId; readonly items: readonly OutboxItem[] };

/** Volatile: what was seen or worked out. `observed` is written behind by the store in batches; the rest is never stored. */
export type VolatileChange =
  | { readonly kind: "reachability-set"; readonly node: NodeId; readonly reachability: Reachability }
  | { readonly kind: "heard"; readonly node: NodeId; readonly atMs: Millis }
  | { readonly kind: "observed"; readonly node: NodeId; readonly report: Report; readonly atMs: Millis }
  | { readonly kind: "word-set"; readonly node: NodeId; readonly word: Word }
  | { readonly kind: "unplaced-set"; readonly unplaced: Unplaced }
  | { readonly kind: "unplaced-cleared"; readonly workload: WorkloadId }
  | {
      readonly kind: "settled-since";
      readonly app: AppName;
      readonly service: ServiceName;
      readonly atMs: Millis | null;
    }
  | { readonly kind: "brake-set"; readonly brake: Brake | null }
  /** Look again at these; everything looked at is cleaned by `decided`. */
  | { readonly kind: "dirty"; readonly apps: readonly AppName[]; readonly nodes: readonly NodeId[] }
  /** Look again at how the rollout of these services goes on, and at nothing else of their app. */
  | { readonly kind: "rollout-dirty"; readonly app: AppName; readonly services: readonly ServiceName[] }
  | {
      readonly kind: "decided";
      readonly apps: readonly AppName[];
      readonly nodes: readonly NodeId[];
      readonly dueMs: Millis | null;
      readonly listeningSinceMs: Millis;
    };

export type Change = DurableChange | VolatileChange;
