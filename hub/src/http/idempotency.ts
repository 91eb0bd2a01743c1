// Idempotency-Key: a write that is repeated under the same key is answered as the first time and done once. The answer is stored in the
// transaction of the change itself, so there is no moment in which one is there without the other. It must never hold a secret.
import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import { HttpError, quoted } from "./errors.ts";

/** A UUID has 36. */
const KEY = /^[\x21-\x7e]{1,128}$/;

export interface Stored {
  readonly requestHash: string;
  readonly status: number;
  readonly body: string;
}
export interface IdempotencyKey {
  /** In the store: the caller's credential, a space, and the caller's key. By credential: a name may be given to another token later. */
  readonly key: string;
  readonly requestHash: string;
}

/** null: the header is not there. */
export function idempotencyKey(
  header: string | string[] | undefined,
  credential: string,
  request: { readonly method: string; readonly url: string; readonly body: unknown },
  hash: (text: string) => string = sha256Hex,
): IdempotencyKey | null {
  if (header === undefined) return null;
  if (typeof header !== "string" || !KEY.test(header)) {
    throw new HttpError("invalid-request", "Idempotency-Key must be 1 to 128 visible ASCII characters, once.", {
      path: "Idempotency-Key",
    });
  }
  return {
    key: `${credential} ${header}`,
    requestHash: hash(`${request.method} ${request.url}\n${canonicalJson(request.body ?? null)}`),
  };
}

/** The stored answer for this very request, null if the key is new; throws if the key was used for another request. */
export function replay(idempotency: IdempotencyKey, stored: Stored | null): unknown {
  if (stored === null) return null;
  if (stored.requestHash !== idempotency.requestHash) {
    const key = idempotency.key.slice(idempotency.key.indexOf(" ") + 1);
    throw new HttpError(
      "idempotency-mismatch",
      `The Idempotency-Key ${quoted(key)} was used before with another request. Nothing was changed.`,
      { path: "Idempotency-Key" },
    );
  }
  return JSON.parse(stored.body);
}
