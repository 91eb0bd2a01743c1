// Who is this request? An identity provider answers from a bearer token: a name, and the roles it brings with it. API tokens are one, sessions of
// users the other (see login/). One for OIDC would make its bindings from the groups of a person, and nothing behind it would change.
import { timingSafeEqual } from "node:crypto";
import type { WallMillis } from "@skerry/shared/runtime/clock.ts";
import type { Binding } from "../core/permission.ts";
import { type Store, StoreError } from "../store/store.ts";
import { HttpError } from "./errors.ts";
import { secretHash } from "./fresh-secret.ts";

/** Somebody who is known. */
export interface Principal {
  /** As it stands in revisions and events: "token ci". */
  readonly name: string;
  /** Which of his credentials; nothing of a secret can be had from it. "api-token/1a2b3c4d5e6f". */
  readonly credential: string;
  /** Whose it is: what is counted by person, so that a new login is no new start. "user/anna", "api-token/1a2b3c4d5e6f". */
  readonly account: string;
  readonly bindings: readonly Binding[];
  /** Of a login with a password; null: of another kind. */
  readonly session: { readonly id: string; readonly user: string; readonly createdAtMs: WallMillis } | null;
  /** Hub's wall clock. */
  readonly expiresAtMs: WallMillis;
}

export interface IdentityProvider {
  /** null: not a token of its kind. Throws `not-authenticated` or `token-expired` for one of its kind that lets nobody in. */
  identify(bearer: string, wallMs: WallMillis): Principal | null;
}

/** Asks one after the other. */
export function firstOf(providers: readonly IdentityProvider[]): IdentityProvider {
  return {
    identify(bearer, wallMs) {
      for (const provider of providers) {
        const principal = provider.identify(bearer, wallMs);
        if (principal !== null) return principal;
      }
      return null;
    },
  };
}

const API_TOKEN = /^skt1\.([0-9a-f]{12})\.([0-9a-f]{64})$/;
export const apiToken = (id: string, secret: string): string => `skt1.${id}.${secret}`;

/** The last use is shown to the minute: nobody needs it finer, and a script in a loop must not become a stream of writes. */
export const USE_SAVED_EVERY_MS = 60_000;

type TokenStore = Pick<Store, "apiToken" | "saveApiTokenUse">;

/** API tokens. Read anew at each request, so that a removed one is refused at once. */
export class ApiTokens implements IdentityProvider {
  readonly #store: TokenStore;
  /** When each token's use was saved last, since this hub's start. As many entries as there were tokens. */
  readonly #savedAtMs = new Map<string, WallMillis>();

  constructor(store: TokenStore) {
    this.#store = store;
  }

  identify(bearer: string, wallMs: WallMillis): Principal | null {
    const [, id, secret] = API_TOKEN.exec(bearer) ?? [];
    if (id === undefined || secret === undefined) return null;
    const token = this.#store.apiToken(id);
    // Hashed in either case, so that the time taken says nothing about which ids exist.
    const hash = secretHash(secret);
    if (token === null || !sameHash(hash, token.secretHash))
      throw new HttpError("not-authenticated", "This API token is unknown: it was removed, or is of another hub.");
    if (token.expiresAtMs <= wallMs) throw new HttpError("token-expired", `The API token ${token.name} has expired.`);
    this.#noteUse(id, wallMs);
    const { name, role, scope, expiresAtMs } = token;
    const credential = `api-token/${id}`;
    return {
      ...{ name: `token ${name}`, credential, account: credential, session: null },
      ...{ bindings: [{ role, scope }], expiresAtMs },
    };
  }

  /** Reads go on when the disk is full or the store failed, and so do the tokens that ask for them. */
  #noteUse(id: string, wallMs: WallMillis): void {
    const savedAtMs = this.#savedAtMs.get(id);
    // A wall clock that was set back saves once more.
    if (savedAtMs !== undefined && Math.abs(wallMs - savedAtMs) < USE_SAVED_EVERY_MS) return;
    this.#savedAtMs.set(id, wallMs);
    try {
      this.#store.saveApiTokenUse(id, wallMs);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }
}

/** Both are 64 hex digits, or the answer is no. */
export function sameHash(a: string, b: string): boolean {
  const left = Buffer.from(a, "utf8");
  const right = Buffer.from(b, "utf8");
  return left.length === right.length && timingSafeEqual(left, right);
}
