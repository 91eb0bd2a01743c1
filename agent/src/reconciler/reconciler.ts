// Reconciler: what the rest of the agent sees of the loop. `createReconciler` in `loop.ts` builds it.
import type { Position } from "@skerry/shared/model/assignment.ts";
import type { Condition, PortInUse } from "@skerry/shared/model/node.ts";
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { Clock } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import type { LinkState } from "../core/link-state.ts";
import type { Engine } from "../engine/engine.ts";
import type { HostPaths } from "../engine/host-paths.ts";
import type { LabelKey } from "../engine/labels.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Ask } from "../prober/prober.ts";
import type { ChangeTimes } from "../times/times.ts";
import type { Values } from "../values/values.ts";

export interface ReconcilerParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly engine: Engine;
  /** Its identity is set: a machine that has not joined has nothing to reconcile. */
  readonly ledger: Ledger;
  readonly labelKey: LabelKey;
  /** Asks a container what a probe wants to know. */
  readonly ask: Ask;
  /** The link costs money by the byte. */
  readonly metered: boolean;
  /** The kernel's boot id. */
  readonly bootId: string;
  /** The link's present state; only fences read it. The link calls `wake` when a lease comes back. */
  readonly link: () => LinkState;
  /** true: nothing is changed, see core/safe-mode. Whoever answers calls `wake` when it ends. */
  readonly safeMode: () => boolean;
  /** Update windows and holds; without it windows stay closed and nothing is held. */
  readonly times?: ChangeTimes;
  /** Follows links of host paths before they are mounted; without it they are taken as they are written. */
  readonly hostPaths?: HostPaths;
  /** Secrets and configs; without it a workload that gets some waits. */
  readonly values?: Pick<Values, "look" | "here" | "mountsFor" | "registryLogin">;
  /** Why the ledger had to start empty, when it was lost; containers are then adopted from their labels. null: it was not. */
  readonly ledgerLost: string | null;
}

export interface Reconciler {
  /** Look again soon. Carries no input: `reason` is for the log only. */
  wake(reason: string): void;
  /** Runs until `stop`; rejects only on a bug. Call once. */
  run(): Promise<void>;
  /** Ends the loop and waits for calls in flight, for a bounded time. Containers run on. */
  stop(): Promise<void>;
  /** As of now: ages are counted up to this moment. Empty until the first look. */
  statuses(): readonly WorkloadStatus[];
  conditions(): readonly Condition[];
  ports(): readonly PortInUse[];
  /** Of the assignment that the statuses are about; null: before the first look, or without an assignment. */
  judged(): Position | null;
  /** Called after a look or an outcome changed a status, a condition, a port or `judged` (ages are no change). Returns the way to end it. */
  onStatus(listener: () => void): () => void;
  /** Called after events were put into the outbox. Returns the way to end it. */
  onEvents(listener: () => void): () => void;
}
