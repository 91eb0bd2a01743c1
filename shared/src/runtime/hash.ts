// SHA-256 for spec and assignment hashes. Shell only: core gets hashes as data.
import { createHash } from "node:crypto";

/** Lower-case hex, 64 characters. */
export function sha256Hex(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
