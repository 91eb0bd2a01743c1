// What both stores agree on about history: whom an event is about, what a watcher may see, whose an idempotency key is, and where a page of
// changes or of the audit log ends. Pure.

import type { NodeEvent } from "@skerry/shared/model/event.ts";
import type { AppName, NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadParts } from "@skerry/shared/model/names.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { DurableChange, HubEvent } from "../core/change.ts";
import type { AuditLink } from "./audit-chain.ts";
import type { StoreLimits } from "./limits.ts";
import type { AuditPage, AuditQuery, WatchItem } from "./store.ts";

export interface EventSubject {
  readonly node: NodeId | null;
  readonly app: AppName | null;
  readonly workload: WorkloadId | null;
}

export function hubEventSubject(event: HubEvent): EventSubject {
  switch (event.kind) {
    case "policy-audited":
    case "app-applied":
    case "app-removed":
    case "rollout-started":
    case "rollout-batch":
    case "rollout-paused":
    case "rollout-resumed":
    case "rollout-done":
    case "rollout-failed":
    case "wish-changed":
      return { node: null, app: event.app, workload: null };
    case "placed":
    case "unplaced":
    case "preempted":
      return { node: event.node, ...workloadSubject(event.workload) };
    case "unschedulable":
      return { node: null, ...workloadSubject(event.workload) };
    case "node-joined":
    case "node-removed":
    case "node-revoked":
    case "node-pending":
    case "node-changed":
    case "node-ready":
    case "node-unreachable":
    case "assignment-refused":
    case "clone-detected":
    case "former-key-shown":
    case "drained":
      return { node: event.node, app: null, workload: null };
    case "brake-on":
    case "brake-off":
    case "decision-cut-short":
    case "token-created":
    case "token-removed":
    case "api-token-created":
    case "api-token-removed":
    case "role-changed":
    case "role-removed":
    case "policy-changed":
    case "policy-removed":
    case "user-changed":
    case "value-set":
    case "value-removed":
    case "value-keys-rotated":
      return { node: null, app: null, workload: null };
    default:
      return assertNever(event, "hub event");
  }
}

export function nodeEventSubject(node: NodeId, event: NodeEvent): EventSubject {
  return "workload" in event ? { node, ...workloadSubject(event.workload) } : { node, app: null, workload: null };
}

function workloadSubject(workload: WorkloadId): { app: AppName; workload: WorkloadId } {
  return { app: workloadParts(workload).app, workload };
}

const NOT_WATCHED: ReadonlySet<DurableChange["kind"]> = new Set<DurableChange["kind"]>([
  "node-key-set",
  "key-revoked",
  "token-set",
  "api-token-set",
  "user-set",
  "user-removed",
  "session-set",
  "session-removed",
  "value-set",
  "value-removed",
  "value-rewrapped",
]);

/** Keys and hashes of secrets are nobody's news, nor is what is sealed. What happened is told by the hub event beside them. */
export function isWatched(change: DurableChange): boolean {
  return !NOT_WATCHED.has(change.kind);
}

/**
 * At most `limit` items that end where a commit ends, so that resuming from the last `seq` loses nothing; one commit that is larger
 * than `limit` comes whole. `items` are in order and may be longer than the limit by any number.
 */
export function wholeCommits<T extends Pick<WatchItem, "seq">>(items: readonly T[], limit: number): readonly T[] {
  const next = items[limit];
  if (next === undefined) return items;
  let end = limit;
  while (end > 0 && items[end - 1]?.seq === next.seq) end -= 1;
  if (end > 0) return items.slice(0, end);
  while (items[end]?.seq === next.seq) end += 1;
  return items.slice(0, end);
}

/** Keys of the same holder: from `least`, and below `end`. */
export function keysOfHolder(key: string): { readonly least: string; readonly end: string } {
  const holder = key.slice(0, Math.max(0, key.indexOf(" ")));
  // "!" is what follows the space.
  return { least: `${holder} `, end: `${holder}!` };
}

/** The numbers that one page of the audit log looks at, both included, and the ends of all that there is. */
export interface AuditRange {
  readonly least: number;
  readonly most: number;
  readonly first: number;
  readonly last: number;
}

export function auditRange(
  { from }: Pick<AuditQuery, "from">,
  ends: { readonly trimmed: AuditLink; readonly last: AuditLink },
  { audit: { lookedAt } }: StoreLimits,
): AuditRange {
  const [first, last] = [ends.trimmed.number + 1, ends.last.number];
  if (from.kind === "after") {
    const least = Math.max(first, from.number + 1);
    return { least, most: Math.min(last, least + lookedAt - 1), first, last };
  }
  const most = Math.min(last, (from.number ?? last + 1) - 1);
  return { least: Math.max(first, most - lookedAt + 1), most, first, last };
}

/** A full page goes on at its last item, another one behind what was looked at. */
export function nextAudit(query: AuditQuery, range: AuditRange, items: AuditPage["items"]): number | null {
  const isFull = items.length === query.limit;
  if (query.from.kind === "after") {
    const at = isFull ? (items.at(-1)?.number ?? range.most) : range.most;
    return at < range.last ? at : null;
  }
  const at = isFull ? (items.at(-1)?.number ?? range.least) : range.least;
  return at > range.first ? at : null;
}
