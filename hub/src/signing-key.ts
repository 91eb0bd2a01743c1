// The hub's signing key: what nodes apply is signed with it. Made at the first start and kept in a file beside the database, never in it:
// who reads or edits the database alone commands no node. Its public half is in the store, so that another key is noticed at the start.
import * as path from "node:path";
import { type PublicKey, publicKeySchema } from "@skerry/shared/model/ids.ts";
import { readIfThere, writeDurably } from "@skerry/shared/runtime/durable-file.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import { err, ok, type Result } from "@skerry/shared/runtime/result.ts";
import { PRIVATE_KEY_BYTES, publicKeyOf, signer } from "@skerry/shared/runtime/signature.ts";
import type { Store } from "./store/store.ts";

export const SIGNING_KEY_FILE = "signing-key";
const SETTING = "signing-public-key";

export interface SigningKey {
  readonly publicKey: PublicKey;
  readonly sign: (text: string) => string;
  readonly file: string;
  readonly outcome: "made" | "kept";
}

/**
 * `renew`: take what the file holds, or a new one, also when nodes know another. The error is a message for the operator. Throws what the
 * file system throws. A crash at any point leaves a state from which the next start goes on.
 */
export function ensureSigningKey(
  dataDir: string,
  store: Pick<Store, "setting" | "setSetting">,
  random: Random,
  renew: boolean,
): Result<SigningKey, string> {
  const file = path.join(dataDir, SIGNING_KEY_FILE);
  const known = publicKeySchema.safeParse(store.setting(SETTING)).data ?? null;
  const found = readKey(file);
  const mayBeNew = known === null || renew;
  if (found.kind === "unreadable" && !renew) return err(unusable(file, "does not hold a key"));
  if (found.kind !== "key" && !mayBeNew) return err(unusable(file, "is gone"));
  if (found.kind === "key") {
    const key = signingKey(found.privateKey, file, "kept");
    if (key.publicKey !== known && !mayBeNew)
      return err(unusable(file, "holds another key than the one that the nodes know"));
    if (key.publicKey !== known) store.setSetting(SETTING, key.publicKey);
    return ok(key);
  }
  const privateKey = random.hex(PRIVATE_KEY_BYTES);
  // The file first: nodes must never be told of a key that is lost.
  writeDurably(file, `${privateKey}\n`);
  const key = signingKey(privateKey, file, "made");
  store.setSetting(SETTING, key.publicKey);
  return ok(key);
}

/** For a private key that is one. */
export const signingKey = (privateKey: string, file: string, outcome: SigningKey["outcome"]): SigningKey => ({
  publicKey: publicKeyOf(privateKey),
  sign: signer(privateKey),
  file,
  outcome,
});

type Found = { readonly kind: "none" | "unreadable" } | { readonly kind: "key"; readonly privateKey: string };

function readKey(file: string): Found {
  const text = readIfThere(file)?.trim();
  if (text === undefined) return { kind: "none" };
  return /^[0-9a-f]{64}$/.test(text) ? { kind: "key", privateKey: text } : { kind: "unreadable" };
}

const unusable = (file: string, what: string): string =>
  `The hub's signing key ${file} ${what}: the nodes would take nothing from this hub. Put the file back from a backup; what runs on the ` +
  "nodes runs on meanwhile. If it is lost for good, start once with --new-signing-key: then every node must be joined anew.";
