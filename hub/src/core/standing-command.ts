// Commands about whether a node is trusted: approving one that waits, ending a freeze, revoking a key. Pure.

import { assert } from "@skerry/shared/runtime/assert.ts";
import type { WallMillis } from "@skerry/shared/runtime/clock.ts";
import { ok } from "@skerry/shared/runtime/result.ts";
import type { Change, RevokedKey } from "./change.ts";
import type { CommandContext, HandleResult, StandingCommand } from "./command.ts";
import { keysTaken } from "./key-roll.ts";
import { NEW_LINEAGE } from "./lineage.ts";
import { refuse } from "./refuse.ts";
import { durationInWords } from "./why/words.ts";
import type { Node, World } from "./world.ts";

type Turning = Extract<StandingCommand, { readonly kind: "approve-node" | "unfreeze-node" }>;

/** What each command ends, and what it says when there is nothing to end. */
const TURNS = {
  "approve-node": { from: "pending", what: "approved" },
  "unfreeze-node": { from: "frozen", what: "unfrozen: whichever machine connects next is taken for the node" },
} as const;

/** Saying it of one that is a member already changes nothing. */
export function handleStanding(world: World, command: Turning, context: CommandContext): HandleResult {
  const node = world.nodes.get(command.node);
  if (node === undefined)
    return refuse("not-found", `there is no node ${command.node}`, "skerry nodes lists those that exist", "node");
  const { from, what } = TURNS[command.kind];
  if (node.standing === "member")
    return ok({
      changes: [],
      outcome: { kind: "standing-changed", node: node.id, standing: "member", changed: false },
    });
  if (node.standing !== from) return wrongTurn(node);
  const lineage = command.kind === "unfreeze-node" ? NEW_LINEAGE : node.lineage;
  // What was frozen before it was ever given anything may have waited for approval, and still does.
  const standing = command.kind === "unfreeze-node" && node.assigned.generation === 0 ? "pending" : "member";
  return ok({
    changes: [
      { kind: "node-set", node: { ...node, standing, lineage } },
      { kind: "hub-event", event: { kind: "node-changed", node: node.id, what, by: context.actor } },
      { kind: "dirty", apps: [], nodes: [node.id] },
    ],
    outcome: { kind: "standing-changed", node: node.id, standing, changed: true },
  });
}

const wrongTurn = ({ name, standing }: Node): HandleResult =>
  standing === "frozen"
    ? refuse(
        "invalid",
        `node ${name} is frozen, as two machines used its key`,
        `skerry why ${name} says what to do`,
        null,
      )
    : refuse("invalid", `node ${name} waits for approval and is not frozen`, `skerry node approve ${name}`, null);

/** Said before the node is forgotten: who listens closes its connections with this reason. */
export function keyRevoked(node: Node, { nodeKey, wallMs, actor }: CommandContext): readonly Change[] {
  assert(nodeKey !== null, `node ${node.id} has no key`);
  const said = { node: node.id, name: node.name, revokedAtMs: wallMs, revokedBy: actor, why: "revoked" } as const;
  return [
    // Its next one, too, if it has named one.
    ...keysTaken(node, nodeKey).map((publicKey): Change => ({ kind: "key-revoked", key: { ...said, publicKey } })),
    { kind: "hub-event", event: { kind: "node-revoked", node: node.id, name: node.name, by: actor } },
  ];
}

export const revokedRefusal = ({ name, revokedAtMs, revokedBy, why }: RevokedKey, wallMs: WallMillis): HandleResult =>
  refuse(
    "key-revoked",
    `this machine's key was ${why === "revoked" ? "revoked" : "replaced by another one"}, as that of node ${name}, ${durationInWords(wallMs - revokedAtMs)} ago by ${revokedBy}: it never joins again`,
    "if the machine is yours, remove its agent's data folder and join anew: it then makes another key",
    "publicKey",
  );
