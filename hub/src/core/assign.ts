// Assignments: what one node should run, built from placements, revisions and tombstones. Pure; the shell adds the hash.
// The content of a position never changes: a node refuses other content under the same position.
import type { Assignment, AssignmentDelta } from "@skerry/shared/model/assignment.ts";
import type { NodeId } from "@skerry/shared/model/ids.ts";
import type { World } from "./world.ts";

/** The assignment at `node.assigned`. null: no such node, or nothing was ever assigned to it (generation 0). */
export function buildAssignment(world: World, node: NodeId): Omit<Assignment, "hash"> | null {
  throw new Error(`${world.seq} ${node}`);
}

/** null: `to` cannot follow `from` (other node or not newer). Both as sent, with their hashes. */
export function assignmentDelta(from: Assignment, to: Assignment): AssignmentDelta | null {
  throw new Error(`${from.hash} ${to.hash}`);
}
