// Idempotency-Key: a write that is repeated under the same key is answered as the first time and done once. The answer is stored in the
// transaction of the change itself, so there is no moment in which one is there without the other. It must never hold a secret.
import { createHmac } from "node:crypto";
import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { FastifyRequest } from "fastify";
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
  request: Pick<FastifyRequest, "method" | "url" | "body" | "authorization">,
): IdempotencyKey | null {
  if (header === undefined) return null;
  if (typeof header !== "string" || !KEY.test(header)) {
    throw new HttpError("invalid-request", "Idempotency-Key must be 1 to 128 visible ASCII characters, once.", {
      path: "Idempotency-Key",
    });
  }
  // Keyed by the caller's own token, which is not stored: a small secret in the body cannot be guessed from the hash.
  assert(request.authorization !== null, "a write of somebody who is not known");
  const text = `${request.method} ${request.url}\n${canonicalJson(request.body ?? null)}`;
  return {
    key: `${credential} ${header}`,
    requestHash: createHmac("sha256", request.authorization).update(text).digest("hex"),
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
