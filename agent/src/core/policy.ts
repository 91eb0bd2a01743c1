// Policy on the node: whether what a workload asks for is allowed, whatever came in its assignment. Pure, and the hub's own validator.
// It is asked before anything stops for a new container, and before a network or volume is made that only refused workloads would use.
import type { AppVolume } from "@skerry/shared/model/app.ts";
import type { AssignedApp, Assignment, Workload } from "@skerry/shared/model/assignment.ts";
import { volumeOptions } from "@skerry/shared/policy/asks.ts";
import { judge, type Violation } from "@skerry/shared/policy/judge.ts";

/** Empty: it is allowed. `closed`: host paths beside the usual ones that no grant covers. */
export function refusedBy(
  workload: Workload,
  apps: readonly AssignedApp[],
  closed: readonly string[] = [],
): readonly Violation[] {
  const known = judged.get(workload);
  if (known?.apps === apps && closed.length === 0) return known.violations;
  const own = apps.find(({ name }) => name === workload.app);
  const { app, spec, policy } = workload;
  const subject = { app, spec, networks: own?.networks ?? [], volumes: own?.volumes ?? [] };
  const violations = judge(subject, policy ?? undefined, closed);
  if (closed.length === 0) judged.set(workload, { apps, violations });
  return violations;
}
/** Asked at each look, of workloads that do not change. A memory, not a state: forgetting it changes nothing. */
const judged = new WeakMap<
  Workload,
  { readonly apps: readonly AssignedApp[]; readonly violations: readonly Violation[] }
>();

/** In words, for the state of the workload; null: it is allowed. */
export function refusalText(violations: readonly Violation[]): string | null {
  const [first] = violations;
  if (first === undefined) return null;
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
  return `this node refuses it by policy: ${first.message}${more}`;
}

/**
 * A volume keeps the options it was made with: one made for a workload that is refused would be there, with whatever it shows, for the next
 * one that only names it.
 */
export function mayMakeVolume({ workloads, apps }: Pick<Assignment, "workloads" | "apps">, volume: AppVolume): boolean {
  const users = workloads.filter(({ spec }) =>
    spec.mounts.some((mount) => mount.kind === "volume" && mount.source === volume.engineName),
  );
  // Made for nobody it may stand for what is allowed everywhere, and no more.
  if (users.length === 0) return volumeOptions(volume, false).length === 0;
  return users.every((workload) => refusedBy(workload, apps).length === 0);
}
