// The first user, by a link that the hub prints at its start. Its code stands behind the "#": browsers do not send that, so it reaches no log and
// no proxy. It is kept in memory as a hash, good once, for a day, until the next start, and as long as there is no user.
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import type { HttpDeps } from "../deps.ts";
import { sameHash } from "../identity.ts";

/** 128 bits: nobody guesses it in a day. */
const CODE_BYTES = 16;
const LIFE_MS = 24 * 3_600_000;

export class SetUp {
  readonly #deps: Pick<HttpDeps, "store" | "clock" | "random">;
  #open: { readonly hash: string; readonly untilMs: Millis } | null = null;

  constructor(deps: Pick<HttpDeps, "store" | "clock" | "random">) {
    this.#deps = deps;
  }

  /** A fresh code, in whose place no older one counts; null: there is a user. */
  begin(): string | null {
    const { store, clock, random } = this.#deps;
    if (store.users().length > 0) return null;
    const code = random.hex(CODE_BYTES);
    this.#open = { hash: sha256Hex(code), untilMs: clock.monotonicMs() + LIFE_MS };
    return code;
  }

  isRight(code: string): boolean {
    const open = this.#open;
    const hash = sha256Hex(code);
    return open !== null && this.#deps.clock.monotonicMs() < open.untilMs && sameHash(hash, open.hash);
  }

  end(): void {
    this.#open = null;
  }
}
