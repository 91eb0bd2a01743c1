// How far each slot of a service has come in a rollout, from its placement, what its node found out, and what was last heard. Pure.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { NodeId } from "@skerry/shared/model/ids.ts";
import { isGood } from "../good.ts";
import { byText, serviceAt } from "../lookup.ts";
import type { GateResult } from "../rollout-state.ts";
import type { App, Node, Placement, World } from "../world.ts";

/**
 * `behind`: still at an older revision. `updating`: let through, its gate is open. `stopped`: an operator wants it stopped, so there is
 * nothing to judge.
 */
export type Phase = "behind" | "updating" | "passed" | "failed" | "stopped";

export interface Slot {
  readonly placement: Placement;
  readonly phase: Phase;
  /** The new revision asks for the very container that it has. */
  readonly same: boolean;
  readonly reach: "heard" | "awaited" | "silent";
  readonly good: boolean;
  readonly node: Node | null;
}

/** What its node found out about the spec that the placement has now; null: nothing yet. */
export function gateOf(world: World, { workload, specHash, step }: Placement): GateResult["result"] | null {
  const gate = world.gates.get(workload);
  if (gate === undefined || gate.specHash !== specHash || gate.attempt !== step.attempt) return null;
  return gate.result;
}

/** Sorted by node name and slot, so that batches are the same whoever works them out. */
export function slotsOf(world: World, app: App, service: ServiceSpec, copies: Iterable<Placement>): readonly Slot[] {
  const slots: Slot[] = [];
  for (const placement of copies) slots.push(slotOf(world, app, service, placement));
  return slots.sort(
    (a, b) =>
      byText(a.node?.name ?? "", b.node?.name ?? "") ||
      Number(a.placement.slot) - Number(b.placement.slot) ||
      byText(a.placement.slot, b.placement.slot),
  );
}

export function reachOf(world: World, node: NodeId): Slot["reach"] {
  const reach = world.reachability.get(node)?.kind;
  return reach === "ready" ? "heard" : reach === "awaited" ? "awaited" : "silent";
}

function slotOf(world: World, app: App, service: ServiceSpec, placement: Placement): Slot {
  return {
    placement,
    phase: phaseOf(world, app, placement),
    same: placement.specHash === service.specHash && !isTriedAgain(world, app, placement),
    reach: reachOf(world, placement.node),
    good: isGood(world, placement),
    node: world.nodes.get(placement.node) ?? null,
  };
}

/** It failed, and the rollout was asked for with --retry. */
function isTriedAgain(world: World, app: App, placement: Placement): boolean {
  const attempt = world.rollouts.get(app.name)?.attempt ?? 0;
  return attempt > placement.step.attempt && gateOf(world, placement)?.kind === "failed";
}

function phaseOf(world: World, app: App, placement: Placement): Phase {
  return placement.revision === app.revision ? phaseOfNewest(world, placement) : "behind";
}

/** One whose container is wanted as it is: being let through to this revision, as it is next, changes nothing about it. */
export function judgedAlready(world: World, slot: Slot): Slot {
  return { ...slot, phase: phaseOfNewest(world, slot.placement) };
}

function phaseOfNewest(world: World, placement: Placement): Phase {
  if (!placement.intent.run) return "stopped";
  return gateOf(world, placement)?.kind ?? "updating";
}

/** Let through, not settled, and its node is there to tell. */
export const isInFlight = ({ phase, reach }: Slot): boolean => phase === "updating" && reach !== "silent";

/** The slots that the file asks for; those of a global service are the ones that were placed. */
export function wantedSlots(service: ServiceSpec, placed: number): number {
  return service.mode.kind === "replicated" ? service.mode.replicas : placed;
}

/** The revision that its node could go back to: what stands there, if it is known to be good. */
export function goodRevision(world: World, app: App, standing: Placement): number | null {
  if (standing.revision === app.lastGood || gateOf(world, standing)?.kind === "passed") return standing.revision;
  return standing.step.previous !== null && serviceAt(world, { ...standing, revision: standing.step.previous }) !== null
    ? standing.step.previous
    : null;
}
