// The one door: who is calling? Default deny: a route without a permission does not start the server.
// Tokens are compared as hashes in constant time and never logged, stored or echoed. What somebody who is known may do is in access.ts.
import { readJoinToken } from "@skerry/shared/protocol/join-token.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { WallMillis } from "@skerry/shared/runtime/clock.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import type { JoinToken } from "../core/change.ts";
import { HttpError } from "./errors.ts";
import { type IdentityProvider, type Principal, sameHash } from "./identity.ts";

/** Who calls. */
export type Identity =
  /** With the token that the hub made at its first start. */
  | { readonly kind: "admin" }
  /** Known by an identity provider. */
  | { readonly kind: "principal"; readonly principal: Principal }
  /** Its secret was right. Whether it may still be used is judged where it is spent: joining again costs nothing. */
  | { readonly kind: "join-token"; readonly token: JoinToken };

/** What the door needs to know; read anew for each call, so that a withdrawn token is refused at once. */
export interface Credentials {
  readonly adminTokenHash: string;
  joinToken(id: string): JoinToken | null;
  readonly provider: IdentityProvider;
  /** Hub's wall clock. */
  wallMs(): WallMillis;
}

/** A token longer than any we make is not read further. */
const MAX_TOKEN_CHARACTERS = 256;
const ADMIN_TOKEN = /^ska1\.[0-9a-f]{64}$/;

/** 32 random bytes as hex in, the token out. */
export const adminToken = (secret: string): string => `ska1.${secret}`;
export const isAdminToken = (text: string): boolean => ADMIN_TOKEN.test(text);

/** Throws `not-authenticated`, `token-expired` or `join-token-refused`. */
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
  const principal = credentials.provider.identify(bearer, credentials.wallMs());
  if (principal !== null) return { kind: "principal", principal };
  const joining = readJoinToken(bearer);
  if (joining === null) {
    throw new HttpError("not-authenticated", "The token is not one that this hub has made.");
  }
  const { id, secret } = joining;
  const token = credentials.joinToken(id);
  // Hashed in either case, so that the time taken says nothing about which ids exist.
  const hash = sha256Hex(secret);
  if (token === null || !sameHash(hash, token.secretHash)) {
    throw new HttpError("join-token-refused", "This join token is unknown: it was withdrawn, or is of another hub.");
  }
  return { kind: "join-token", token };
}

/** As it stands in revisions and events. */
export function actorOf(identity: Identity): string {
  switch (identity.kind) {
    case "admin":
      return "admin";
    case "join-token":
      return `join token ${identity.token.id}`;
    case "principal":
      return identity.principal.name;
    default:
      return assertNever(identity);
  }
}

/** Which of an actor's credentials, for the audit log; nothing of a secret can be had from it. */
export function credentialOf(identity: Identity, adminTokenHash: string): string {
  switch (identity.kind) {
    case "admin":
      return `admin-token/${adminTokenHash.slice(0, 12)}`;
    case "join-token":
      return `join-token/${identity.token.id}`;
    case "principal":
      return identity.principal.credential;
    default:
      return assertNever(identity);
  }
}
