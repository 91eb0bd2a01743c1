// The hash of an assignment, as both sides work it out. Specs are immutable and shared by many assignments: the digest of each is worked
// out once, and goes with it.
import type { Assignment } from "../model/assignment.ts";
import { assignmentHashInput } from "../model/assignment-hash.ts";
import { canonicalJson } from "../model/canonical.ts";
import type { ContainerSpec } from "../model/container.ts";
import type { SpecHash } from "../model/ids.ts";
import { sha256Hex } from "../runtime/hash.ts";

const known = new WeakMap<ContainerSpec, string>();

/** SHA-256 of `assignmentHashInput`, as 64 hex digits. */
export function assignmentHash(assignment: Omit<Assignment, "hash">): SpecHash {
  // SHA-256 as hex is what the brand says.
  return sha256Hex(assignmentHashInput(assignment, specDigest)) as SpecHash;
}

function specDigest(spec: ContainerSpec): string {
  const before = known.get(spec);
  if (before !== undefined) return before;
  const digest = sha256Hex(canonicalJson(spec));
  known.set(spec, digest);
  return digest;
}
