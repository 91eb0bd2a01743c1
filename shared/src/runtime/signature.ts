// Ed25519 signatures by Node's own crypto, with keys and signatures as lower-case hex. A private key is its 32 random bytes (RFC 8032, 5.1.5),
// so that one is made like any other secret. It must never be logged or sent.
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import type { PublicKey } from "../model/ids.ts";

export const PRIVATE_KEY_BYTES = 32;
const KEY_HEX = /^[0-9a-f]{64}$/;
const SIGNATURE_HEX = /^[0-9a-f]{128}$/;
/** What RFC 8410 puts before the 32 bytes. */
const PKCS8_HEAD = "302e020100300506032b657004220420";
const SPKI_HEAD = "302a300506032b6570032100";

/** Throws RangeError for anything but 64 hex digits. */
export function publicKeyOf(privateKey: string): PublicKey {
  const der = createPublicKey(privateKeyOf(privateKey)).export({ format: "der", type: "spki" });
  // The last 32 bytes as hex are what the brand says.
  return der.toString("hex").slice(SPKI_HEAD.length) as PublicKey;
}

/** 128 hex digits. Throws RangeError for a private key that is none. */
export const signText = (privateKey: string, text: string): string => signer(privateKey)(text);

/** For who signs often: the key is read once. */
export function signer(privateKey: string): (text: string) => string {
  const key = privateKeyOf(privateKey);
  return (text) => sign(null, Buffer.from(text, "utf8"), key).toString("hex");
}

/** false also for a signature or a key that is none. */
export function isSignedBy(publicKey: PublicKey, text: string, signature: string): boolean {
  if (!SIGNATURE_HEX.test(signature)) return false;
  try {
    const key = createPublicKey({ key: Buffer.from(SPKI_HEAD + publicKey, "hex"), format: "der", type: "spki" });
    return verify(null, Buffer.from(text, "utf8"), key, Buffer.from(signature, "hex"));
  } catch {
    // Not a point of the curve.
    return false;
  }
}

function privateKeyOf(privateKey: string): KeyObject {
  // The message must not hold the key.
  if (!KEY_HEX.test(privateKey)) throw new RangeError("a private key is 64 lower-case hex digits");
  return createPrivateKey({ key: Buffer.from(PKCS8_HEAD + privateKey, "hex"), format: "der", type: "pkcs8" });
}
