// What the hub signs of an assignment. Both sides build it here. The hash covers all that the node applies, and the text says once more
// for whom and in which order, so that nothing signed for one place or time counts in another.
import type { Assignment } from "../model/assignment.ts";

/** Of an assignment, or of a delta that leads to it. */
export type AssignmentHead = Pick<Assignment, "installation" | "node" | "position" | "hash">;

export const assignmentText = ({ installation, node, position, hash }: AssignmentHead): string =>
  `skerry assignment 3\n${installation}\n${node}\n${position.epoch}\n${position.generation}\n${hash}`;
