// Fence: how long a workload may still run without a further word from the hub. Pure.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import { leaseLeftMs } from "../link-state.ts";
import type { Scene } from "./scene.ts";

/** null: it has no fence. 0: it must not run. */
export function leaseOf({ context, now }: Pick<Scene, "context" | "now">, { disconnect }: Workload): number | null {
  return disconnect.policy === "fence" ? leaseLeftMs(context.link, disconnect.afterMs, now) : null;
}
