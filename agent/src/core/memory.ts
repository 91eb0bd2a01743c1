// Memory: what the agent remembers of each workload beyond what the engine shows. Durable, so that a crash loop stays
// slow across agent restarts and reboots. Data only.
import type { Previous } from "@skerry/shared/model/assignment.ts";
import type { SpecHash } from "@skerry/shared/model/ids.ts";
import type { Exit, PullFailure } from "@skerry/shared/model/report.ts";
import type { Spent } from "./spent.ts";

/** What this node thinks of a wanted spec. Outlives a change of what it is about only until the next one is judged. */
export interface GateMemory {
  readonly specHash: SpecHash;
  readonly attempt: number;
  readonly verdict:
    | { readonly kind: "open" }
    | { readonly kind: "passed" }
    /** `revertedTo`: what runs in its place, until another hash or a larger attempt is wanted. null: it went on. */
    | { readonly kind: "failed"; readonly reason: string; readonly revertedTo: Previous | null };
  /** Of its deadline. */
  readonly own: Spent;
  /** Since when this run has been good without a break; null: it is not. */
  readonly good: { readonly bootId: string; readonly run: string; readonly atMs: number } | null;
  /** For how long leases have put this update off, and whose lease does now. */
  readonly held: Spent;
  readonly heldBy: string | null;
}

/** How one run ended: kept after its container is gone. */
export interface EndedRun {
  readonly exit: Exit;
  /** The exit, and who is behind it as far as was seen. */
  readonly words: string;
  /** The last lines that it wrote, oldest first. Only the newest run of a workload keeps them. */
  readonly tail: readonly string[];
  /** Which failure in a row it was; 0: none. */
  readonly failures: number;
  /** By the monotonic clock of that boot. */
  readonly bootId: string;
  readonly atMs: number;
}

/** Enough to see a loop; each costs some hundred bytes of a small disk, and the newest up to 8 KiB. */
export const MAX_ENDED_RUNS = 3;

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
  /** With `during: "pull"`: why the last pull failed. null otherwise. */
  readonly pullFailure: PullFailure | null;
  /** With `pullFailure: "unauthorised"`: the version of the credential that was refused; null: none was shown. Another one is tried at once. */
  readonly refusedWith: string | null;
  /** For pull_policy always: the image was asked for anew for this spec hash, so that later restarts and repairs need no registry. */
  readonly pulled: boolean;
  /** Container id + startedAt of the last run whose end was counted, or was our own doing, so that one exit is counted once. */
  readonly countedExit: string | null;
  /** null: nothing was judged yet. Kept when the hash changes. */
  readonly gate: GateMemory | null;
  /** Restarts that an operator asked for and got. null: not known, so whatever is asked for counts as done. */
  readonly restartsDone: number | null;
  /** The run that is to be ended and begun anew, as an operator asked. */
  readonly endRun: string | null;
  /** The last run of the kept previous container, when its end was our doing. */
  readonly stoppedRun: string | null;
  /** It was shown as stopped by intent. */
  readonly stopped: boolean;
  /** The newest first. Kept when the hash changes. */
  readonly runs: readonly EndedRun[];
}
