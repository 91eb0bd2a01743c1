// Lineage: the marks that a node's key goes by, so that two machines with one key are seen. Pure. At the first connection of each run of
// an agent the hub hands out a new mark, and the node keeps it before it says so. A node shows the one that it keeps: the current one, or
// the next, when its word for keeping it was lost. Whoever shows an older one holds a copy of what the key's machine held before.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import type { Mark } from "@skerry/shared/model/mark.ts";
import type { Change } from "./change.ts";
import type { Node, World } from "./world.ts";

/** Of its random value. */
export const MARK_BYTES = 16;

export interface Lineage {
  /** The last one that the node said is durable there; null: none yet. */
  readonly current: Mark | null;
  /** Handed out, and nothing heard of it since. */
  readonly next: Mark | null;
  /** The agent's run that `next`, or else `current`, was handed to. */
  readonly runId: string;
}
export const NEW_LINEAGE: Lineage = { current: null, next: null, runId: "" };

/**
 * A mark that is newer than the hub's own says that the hub's database is an old one, and is taken. No further ahead than this: a node
 * must not push the count to where adding stops working. An agent that starts each minute for a year is below it.
 */
export const MAX_MARKS_AHEAD = 1_000_000;

/** null: somebody else holds a newer mark. `fresh`: the random value of the next one, if one is handed out. */
export function lineageAfter(
  lineage: Lineage,
  hello: { readonly mark: Mark | null; readonly runId: string },
  fresh: string,
): Lineage | null {
  const { current, next, runId } = lineage;
  const newest = Math.max(current?.count ?? 0, next?.count ?? 0);
  const shown = hello.mark?.count ?? 0;
  const isNext = next !== null && sameMark(hello.mark, next);
  const isAhead = shown > newest && shown <= newest + MAX_MARKS_AHEAD;
  if (!isNext && !isAhead && !sameMark(hello.mark, current)) return null;
  const isKept = isNext || (next === null && !isAhead);
  if (isKept && hello.runId === runId) return isNext ? { current: next, next: null, runId } : lineage;
  return { current: hello.mark, next: { count: Math.max(newest, shown) + 1, value: fresh }, runId: hello.runId };
}

function sameMark(a: Mark | null, b: Mark | null): boolean {
  return a?.count === b?.count && a?.value === b?.value;
}

/** It is durable on the node. One that was not handed out, or not last, is no news. */
export function marked(node: Node, mark: Mark): readonly Change[] {
  const { lineage } = node;
  if (lineage.next === null || !sameMark(lineage.next, mark)) return [];
  return [{ kind: "node-set", node: { ...node, lineage: { ...lineage, current: mark, next: null } } }];
}

/** The mark to send with the welcome; null: it keeps the one it has. */
export function markToGive(node: Node | undefined, shown: Mark | null): Mark | null {
  const next = node?.lineage.next ?? null;
  return next === null || sameMark(next, shown) ? null : next;
}

/** Two machines use its key: neither is let in from now on. */
export function frozen(world: World, id: NodeId): readonly Change[] {
  const node = world.nodes.get(id);
  if (node === undefined || node.standing === "frozen") return [];
  return [
    { kind: "node-set", node: { ...node, standing: "frozen" } },
    { kind: "hub-event", event: { kind: "clone-detected", node: id } },
    { kind: "dirty", apps: [], nodes: [id] },
  ];
}
