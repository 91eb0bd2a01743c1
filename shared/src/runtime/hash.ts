// SHA-256 for spec and assignment hashes. Shell only: core gets hashes as data.
import { createHash, createHmac } from "node:crypto";

/** Lower-case hex, 64 characters. */
export function sha256Hex(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** HMAC-SHA-256 as 64 hex digits. */
export function hmacHex(key: string, text: string): string {
  return createHmac("sha256", key).update(text).digest("hex");
}
