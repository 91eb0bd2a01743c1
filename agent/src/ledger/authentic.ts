// Whether the assignment that a ledger holds is the hub's: asked when a ledger is read, for a card can be edited in another machine. Its
// content is hashed anew and its signature checked; a ledger that fails is treated like a damaged one.

import { assignmentHash } from "@skerry/shared/protocol/assignment-digest.ts";
import { assignmentText } from "@skerry/shared/protocol/signed-assignment.ts";
import { isSignedBy } from "@skerry/shared/runtime/signature.ts";
import type { LedgerContent } from "./ledger.ts";

/** In words what is wrong; null: nothing is, or this node knows no hub's key and cannot tell. */
export function assignmentFault({
  identity,
  assignment,
  seal,
}: Pick<LedgerContent, "identity" | "assignment" | "seal">): string | null {
  if (assignment === null || identity === null || identity.hubKey === null) return null;
  if (assignment.installation !== identity.installation || assignment.node !== identity.node)
    return "its assignment is another node's";
  const carried = new Set(seal?.carried);
  // What is carried over is not signed: it may name nothing that the hub wants.
  if (assignment.workloads.some(({ id }) => carried.has(id))) return "its assignment was changed";
  const sent = { ...assignment, retired: assignment.retired.filter(({ id }) => !carried.has(id)) };
  if (seal === null || assignmentHash(sent) !== assignment.hash) return "its assignment was changed";
  return isSignedBy(identity.hubKey, assignmentText(assignment), seal.signature)
    ? null
    : "its assignment is not signed by this node's hub";
}
