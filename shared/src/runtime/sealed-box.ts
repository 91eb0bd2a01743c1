// A sealed box: content that only one node can open, whoever carries it. A fresh X25519 key for each, HKDF-SHA256, AES-256-GCM, all by
// Node's own crypto; keys as lower-case hex. What opens it is derived from the node's own key, so there is no further file to lose.
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import type { Random } from "./random.ts";

const KEY_HEX = /^[0-9a-f]{64}$/;
const KEY_BYTES = 32;
const TAG_BYTES = 16;
const NONCE_BYTES = 12;
/** What RFC 8410 puts before the 32 bytes. */
const PKCS8_HEAD = "302e020100300506032b656e04220420";
const SPKI_HEAD = "302a300506032b656e032100";

/** The X25519 private key that belongs to a node's Ed25519 one. HKDF keeps the two apart: neither use tells anything of the other. */
export function boxKeyOf(nodeKey: string): string {
  if (!KEY_HEX.test(nodeKey)) throw new RangeError("a private key is 64 lower-case hex digits");
  return Buffer.from(hkdfSync("sha256", Buffer.from(nodeKey, "hex"), "", "skerry box key 1", KEY_BYTES)).toString(
    "hex",
  );
}

/** Of a private key, the half that may be given away. */
export function boxPublicKeyOf(boxKey: string): string {
  return publicBytes(privateKeyOf(boxKey)).toString("hex");
}

/** Base64. `context` must be said again to open it. null: `publicKey` is no point that a secret can be agreed with. */
export function sealBox(publicKey: string, context: string, content: Uint8Array, random: Random): string | null {
  const mine = privateKeyOf(random.hex(KEY_BYTES));
  const ephemeral = publicBytes(mine);
  const agreed = agree(mine, publicKey, ephemeral, publicKey);
  if (agreed === null) return null;
  const cipher = createCipheriv("aes-256-gcm", agreed.key, agreed.nonce);
  cipher.setAAD(Buffer.from(context, "utf8"));
  const body = Buffer.concat([cipher.update(content), cipher.final()]);
  return Buffer.concat([ephemeral, cipher.getAuthTag(), body]).toString("base64");
}

/** null: not sealed for this key, or not for this context, or not whole. */
export function openBox(boxKey: string, context: string, box: string): Buffer | null {
  const bytes = Buffer.from(box, "base64");
  if (bytes.length < KEY_BYTES + TAG_BYTES) return null;
  const ephemeral = bytes.subarray(0, KEY_BYTES);
  const mine = privateKeyOf(boxKey);
  const agreed = agree(mine, ephemeral.toString("hex"), ephemeral, publicBytes(mine).toString("hex"));
  if (agreed === null) return null;
  const decipher = createDecipheriv("aes-256-gcm", agreed.key, agreed.nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context, "utf8"));
  decipher.setAuthTag(bytes.subarray(KEY_BYTES, KEY_BYTES + TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(KEY_BYTES + TAG_BYTES)), decipher.final()]);
  } catch {
    return null;
  }
}

/** Both public keys are in what is derived, so that a box for one key is none for another. */
function agree(
  mine: KeyObject,
  theirs: string,
  ephemeral: Buffer,
  receiver: string,
): { readonly key: Buffer; readonly nonce: Buffer } | null {
  try {
    const publicKey = createPublicKey({ key: Buffer.from(SPKI_HEAD + theirs, "hex"), format: "der", type: "spki" });
    const shared = diffieHellman({ privateKey: mine, publicKey });
    const salt = Buffer.concat([ephemeral, Buffer.from(receiver, "hex")]);
    const derived = Buffer.from(hkdfSync("sha256", shared, salt, "skerry sealed box 1", KEY_BYTES + NONCE_BYTES));
    return { key: derived.subarray(0, KEY_BYTES), nonce: derived.subarray(KEY_BYTES) };
  } catch {
    // Not a key, or a point that agrees on nothing with anybody.
    return null;
  }
}

const publicBytes = (key: KeyObject): Buffer =>
  createPublicKey(key)
    .export({ format: "der", type: "spki" })
    .subarray(SPKI_HEAD.length / 2);

function privateKeyOf(key: string): KeyObject {
  // The message must not hold the key.
  if (!KEY_HEX.test(key)) throw new RangeError("a private key is 64 lower-case hex digits");
  return createPrivateKey({ key: Buffer.from(PKCS8_HEAD + key, "hex"), format: "der", type: "pkcs8" });
}
