// Sessions of users as an identity provider: the secret that a login gave comes back in a cookie (browsers) or as a bearer token (the CLI).
// Read anew at each request, so that a session that was ended, or a user who was disabled, is out at once.
import type { WallMillis } from "@skerry/shared/runtime/clock.ts";
import { SESSION_LIFE_MS, type Session, sessionEndMs } from "../../core/user.ts";
import { type Store, StoreError } from "../../store/store.ts";
import { HttpError } from "../errors.ts";
import { secretHash } from "../fresh-secret.ts";
import { type IdentityProvider, type Principal, sameHash, USE_SAVED_EVERY_MS } from "../identity.ts";

const SESSION_TOKEN = /^sks1\.([0-9a-f]{12})\.([0-9a-f]{64})$/;
export const sessionToken = (id: string, secret: string): string => `sks1.${id}.${secret}`;
export const isSessionToken = (text: string): boolean => SESSION_TOKEN.test(text);

/** More than there can be sessions that are good: with all of them noted, all notes are let go. */
const MAX_NOTES = 20_000;

type SessionStore = Pick<Store, "session" | "user" | "sessionUses" | "saveSessionUse">;

export class Sessions implements IdentityProvider {
  readonly #store: SessionStore;
  /** Since this hub's start. */
  readonly #uses = new Map<string, { readonly usedAtMs: WallMillis; readonly savedAtMs: WallMillis }>();

  constructor(store: SessionStore) {
    this.#store = store;
  }

  identify(bearer: string, wallMs: WallMillis): Principal | null {
    if (!isSessionToken(bearer)) return null;
    const session = sessionShown(this.#store, bearer);
    if (session === null) throw ended();
    const { id } = session;
    const user = this.#store.user(session.user);
    if (user === null || user.disabled) throw ended();
    if (sessionEndMs(session, this.#lastUsedAtMs(session)) <= wallMs) throw ended();
    this.#noteUse(session, wallMs);
    return {
      name: `user ${user.name}`,
      credential: `session/${id}`,
      account: `user/${user.name}`,
      bindings: [{ role: user.role, scope: user.scope }],
      session: { id, user: user.name, createdAtMs: session.createdAtMs },
      expiresAtMs: sessionEndMs(session, wallMs),
    };
  }

  #lastUsedAtMs({ id, user }: Session): WallMillis | null {
    return this.#uses.get(id)?.usedAtMs ?? this.#store.sessionUses(user).get(id) ?? null;
  }

  /** Saved to the minute; a disk that is full keeps nobody out. */
  #noteUse({ id }: Session, wallMs: WallMillis): void {
    const before = this.#uses.get(id);
    // A wall clock that was set back saves once more.
    const isSaved = before !== undefined && Math.abs(wallMs - before.savedAtMs) < USE_SAVED_EVERY_MS;
    if (before === undefined && this.#uses.size >= MAX_NOTES) this.#uses.clear();
    this.#uses.set(id, { usedAtMs: wallMs, savedAtMs: isSaved ? before.savedAtMs : wallMs });
    if (isSaved) return;
    try {
      this.#store.saveSessionUse(id, wallMs);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }
}

/** Whose secret the token has, over or not; null: none. */
export function sessionShown(store: Pick<Store, "session">, token: string): Session | null {
  const [, id = "", secret = ""] = SESSION_TOKEN.exec(token) ?? [];
  const session = store.session(id);
  // Hashed in either case, so that the time taken says nothing about which ids exist.
  const hash = secretHash(secret);
  return session !== null && sameHash(hash, session.secretHash) ? session : null;
}

/** The same for one that never was: who asks learns nothing. */
const ended = (): HttpError => new HttpError("session-ended", "This session is over, or is of another hub.");

/** How long a browser keeps the cookie; the hub decides when it ends. */
export const COOKIE_LIFE_SECONDS = SESSION_LIFE_MS / 1_000;
