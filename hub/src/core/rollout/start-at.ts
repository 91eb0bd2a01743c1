// At which revision a slot starts that has no copy, or moves, while a rollout is under way: what is not yet proven must not spread by
// way of failures and new nodes. Pure.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { NodeId, Revision, Slot } from "@skerry/shared/model/ids.ts";
import { workloadId } from "@skerry/shared/model/names.ts";
import { serviceAt, serviceOf, specAt } from "../lookup.ts";
import { constraintRefusal } from "../schedule.ts";
import type { App, Placement, World } from "../world.ts";
import { activeRollout } from "./policy.ts";
import { gateOf } from "./slots.ts";

export interface StartsAt {
  readonly revision: Revision;
  readonly service: ServiceSpec;
}

/** null: not yet — it is new in a revision whose canaries are not promoted. */
export function startsAt(world: World, app: App, service: ServiceSpec, slot: Slot): StartsAt | null {
  const newest: StartsAt = { revision: app.revision, service };
  const rollout = activeRollout(world.rollouts, app);
  if (rollout === null || rollout.kind !== "update" || app.lastGood === null) return newest;
  const spec = specAt(app, app.lastGood);
  const good = spec === null ? null : serviceOf(spec, service.name);
  if (good !== null && good.specHash === service.specHash) return newest;
  // Let through already; it only waits for a place.
  if (world.unplaced.get(workloadId(app.name, service.name, slot))?.revision === app.revision) return newest;
  if (good !== null && hasSlot(world, good, service, slot)) return { revision: app.lastGood, service: good };
  const state = rollout.services.find((each) => each.service === service.name);
  return state?.canary === "open" || rollout.state.kind === "paused" ? null : newest;
}

/** A copy that moves to another node: what its revision has proven goes with it, what it has not stays behind. */
export function startsElsewhere(world: World, app: App, service: ServiceSpec, standing: Placement): StartsAt | null {
  const isProven = standing.revision === app.revision && gateOf(world, standing)?.kind === "passed";
  return isProven ? { revision: app.revision, service } : startsAt(world, app, service, standing.slot);
}

function hasSlot(world: World, good: ServiceSpec, service: ServiceSpec, slot: Slot): boolean {
  if (good.mode.kind !== service.mode.kind) return false;
  if (good.mode.kind === "replicated") return Number(slot) <= good.mode.replicas;
  // A global slot is the id of its node.
  const node = world.nodes.get(slot as string as NodeId);
  return node !== undefined && constraintRefusal(good.constraints, node) === null;
}

/** A copy that is not let through yet is judged by its own revision's constraints; the service must still be in the file. */
export function judgedBy(world: World, placement: Placement, wanted: ServiceSpec): ServiceSpec {
  const app = world.apps.get(placement.app);
  if (app === undefined || placement.revision === app.revision) return wanted;
  const rollout = activeRollout(world.rollouts, app);
  // With nothing good to keep, everything goes at once.
  if (rollout === null || rollout.kind === "first") return wanted;
  const own = serviceAt(world, placement);
  return own === null || own.mode.kind !== wanted.mode.kind ? wanted : own;
}

/** Whether slots of this app may be brought to its revision outside of a batch: catching up after the rollout, or finding room. */
export function mayCatchUp(world: World, app: App): boolean {
  return activeRollout(world.rollouts, app)?.state.kind !== "paused";
}
