// The agents' one door: is this hello from the node that it names? The next issue on trust replaces the secret by a signature here.
// Credentials are compared as hashes in constant time and never logged or echoed.
import { timingSafeEqual } from "node:crypto";
import type { NodeId, SpecHash } from "@skerry/shared/model/ids.ts";
import type { Hello } from "@skerry/shared/protocol/to-hub.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";

/** What a node without a stored credential is compared with, so that the time taken says nothing about which nodes exist. */
const NOBODY = "0".repeat(64);

/** The node, or null. `storedHash`: SHA-256 of the credential that the node made at joining, as hex. */
export function authenticate(
  hello: Pick<Hello, "node" | "credential">,
  storedHash: (node: NodeId) => SpecHash | null,
): NodeId | null {
  const stored = storedHash(hello.node);
  const given = Buffer.from(sha256Hex(hello.credential), "utf8");
  const same = timingSafeEqual(given, Buffer.from(stored ?? NOBODY, "utf8"));
  return stored !== null && same ? hello.node : null;
}
