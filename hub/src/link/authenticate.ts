// The agents' one door: is this from the node that it names? A node shows it by a signature of its own key over something that this hub
// has just made up. Nothing that comes over the wire is a secret, and what is wrong is not told.
import type { PublicKey } from "@skerry/shared/model/ids.ts";
import { isSignedBy, publicKeyOf } from "@skerry/shared/runtime/signature.ts";

/** A node without a key is checked against this one, so that the time taken says nothing about which nodes exist. */
const NOBODY = publicKeyOf("0".repeat(64));

/**
 * Which of a node's keys signed `text`; null: none. `keys`: those that it may show, none when there is no such node. Whoever has none of them pays
 * for as many checks as he who has the last.
 */
export function signingKeyOf(
  keys: readonly PublicKey[],
  text: string,
  signature: string | undefined,
): PublicKey | null {
  if (keys.length === 0) isSignedByNode(null, text, signature);
  return keys.find((key) => isSignedByNode(key, text, signature)) ?? null;
}

/** `text`: what must be signed. `publicKey`: as stored when the node joined; null: there is no such node. */
export function isSignedByNode(publicKey: PublicKey | null, text: string, signature: string | undefined): boolean {
  const isSigned = isSignedBy(publicKey ?? NOBODY, text, signature ?? "0".repeat(128));
  return publicKey !== null && isSigned;
}
