// A pin: the SHA-256 of a public key as certificates hold it (SPKI, DER), as 64 hex digits. It is how a hub is known: names, authorities
// and validity dates say nothing to whoever holds a pin, so nothing that keeps a node working ends by the clock.
import { createHash, type KeyObject } from "node:crypto";

const PIN = /^[0-9a-f]{64}$/;

export const isPin = (text: string): boolean => PIN.test(text);

/** As people write them: with colons, as other tools show them, or in capitals. null: not one. */
export function readPin(text: string): string | null {
  const pin = text.trim().replaceAll(":", "").toLowerCase();
  return isPin(pin) ? pin : null;
}

/** `key`: a public key. */
export const pinOf = (key: KeyObject): string =>
  createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest("hex");
