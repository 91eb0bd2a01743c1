// The node's side of going over to another key. Each step turns one identity into the next, which is made durable before anything is said of it;
// so whichever step a power cut falls into, the key that the node then shows is one that the hub takes. The old key is gone with the step to the
// new one: what remains of it opens boxes at rest and seals labels, and proves nothing to anybody.
import { keyTakenText, rollKeyText } from "@skerry/shared/protocol/hub-word.ts";
import { nextKeyText } from "@skerry/shared/protocol/proof.ts";
import type { NextKey } from "@skerry/shared/protocol/to-hub.ts";
import { labelSecretOf } from "@skerry/shared/runtime/label-secret.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import { boxKeyOf } from "@skerry/shared/runtime/sealed-box.ts";
import { isSignedBy, PRIVATE_KEY_BYTES, publicKeyOf, signText } from "@skerry/shared/runtime/signature.ts";
import type { Identity } from "../ledger/ledger.ts";

/**
 * Keys under which boxes may still lie at rest. Each is forgotten when nothing is under it, so that there is more than one only where the hub gives
 * something no more that a container still has.
 */
export const MAX_FORMER_BOX_KEYS = 8;

/** Whether the hub wants this node to give up the key that it has. Said of an earlier key, it means nothing. */
export function isRollWished(identity: Identity, signature: string): boolean {
  const { hubKey, privateKey } = identity;
  return hubKey !== null && isSignedBy(hubKey, rollKeyText(identity, publicKeyOf(privateKey)), signature);
}

/** With a next key; the same object when it has one, so that a repeat names the same. */
export function withNextKey(identity: Identity, random: Random): Identity {
  if (identity.nextKey !== null) return identity;
  return { ...identity, nextKey: random.hex(PRIVATE_KEY_BYTES), keyStep: identity.keyStep + 1 };
}

/** For an identity with a next key. `nonce`, `binding`: as its hello signed them on this connection. */
export function nextKeyFrame(identity: Identity, nextKey: string, nonce: string, binding: string | null): NextKey {
  const publicKey = publicKeyOf(nextKey);
  const text = nextKeyText(identity, { from: publicKeyOf(identity.privateKey), to: publicKey }, nonce, binding);
  const [byPresent, byNext] = [signText(identity.privateKey, text), signText(nextKey, text)];
  return { type: "next-key", publicKey, byPresent, byNext };
}

/** The identity under its next key, if the hub has said that it takes it; null: it has not, or another one. */
export function rolledOver(identity: Identity, taken: { publicKey: string; signature: string }): Identity | null {
  const { hubKey, privateKey, nextKey } = identity;
  if (hubKey === null || nextKey === null) return null;
  const [from, to] = [publicKeyOf(privateKey), publicKeyOf(nextKey)];
  if (taken.publicKey !== to || !isSignedBy(hubKey, keyTakenText(identity, from, to), taken.signature)) return null;
  return {
    ...identity,
    privateKey: nextKey,
    nextKey: null,
    labelSecret: identity.labelSecret ?? labelSecretOf(privateKey),
    formerBoxKeys: [...identity.formerBoxKeys, boxKeyOf(privateKey)],
    keyStep: identity.keyStep + 1,
  };
}
