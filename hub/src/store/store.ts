// Store: the contract that SQLite meets today and PostgreSQL later. `load` and `commit` for decisions; queries of history are apart.
// One contract suite (test/contract) runs against every implementation, the simulator's included.
import type { AppSpec } from "@skerry/shared/model/app.ts";
import type { NodeEvent } from "@skerry/shared/model/event.ts";
import type { AppName, NodeId, PublicKey, Revision, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import type { LoadedWorld } from "../core/apply-change.ts";
import type { ApiToken, DurableChange, HubEvent, JoinToken, RevokedKey } from "../core/change.ts";
import type { Role } from "../core/permission.ts";
import type { Rollout } from "../core/rollout-state.ts";
import type { Session, User } from "../core/user.ts";
import type { SealedContent, StoredValue, ValueId } from "../core/value.ts";
import type { AuditEntry, AuditLink, AuditRecord } from "./audit-chain.ts";

export interface Commit {
  readonly changes: readonly DurableChange[];
  /** Hub's wall clock, for showing. */
  readonly wallMs: number;
  /** Who and how: "admin", "hub", "node n…". */
  readonly actor: string;
  /** Stored in the same transaction; a second commit with the same key throws StoreError("duplicate"). */
  readonly idempotency: {
    /** Of one holder, ASCII: "HOLDER KEY", and no space in the holder. So many of each holder are kept. */
    readonly key: string;
    readonly requestHash: string;
    readonly status: number;
    readonly body: string;
  } | null;
  /** Becomes the next entry of the audit log, in the same transaction; null: not asked for by anybody (what the hub decides, what nodes say). */
  readonly audit: AuditRecord | null;
}

/** One durable fact for watchers, in the order of `seq`; several may share one seq (one commit). */
export interface WatchItem {
  readonly seq: number;
  readonly index: number;
  readonly wallMs: number;
  readonly change: DurableChange;
}

export interface EventRow {
  readonly id: number;
  readonly wallMs: number;
  readonly node: NodeId | null;
  readonly app: AppName | null;
  readonly workload: WorkloadId | null;
  readonly event:
    | { readonly source: "hub"; readonly event: HubEvent }
    | { readonly source: "node"; readonly seq: number; readonly event: NodeEvent };
}

export interface EventQuery {
  readonly app: AppName | null;
  readonly node: NodeId | null;
  readonly workload: WorkloadId | null;
  /** Rows with a larger id than this, oldest first; null: the newest `limit` rows, oldest first. */
  readonly afterId: number | null;
  readonly limit: number;
  /** Of apps and nodes out of these nothing is found, nor what is of neither. null: everything. */
  readonly within: EventScope | null;
}

/** An event of an app belongs to the app; only one of no app belongs to its node. null: all of them. */
export interface EventScope {
  readonly apps: readonly AppName[] | null;
  readonly nodes: readonly NodeId[] | null;
}

export interface AuditQuery {
  readonly actor: string | null;
  /** Entries whose `target` is this, or whose `targetId` is that. Both null: of anything. */
  readonly target: string | null;
  readonly targetId: string | null;
  readonly sinceMs: number | null;
  readonly outcome: AuditEntry["outcome"] | null;
  /** `after`: entries with larger numbers, oldest first; `before`: with smaller ones, newest first (null: from the newest). */
  readonly from:
    | { readonly kind: "after"; readonly number: number }
    | { readonly kind: "before"; readonly number: number | null };
  readonly limit: number;
}

export interface AuditPage {
  readonly items: readonly AuditEntry[];
  /** Goes into `from` to go on; null: there is nothing further. A page may have few items, or none, and a next one: so many were looked at. */
  readonly next: number | null;
  /** The last entry that was let go for its age or number: the first of those that are kept follows it. */
  readonly trimmed: AuditLink;
  readonly last: AuditLink;
}

export class StoreError extends Error {
  override name = "StoreError";
  /** `full`: no space; `broken`: I/O error or corruption — the hub must stop taking changes; `duplicate`: idempotency key used. */
  readonly kind: "full" | "broken" | "duplicate";
  constructor(kind: "full" | "broken" | "duplicate", message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.kind = kind;
  }
}

export interface Store {
  load(): LoadedWorld;
  /** One durable transaction (fsynced when this returns). Returns the new seq. Node events already stored are skipped silently. */
  commit(commit: Commit): number;
  /** The next entry of the audit log alone, for what changed nothing: as durable as a commit, without a seq. */
  appendAudit(record: AuditRecord, wallMs: number): void;
  /** Written behind; may be lost in a power cut. */
  saveObserved(node: NodeId, workloads: readonly WorkloadStatus[]): void;

  revisions(
    app: AppName,
  ): readonly { readonly revision: Revision; readonly appliedAtMs: number; readonly appliedBy: string }[];
  /** Of the app's revisions, newest first, at most `limit`. */
  rollouts(app: AppName, limit: number): readonly Rollout[];
  revision(app: AppName, revision: Revision): { readonly spec: AppSpec; readonly source: string } | null;
  /** The largest revision ever used for this name, also by a removed app of that name; 0: none. */
  lastRevision(app: AppName): Revision;
  events(query: EventQuery): readonly EventRow[];
  audit(query: AuditQuery): AuditPage;
  /** null: `since` is older than what is kept, or newer than what exists: the watcher must read everything anew. */
  watch(since: number, limit: number): readonly WatchItem[] | null;
  publicKey(node: NodeId): PublicKey | null;
  /** The node that has this key: joining again with it gives the same node. */
  keyHolder(key: PublicKey): NodeId | null;
  revokedKey(key: PublicKey): RevokedKey | null;
  /** Keys that it had, revoked or replaced, by key. */
  revokedKeysOf(node: NodeId): readonly RevokedKey[];
  tokens(): readonly JoinToken[];
  apiToken(id: string): ApiToken | null;
  /** By id. */
  apiTokens(): readonly ApiToken[];
  /** Own roles, by name. */
  roles(): readonly Role[];
  /** When each API token was last used (hub's wall clock), by id; none: never. */
  apiTokenUses(): ReadonlyMap<string, number>;
  /** Written behind; may be lost in a power cut. Nothing happens when there is no such token. */
  saveApiTokenUse(id: string, atMs: number): void;
  user(name: string): User | null;
  /** By name. */
  users(): readonly User[];
  session(id: string): Session | null;
  /** By id. */
  sessionsOf(user: string): readonly Session[];
  /** When each session of this user was last used (hub's wall clock), by id; none: not since it was made. */
  sessionUses(user: string): ReadonlyMap<string, number>;
  /** Written behind; may be lost in a power cut. Nothing happens when there is no such session. */
  saveSessionUse(id: string, atMs: number): void;
  /** Secrets and configs, without what is in them: by kind, app and name. */
  values(): readonly StoredValue[];
  /** One version's content; null: it is not kept. */
  sealedValue(ref: ValueRef): SealedContent | null;
  /** Of every version that is kept, the key of the ring that it is under. */
  valueKeys(): readonly { readonly ref: ValueRef; readonly key: string; readonly wrapped: string }[];
  /** What this node was ever given of values, by kind, app and name. */
  givenTo(node: NodeId): readonly ValueId[];
  /** Durable when it returns, and costs nothing when it was noted before. Nothing happens when there is no such node. */
  saveGiven(node: NodeId, value: ValueId): void;
  idempotent(key: string): { readonly requestHash: string; readonly status: number; readonly body: string } | null;
  /** Small named values: the admin token's hash and the like. Durable when set returns. */
  setting(name: string): string | null;
  setSetting(name: string, value: string): void;
  close(): void;
}
