// Memory: what the agent remembers of each workload beyond what the engine shows. Durable, so that a crash loop stays
// slow across agent restarts and reboots. Data only.
import type { SpecHash } from "@skerry/shared/model/ids.ts";
import type { Exit } from "@skerry/shared/model/report.ts";

export interface WorkloadMemory {
  /** What the memory is about; another hash starts afresh. */
  readonly specHash: SpecHash;
  /** Failures in a row: pulls, creates, starts and short runs alike. */
  readonly failures: number;
  /** When the next try is due, by the monotonic clock of the boot `bootId`. After a reboot: how much was left is waited anew. */
  readonly nextTry: { readonly bootId: string; readonly atMs: number; readonly delayMs: number } | null;
  readonly during: "pull" | "create" | "start" | "run" | null;
  readonly reason: string;
  readonly lastExit: Exit | null;
  readonly restarts: number;
  /** Ended for good: completed, given up, or refused by the engine as invalid. */
  readonly ended:
    | { readonly kind: "completed"; readonly exit: Exit }
    | { readonly kind: "failed"; readonly reason: string }
    | null;
  /** For pull_policy always: the image was asked for anew for this spec hash, so that later restarts and repairs need no registry. */
  readonly pulled: boolean;
  /** Container id + startedAt of the last run whose end was counted, or was our own doing, so that one exit is counted once. */
  readonly countedExit: string | null;
}
