// The secret of a token that is being made. It is in one answer and nowhere else: what is stored, listed or logged has its hash or nothing.
import { createHmac } from "node:crypto";
import type { SpecHash } from "@skerry/shared/model/ids.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import type { FastifyRequest } from "fastify";
import type { HttpDeps } from "./deps.ts";

const SECRET_BYTES = 32;
const ID_BYTES = 6;
/**
 * What is kept of a token's secret. SHA-256, once: the secret is 256 random bits, so there is nothing to guess that a slow hash would slow
 * down, and each request would pay for it. (Passwords are another matter.) The brand says that it is 64 hex digits, which it is.
 */
export const secretHash = (secret: string): SpecHash => sha256Hex(secret) as SpecHash;

export const freshTokenId = ({ random }: Pick<HttpDeps, "random">): string => random.hex(ID_BYTES);

/**
 * 64 hex digits. Random; but under an Idempotency-Key it is worked out from the key and the caller's own token, so that repeating the request
 * gives the same secret although none is stored. Whoever can work it out already holds a token that could make another. `kind`: of token.
 */
export function freshSecret({ random }: Pick<HttpDeps, "random">, request: FastifyRequest, kind: string): string {
  const key = request.headers["idempotency-key"];
  if (typeof key !== "string") return random.hex(SECRET_BYTES);
  // Never an empty key: whoever saw the Idempotency-Key could work the secret out.
  assert(request.authorization !== null, "a secret is made for somebody who is not known");
  return createHmac("sha256", request.authorization).update(`skerry ${kind} ${key}`).digest("hex");
}
