// ChangeTimes: what the reconciler asks of windows and holds. One look before each plan; nothing here decides.
import { join } from "node:path";
import type { Assignment, Workload } from "@skerry/shared/model/assignment.ts";
import type { Mount } from "@skerry/shared/model/container.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { HoldLease, WindowsNow } from "../core/plan/scene.ts";
import { askApart } from "./edges.ts";
import { Holds } from "./holds.ts";
import { type WindowParts, Windows } from "./windows.ts";

export interface ChangeTimes {
  /** Before each plan. What takes time (a window that is not known yet) is not waited for: `changed` is called when it came. */
  look(desired: Assignment | null, changed: () => void): Promise<void>;
  windows(desired: Assignment | null): ReadonlyMap<WorkloadId, WindowsNow>;
  holds(): ReadonlyMap<WorkloadId, HoldLease>;
  /** The folder in which it may leave a lease; null: it may not hold. */
  holdMount(workload: Workload): Promise<Mount | null>;
}

export interface ChangeTimesParts extends Omit<WindowParts, "ask"> {
  /** The agent's own folder. */
  readonly dataDir: string;
}

export function changeTimes(parts: ChangeTimesParts): ChangeTimes {
  const windows = new Windows({ ...parts, ask: askApart });
  const holds = new Holds(join(parts.dataDir, "holds"), parts.clock, parts.log);
  return {
    async look(desired, changed) {
      void windows.prepare(desired).then((news) => {
        if (news) changed();
      });
      await holds.look(desired);
    },
    windows: (desired) => windows.now(desired),
    holds: () => holds.now(),
    holdMount: (workload) => holds.mountFor(workload),
  };
}
