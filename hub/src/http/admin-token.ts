// The admin token: made at first start, written to a file that only its owner can read, kept in the store as a hash.
// The store's hash decides; the file is where a person finds the token. Deleting the file takes nothing away and makes nothing new.
import * as fs from "node:fs";
import * as path from "node:path";
import { readIfThere, writeDurably } from "@skerry/shared/runtime/durable-file.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import type { Store } from "../store/store.ts";
import { adminToken, isAdminToken } from "./auth.ts";

export const ADMIN_TOKEN_FILE = "admin-token";
const SETTING = "admin-token-hash";
const SECRET_BYTES = 32;

export interface AdminToken {
  readonly hash: string;
  readonly file: string;
  /**
   * made: a new one is in the file. kept: file and store agree. adopted: the file's token, of an earlier database, goes on.
   * missing: the token is valid, its file is gone. differs: the file holds another one, which is not valid.
   */
  readonly outcome: "made" | "kept" | "adopted" | "missing" | "differs";
}

/** Throws what the file system throws. A crash at any point leaves a state from which the next start goes on. */
export function ensureAdminToken(
  dataDir: string,
  store: Pick<Store, "setting" | "setSetting">,
  random: Random,
  renew: boolean,
): AdminToken {
  const file = path.join(dataDir, ADMIN_TOKEN_FILE);
  const stored = store.setting(SETTING);
  const found = renew ? null : readToken(file);
  if (found !== null) {
    const hash = sha256Hex(found);
    if (stored === null) {
      store.setSetting(SETTING, hash);
      return { hash, file, outcome: "adopted" };
    }
    return { hash: stored, file, outcome: hash === stored ? "kept" : "differs" };
  }
  if (stored !== null && !renew) {
    return { hash: stored, file, outcome: fs.existsSync(file) ? "differs" : "missing" };
  }
  const token = adminToken(random.hex(SECRET_BYTES));
  // The file first: a hash without a file would be a hub that nobody can talk to.
  writeDurably(file, `${token}\n`);
  const hash = sha256Hex(token);
  store.setSetting(SETTING, hash);
  return { hash, file, outcome: "made" };
}

function readToken(file: string): string | null {
  const text = readIfThere(file)?.trim() ?? "";
  return isAdminToken(text) ? text : null;
}
