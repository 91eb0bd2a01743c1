// Going over to another key of a node: an operator wishes it, the node names its next key under the present one, and the first connection with the
// next one ends the roll-over and the old key. Until then either is taken, so that no power cut on either side leaves a node outside. Pure.
import type { NodeId, PublicKey } from "@skerry/shared/model/ids.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { WallMillis } from "@skerry/shared/runtime/clock.ts";
import { err, ok, type Result } from "@skerry/shared/runtime/result.ts";
import type { Change } from "./change.ts";
import type { CommandContext, HandleResult } from "./command.ts";
import { frozen, type Lineage, NEW_LINEAGE } from "./lineage.ts";
import { refuse } from "./refuse.ts";
import type { Node, World } from "./world.ts";

/** `atMs`, `by`: of the operator's wish. */
export type KeyRoll =
  | { readonly kind: "none" }
  /** The node is to name a next key, once it is there. */
  | { readonly kind: "asked"; readonly atMs: WallMillis; readonly by: string }
  /** It did: `next` is taken like its key. */
  | { readonly kind: "named"; readonly atMs: WallMillis; readonly by: string; readonly next: PublicKey };
export const NO_KEY_ROLL: KeyRoll = { kind: "none" };

/** By which key a node's hello was signed. */
export type ShownKey =
  | { readonly kind: "present" }
  /** `former`: the one that stands in the store still. */
  | { readonly kind: "next"; readonly former: PublicKey; readonly wallMs: WallMillis };
export const PRESENT_KEY: ShownKey = { kind: "present" };

/** Asking of one that is asked already changes nothing, and neither does asking again once a key is named: it might be the node's by now. */
export function handleKeyRoll(world: World, id: NodeId, { actor, wallMs }: CommandContext): HandleResult {
  const node = world.nodes.get(id);
  if (node === undefined)
    return refuse("not-found", `there is no node ${id}`, "skerry nodes lists those that exist", "node");
  if (node.standing === "frozen") {
    const message = `node ${node.name} is frozen, as two machines used its key: neither may get another`;
    return refuse("invalid", message, `skerry why ${node.name} says what to do`);
  }
  const changed = node.keyRoll.kind === "none";
  const keyRoll: KeyRoll = changed ? { kind: "asked", atMs: wallMs, by: actor } : node.keyRoll;
  return ok({
    changes: changed
      ? [
          { kind: "node-set", node: { ...node, keyRoll } },
          { kind: "hub-event", event: { kind: "node-changed", node: id, what: "is to get another key", by: actor } },
        ]
      : [],
    outcome: { kind: "key-roll-asked", node: id, keyRoll, changed },
  });
}

/** It may show either of them, the present one first. */
export const keysTaken = (node: Node | undefined, present: PublicKey | null): readonly PublicKey[] => [
  ...(present === null ? [] : [present]),
  ...(node?.keyRoll.kind === "named" ? [node.keyRoll.next] : []),
];

/** The node for which `key` waits; null: none. */
export function namedBy(world: World, key: PublicKey): NodeId | null {
  for (const { id, keyRoll } of world.nodes.values()) if (keyRoll.kind === "named" && keyRoll.next === key) return id;
  return null;
}

/** Both keys' signatures were checked. Naming another one than before says that two machines have the present key. */
export function nextKeyNamed(world: World, node: Node, next: PublicKey): Result<readonly Change[], string> {
  const { keyRoll } = node;
  switch (keyRoll.kind) {
    case "none":
      return ok([]);
    case "named":
      return ok(keyRoll.next === next ? [] : frozen(world, node.id));
    case "asked": {
      if (namedBy(world, next) !== null) return err("it named a key that another node has");
      return ok([{ kind: "node-set", node: { ...node, keyRoll: { ...keyRoll, kind: "named", next } } }]);
    }
    default:
      return assertNever(keyRoll, "key roll");
  }
}

/** What a connection that was opened by this key makes of the roll-over, and what else it changes. */
export function keyShown(
  world: World,
  { id, name, keyRoll, lineage }: Node,
  shown: ShownKey,
): Result<{ readonly keyRoll: KeyRoll; readonly changes: readonly Change[] }, string> {
  if (keyRoll.kind !== "named") return ok({ keyRoll, changes: [] });
  const { atMs, by, next } = keyRoll;
  if (shown.kind === "present")
    // Unfrozen: whichever machine connects first is the node, and the next key may be the other's.
    return ok({ keyRoll: isFirst(lineage) ? { kind: "asked", atMs, by } : keyRoll, changes: [] });
  for (const other of world.nodes.values())
    if (other.id !== id && other.keyRoll.kind === "named" && other.keyRoll.next === next)
      return err("another node named the same key");
  const { former, wallMs } = shown;
  const key = { publicKey: former, node: id, name, revokedAtMs: wallMs, revokedBy: by, why: "replaced" } as const;
  return ok({
    keyRoll: NO_KEY_ROLL,
    changes: [
      { kind: "key-revoked", key },
      { kind: "node-key-set", node: id, publicKey: next },
      { kind: "hub-event", event: { kind: "node-changed", node: id, what: "has another key", by } },
    ],
  });
}

const isFirst = ({ current, next, runId }: Lineage): boolean =>
  current === NEW_LINEAGE.current && next === NEW_LINEAGE.next && runId === NEW_LINEAGE.runId;
