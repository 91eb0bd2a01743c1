// Rollout: the shapes of what is durable about changing an app from one revision to the next, and of what operators want beside
// the file. Data only; `core/rollout/` decides on it. A rollback is a new revision with the older content, rolled out the same way.
import type { AppName, Revision, ServiceName, Slot, SpecHash, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { WallMillis } from "@skerry/shared/runtime/clock.ts";

/** What a node found out about the spec hash of one placement. Nothing stored: still open. */
export interface GateResult {
  readonly workload: WorkloadId;
  readonly revision: Revision;
  readonly specHash: SpecHash;
  readonly attempt: number;
  readonly result: { readonly kind: "passed" } | { readonly kind: "failed"; readonly reason: string };
}

/** One app's rollout to its current revision. At most one per app; editing goes straight to the newest. */
export interface Rollout {
  readonly app: AppName;
  readonly revision: Revision;
  /** `first`: nothing good stood before. A `rollback` is never rolled back. */
  readonly kind: "first" | "update" | "rollback";
  /** The last good revision when it began; null: none. */
  readonly from: Revision | null;
  readonly by: string;
  /** "applied", "undo", "revision 4 failed: …". */
  readonly reason: string;
  /** What nodes are told: a spec hash that failed is tried again only under a larger number (--retry). */
  readonly attempt: number;
  /** Windows and holds do not count (--force). */
  readonly force: boolean;
  readonly startedAtMs: WallMillis;
  readonly state:
    | { readonly kind: "progressing" }
    | { readonly kind: "paused"; readonly by: string; readonly reason: string; readonly atMs: WallMillis }
    | { readonly kind: "done"; readonly atMs: WallMillis }
    /** Ended by a rollback to, or an edit as, revision `next`. */
    | { readonly kind: "failed"; readonly reason: string; readonly next: Revision | null; readonly atMs: WallMillis }
    | { readonly kind: "superseded"; readonly next: Revision; readonly atMs: WallMillis };
  /** Sorted by service; only services that have something to change. */
  readonly services: readonly ServiceRollout[];
}

export interface ServiceRollout {
  readonly service: ServiceName;
  /** Batches let through so far. */
  readonly batch: number;
  /** `none`: there is no canary; `open`: its batch is under way, or waits for promotion. */
  readonly canary: "none" | "open" | "promoted";
  /** Failures that an operator went on in spite of: so many pause it no more. */
  readonly forgiven: number;
}

/** A spec hash of a service that failed its rollout: not tried again unless an operator says --retry. */
export interface FailedSpec {
  readonly service: ServiceName;
  readonly specHash: SpecHash;
  readonly revision: Revision;
  readonly reason: string;
}

/** Since when, by whom and why an operator wants it so. */
export interface Said {
  readonly by: string;
  readonly atMs: WallMillis;
  /** The operator's own words; "" when none were given. */
  readonly reason: string;
}

/** What an operator wants of an app, a service of it, or one slot, beside the file. Survives reboots, and reaches absent nodes. */
export interface Wish {
  readonly app: AppName;
  /** null: the whole app. */
  readonly service: ServiceName | null;
  /** null: the whole service. */
  readonly slot: Slot | null;
  /** null: it is to run. */
  readonly stopped: Said | null;
  /** The number of the newest restart that was asked for here, from 1; each is larger than any before it. 0: none was. */
  readonly restarts: number;
  /** Only on a whole app: the hub changes nothing of it (no rollout, no move); nodes go on as they are. null: not paused. */
  readonly paused: Said | null;
}

/** `app`, `app/service` or `app/service/slot`: the key of a wish. */
export function wishKey({ app, service, slot }: Pick<Wish, "app" | "service" | "slot">): string {
  return [app, service, slot].filter((part) => part !== null).join("/");
}

/** Whether a wish's key is the app's own, or one of its services' or slots'. */
export function isWishOf(app: AppName, key: string): boolean {
  return key === app || key.startsWith(`${app}/`);
}
