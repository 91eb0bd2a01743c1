// The one door: who is calling, and may they do this? Default deny: a route without a permission does not start the server.
// Tokens are compared as hashes in constant time and never logged, stored or echoed. Users and roles come to this file next.
import { timingSafeEqual } from "node:crypto";
import type { SpecHash } from "@skerry/shared/model/ids.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import type { JoinToken } from "../core/change.ts";
import { HttpError } from "./errors.ts";
import type { Permission } from "./routes.ts";

/** Who calls. The next issue adds users with roles. */
export type Identity =
  | { readonly kind: "admin" }
  /** Its secret was right. Whether it may still be used is judged where it is spent: joining again costs nothing. */
  | { readonly kind: "join-token"; readonly token: JoinToken };

/** What the door needs to know; read anew for each call, so that a withdrawn token is refused at once. */
export interface Credentials {
  readonly adminTokenHash: string;
  joinToken(id: string): JoinToken | null;
}

/** A token longer than any we make is not read further. */
const MAX_TOKEN_CHARACTERS = 256;
const ADMIN_TOKEN = /^ska1\.[0-9a-f]{64}$/;
const JOIN_TOKEN = /^skj1\.([0-9a-f]{8,32})\.([0-9a-f]{64})$/;

/** 32 random bytes as hex in, the token out. */
export const adminToken = (secret: string): string => `ska1.${secret}`;
export const joinToken = (id: string, secret: string): string => `skj1.${id}.${secret}`;
/** What is kept of a join token's secret. The brand says that it is 64 hex digits, which it is. */
export const joinSecretHash = (secret: string): SpecHash => sha256Hex(secret) as SpecHash;
export const isAdminToken = (text: string): boolean => ADMIN_TOKEN.test(text);

/** Throws `not-authenticated` or `join-token-refused`. */
export function authenticate(authorization: string | undefined, credentials: Credentials): Identity {
  if (authorization === undefined) {
    throw new HttpError("not-authenticated", "This address needs a token, and none was sent.");
  }
  const bearer = /^Bearer +(\S+)$/i.exec(authorization.slice(0, MAX_TOKEN_CHARACTERS))?.[1];
  if (bearer === undefined) {
    throw new HttpError("not-authenticated", "The Authorization header is not of the form `Bearer TOKEN`.");
  }
  if (ADMIN_TOKEN.test(bearer)) {
    if (sameHash(sha256Hex(bearer), credentials.adminTokenHash)) return { kind: "admin" };
    throw new HttpError("not-authenticated", "This admin token is not the one of this hub.");
  }
  const [, id, secret] = JOIN_TOKEN.exec(bearer) ?? [];
  if (id === undefined || secret === undefined) {
    throw new HttpError("not-authenticated", "The token is not one that this hub has made.");
  }
  const token = credentials.joinToken(id);
  // Hashed in either case, so that the time taken says nothing about which ids exist.
  const hash = sha256Hex(secret);
  if (token === null || !sameHash(hash, token.secretHash)) {
    throw new HttpError("join-token-refused", "This join token is unknown: it was withdrawn, or is of another hub.");
  }
  return { kind: "join-token", token };
}

/** Throws `not-permitted`. */
export function authorise(identity: Identity, permission: Permission): void {
  if (isPermitted(identity, permission)) return;
  throw new HttpError(
    "not-permitted",
    identity.kind === "admin" ? "The admin token cannot join a node." : "A join token can do nothing but join a node.",
  );
}

function isPermitted(identity: Identity, permission: Permission): boolean {
  switch (identity.kind) {
    case "admin":
      return permission !== "nodes:join";
    case "join-token":
      return permission === "nodes:join";
    default:
      return assertNever(identity);
  }
}

/** As it stands in revisions and events. */
export function actorOf(identity: Identity): string {
  return identity.kind === "admin" ? "admin" : `join token ${identity.token.id}`;
}

/** Which of an actor's credentials, for the audit log; nothing of a secret can be had from it. */
export function credentialOf(identity: Identity, adminTokenHash: string): string {
  return identity.kind === "admin" ? `admin-token/${adminTokenHash.slice(0, 12)}` : `join-token/${identity.token.id}`;
}

/** Both are 64 hex digits, or the answer is no. */
function sameHash(a: string, b: string): boolean {
  const left = Buffer.from(a, "utf8");
  const right = Buffer.from(b, "utf8");
  return left.length === right.length && timingSafeEqual(left, right);
}
