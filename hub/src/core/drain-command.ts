// Cordon, uncordon, drain: what becomes of the command. Pure. What a drain moves is `drain`'s matter.
import { err, ok } from "@skerry/shared/runtime/result.ts";
import type { Command, CommandContext, HandleResult } from "./command.ts";
import { MAX_DRAIN_MS, mayMoveFrom } from "./drain.ts";
import type { Node, World } from "./world.ts";

type SetAvailability = Extract<Command, { readonly kind: "set-availability" }>;

/** null: the deadline may be kept. 0: what may not move is stopped at once. */
export function drainProblem({ availability, drainForMs }: SetAvailability): HandleResult | null {
  if (drainForMs === null) return null;
  if (availability !== "draining")
    return err({
      code: "invalid",
      message: "only a drain has a deadline",
      hint: "leave it out, or drain the node",
      path: "deadlineMs",
    });
  if (Number.isInteger(drainForMs) && drainForMs >= 0 && drainForMs <= MAX_DRAIN_MS) return null;
  return err({
    code: "invalid",
    message: "a drain's deadline lies within 31 days",
    hint: "give a shorter time, or none",
    path: "deadlineMs",
  });
}

const WORDS = { active: "uncordoned", cordoned: "cordoned", draining: "draining" } as const;

export function availabilityChanged(
  world: World,
  before: Node,
  { availability, reason, drainForMs }: SetAvailability,
  { actor, wallMs }: CommandContext,
  changed: (node: Node, what: string) => HandleResult,
): HandleResult {
  const isSame = before.availability === availability;
  if (isSame && drainForMs === null) return ok({ changes: [], outcome: { kind: "node-changed", node: before.id } });
  const kept = isSame ? before.availabilitySaid : null;
  const node: Node = {
    ...before,
    availability,
    availabilitySaid: kept ?? { by: actor, atMs: wallMs, reason },
    drainDeadlineMs: drainForMs === null ? null : wallMs + drainForMs,
    drainOverMs: null,
  };
  const result = changed(node, reason === "" ? WORDS[availability] : `${WORDS[availability]}: ${reason}`);
  // Where nothing may move there is no last one whose leaving could tell it.
  if (!result.ok || availability !== "draining" || isSame || mayMoveFrom(world, node.id)) return result;
  const event = { kind: "drained", node: node.id } as const;
  return ok({ ...result.value, changes: [...result.value.changes, { kind: "hub-event", event }] });
}
