// What a service's file says about its rollout, as numbers for this moment. Pure.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { Amount, UpdatePolicy } from "@skerry/shared/model/update.ts";
import type { Rollout } from "../rollout-state.ts";
import type { App, Node } from "../world.ts";

/** At least 1, for a rollout must be able to move; a count of 0 means all of them. */
export function amountOf(amount: Amount, total: number): number {
  if (amount.kind === "count") return amount.count === 0 ? Math.max(1, total) : amount.count;
  return Math.max(1, Math.ceil((total * amount.percent) / 100));
}

/** Most that may be down at a time. A percentage is at least 1, as everywhere: 25% of three copies would else stop every change for ever. */
export function mostDown(amount: Amount, total: number): number {
  return amount.kind === "count" ? amount.count : amountOf(amount, total);
}

/** Of a node, by which copies are told apart for batches and budgets. "": it has no such label. null: there is no label to go by. */
export function labelValue(node: Pick<Node, "labels"> | null | undefined, key: string | null): string | null {
  if (key === null) return null;
  return node && Object.hasOwn(node.labels, key) ? (node.labels[key] ?? "") : "";
}

export function policyOf(kind: Rollout["kind"], service: ServiceSpec): UpdatePolicy {
  return kind === "rollback" ? service.rollback : service.update;
}

/** The rollout to the app's present revision, while it is under way or paused; null: there is none, or it has ended. */
export function activeRollout(rollouts: ReadonlyMap<string, Rollout>, app: App): Rollout | null {
  const rollout = rollouts.get(app.name);
  if (rollout === undefined || rollout.revision !== app.revision) return null;
  return rollout.state.kind === "progressing" || rollout.state.kind === "paused" ? rollout : null;
}
