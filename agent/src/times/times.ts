// ChangeTimes: what the reconciler asks of windows and holds. One look before each plan; nothing here decides.
import { join } from "node:path";
import type { Assignment, Workload } from "@skerry/shared/model/assignment.ts";
import type { Mount } from "@skerry/shared/model/container.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { HoldLease, WindowsNow } from "../core/plan/scene.ts";
import { Holds } from "./holds.ts";
import { type WindowParts, Windows } from "./windows.ts";

export interface ChangeTimes {
  /** Before each plan. */
  look(desired: Assignment | null): Promise<void>;
  windows(desired: Assignment | null): ReadonlyMap<WorkloadId, WindowsNow>;
  holds(): ReadonlyMap<WorkloadId, HoldLease>;
  /** The folder in which it may leave a lease; null: it may not hold. */
  holdMount(workload: Workload): Promise<Mount | null>;
}

export interface ChangeTimesParts extends WindowParts {
  readonly log: Log;
  /** The agent's own folder. */
  readonly dataDir: string;
}

export function changeTimes(parts: ChangeTimesParts): ChangeTimes {
  const windows = new Windows(parts);
  const holds = new Holds(join(parts.dataDir, "holds"), parts.clock, parts.log);
  return {
    async look(desired) {
      await Promise.all([windows.prepare(desired), holds.look(desired)]);
    },
    windows: (desired) => windows.now(desired),
    holds: () => holds.now(),
    holdMount: (workload) => holds.mountFor(workload),
  };
}
