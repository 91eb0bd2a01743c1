// What to send one node next, so that it gets to the position that the World assigns to it. Pure, save for hashing.
// One assignment is under way at a time and the newest wins: a slow node skips what it missed. A node that is ahead of this hub, or has
// other content at the same position (an older database was restored), is offered what the hub has: it refuses, and its refusal is shown.
import type { Assignment, AssignmentDelta, Position } from "@skerry/shared/model/assignment.ts";
import { comparePositions } from "@skerry/shared/model/assignment-hash.ts";
import type { NodeId, SpecHash } from "@skerry/shared/model/ids.ts";
import { assignmentHash } from "@skerry/shared/protocol/assignment-digest.ts";
import { assignmentDelta, buildAssignment } from "../core/assign.ts";
import type { World } from "../core/world.ts";

export interface Have {
  readonly position: Position;
  readonly hash: SpecHash;
}

/** What the hub knows of one node's ledger during one connection. Replaced at each step. */
export interface Delivery {
  /** What the node last said is durable. */
  readonly have: Have | null;
  /** The content of `have`, when this hub knows it: what a delta starts from. */
  readonly base: Assignment | null;
  /** Sent, and neither accepted nor refused yet. */
  readonly underWay: Assignment | null;
  /** Refused at this position, or too large: not offered again on this connection until the position moves. */
  readonly held: Position | null;
}

export type Offer =
  | { readonly kind: "nothing" }
  | { readonly kind: "whole"; readonly assignment: Assignment }
  | { readonly kind: "delta"; readonly delta: AssignmentDelta; readonly assignment: Assignment };

const NOTHING: Offer = { kind: "nothing" };

/** After hello was handled. A position equal to ours was compared by content then: it is what we would send. */
export function deliveryAt(world: World, node: NodeId, have: Have | null): Delivery {
  // Built once: that is most of what a hello costs.
  const ours = have !== null && isAt(world, node, have) ? currentAssignment(world, node) : null;
  return { have, base: ours?.hash === have?.hash ? ours : null, underWay: null, held: null };
}

export function nextOffer(world: World, node: NodeId, delivery: Delivery): Offer {
  const assigned = world.nodes.get(node)?.assigned;
  if (assigned === undefined || assigned.generation === 0) return NOTHING;
  const { have, base, underWay, held } = delivery;
  if (underWay !== null || (held !== null && comparePositions(held, assigned) === 0)) return NOTHING;
  // `base` is only there when the node's content is known to be ours.
  if (base !== null && comparePositions(base.position, assigned) === 0) return NOTHING;
  const assignment = currentAssignment(world, node);
  if (assignment === null) return NOTHING;
  const delta = base === null || have === null || base.hash !== have.hash ? null : assignmentDelta(base, assignment);
  return delta === null ? { kind: "whole", assignment } : { kind: "delta", delta, assignment };
}

export function accepted(delivery: Delivery, have: Have): Delivery {
  const { underWay } = delivery;
  const answersIt = underWay !== null && underWay.hash === have.hash;
  const base = answersIt ? underWay : delivery.base?.hash === have.hash ? delivery.base : null;
  return { have, base, underWay: answersIt ? null : underWay, held: null };
}

export function refused(have: Have | null, position: Position): Delivery {
  return { have, base: null, underWay: null, held: position };
}

/** A delta did not fit, or there was no answer: the whole comes next. */
export function startOver(have: Have | null): Delivery {
  return { have, base: null, underWay: null, held: null };
}

/** For `greeted`: the content that the node has at the World's position, against ours. */
export function hashMatches(world: World, node: NodeId, have: Have | null): boolean | null {
  if (have === null || !isAt(world, node, have)) return null;
  return currentAssignment(world, node)?.hash === have.hash;
}

const isAt = (world: World, node: NodeId, { position }: Have): boolean => {
  const assigned = world.nodes.get(node)?.assigned;
  return assigned !== undefined && comparePositions(position, assigned) === 0;
};

function currentAssignment(world: World, node: NodeId): Assignment | null {
  const built = buildAssignment(world, node);
  return built === null ? null : { ...built, hash: assignmentHash(built) };
}
