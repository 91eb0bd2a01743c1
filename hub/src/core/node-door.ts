// The one door for what nodes say: whether a frame is about what is bound to the node that says it, by graph: the node, its assignment, the
// workloads of that. Default deny: a frame that is not in this table is refused. Pure.
import type { NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadParts } from "@skerry/shared/model/names.ts";
import type { Hello, ToHub } from "@skerry/shared/protocol/to-hub.ts";
import type { Node } from "./world.ts";

type Frame = Exclude<ToHub, Hello>;

/**
 * null: it is the node's own matter; else why not, in a sentence. Of a numbered copy that stands elsewhere a node may speak, for it may
 * have had it before: that is kept as its own word about itself, and changes nothing of the copy.
 */
export function notBound(node: Node, frame: Frame): string | null {
  switch (frame.type) {
    // About the node as a whole.
    case "beat":
    case "marked":
    case "next-key":
    case "need-whole":
      return null;
    // About a position of its own assignment, which is compared with what it was given.
    case "accepted":
    case "refused":
      return node.standing === "pending" ? `${node.name} is not approved, and was given no assignment` : null;
    case "report":
      return foreignAmong(node.id, [...frame.report.workloads.map(({ id }) => id), ...frame.report.gone]);
    case "events":
      return foreignAmong(
        node.id,
        frame.items.flatMap(({ event }) => ("workload" in event ? [event.workload] : [])),
      );
    default:
      return "a frame of this kind is not for nodes";
  }
}

function foreignAmong(node: NodeId, workloads: readonly WorkloadId[]): string | null {
  const foreign = workloads.find((id) => isAnothers(node, id));
  return foreign === undefined ? null : `spoke of ${foreign}, which is bound to another node`;
}

/** A global copy belongs to the node that its slot names, and to no other, ever. */
function isAnothers(node: NodeId, id: WorkloadId): boolean {
  const { slot } = workloadParts(id);
  return slot.startsWith("n") && slot !== (node as string);
}
