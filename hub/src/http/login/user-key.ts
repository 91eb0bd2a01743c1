// What of users must be readable again, the shared secrets of their second factors, is sealed with a key that lies beside the database and
// not in it: who has the database, or a backup of it, has no second factor. AES-256-GCM by Node's own crypto.
import { createCipheriv, createDecipheriv } from "node:crypto";
import * as path from "node:path";
import { readIfThere, writeDurably } from "@skerry/shared/runtime/durable-file.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";

export const USER_KEY_FILE = "user-key";
const KEY_BYTES = 32;
/** As NIST SP 800-38D has it for random ones: good for 2^32 seals under one key. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ALGORITHM = "aes-256-gcm";
const SEALED = /^s1\.([0-9a-f]{24})\.((?:[0-9a-f]{2})+)$/;

/** `about`: what it belongs to; sealed for one thing it does not open for another. */
export interface SecretBox {
  seal(secret: string, about: string): string;
  /** null: sealed with another key, for something else, or spoilt. */
  open(sealed: string, about: string): string | null;
}

export interface UserKey {
  readonly box: SecretBox;
  readonly file: string;
  /** made: there was none; what was sealed before cannot be opened. */
  readonly outcome: "made" | "kept";
}

/** Throws what the file system throws; and for a file that holds no key: it is never replaced. */
export function ensureUserKey(dataDir: string, random: Random): UserKey {
  const file = path.join(dataDir, USER_KEY_FILE);
  const found = readIfThere(file)?.trim() ?? null;
  if (found === null) {
    const key = random.hex(KEY_BYTES);
    writeDurably(file, `${key}\n`);
    return { box: secretBox(key, random), file, outcome: "made" };
  }
  if (!/^[0-9a-f]{64}$/.test(found))
    throw new UserKeyError(
      `The file ${file} holds no key. Put it back from a backup; or remove it, and users with a second factor log in with a recovery code.`,
    );
  return { box: secretBox(found, random), file, outcome: "kept" };
}

/** The message is for the operator: what, and what to do next. */
export class UserKeyError extends Error {
  override name = "UserKeyError";
}

/** `key`: 64 hex digits. */
export function secretBox(key: string, random: Random): SecretBox {
  const bytes = Buffer.from(key, "hex");
  return {
    seal(secret, about) {
      const nonce = random.hex(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, bytes, Buffer.from(nonce, "hex"));
      cipher.setAAD(Buffer.from(about, "utf8"));
      const sealed = Buffer.concat([cipher.update(secret, "utf8"), cipher.final(), cipher.getAuthTag()]);
      return `s1.${nonce}.${sealed.toString("hex")}`;
    },
    open(sealed, about) {
      const [, nonce = "", text = ""] = SEALED.exec(sealed) ?? [];
      const whole = Buffer.from(text, "hex");
      if (nonce === "" || whole.length < TAG_BYTES) return null;
      const decipher = createDecipheriv(ALGORITHM, bytes, Buffer.from(nonce, "hex"), { authTagLength: TAG_BYTES });
      decipher.setAAD(Buffer.from(about, "utf8"));
      decipher.setAuthTag(whole.subarray(-TAG_BYTES));
      try {
        return Buffer.concat([decipher.update(whole.subarray(0, -TAG_BYTES)), decipher.final()]).toString("utf8");
      } catch {
        return null;
      }
    },
  };
}
