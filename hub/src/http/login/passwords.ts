// Passwords: hashed and checked with scrypt, as many at once as the machine bears. Without a bound, whoever sends logins would fill the memory
// and keep all of Node's few threads from the disk. It must never log, keep or compare a password in clear.

import { type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import type { PasswordHash } from "../../core/user.ts";
import { HttpError } from "../errors.ts";

/** What a password that is made costs; one that was made before has its own beside it. */
export type Cost = Pick<PasswordHash, "n" | "r" | "p">;

/** 32 MiB (128 · n · r) and about 100 ms each: what OWASP's cheat sheet on storing passwords gives for a small server. */
export const PASSWORD_COST: Cost = { n: 32_768, r: 8, p: 1 };
/** Twice what is needed: Node refuses what needs exactly its bound. Also bounds what a spoilt row can ask for. */
const MAX_MEMORY_BYTES = 67_108_864;
const SALT_BYTES = 16;
const KEY_BYTES = 32;
/** 64 MiB, and half of Node's four threads: the others are for the disk. */
export const MAX_AT_ONCE = 2;
/** Two seconds of waiting. More at once is a flood, and is told to come again. */
export const MAX_WAITING = 40;

export class Passwords {
  readonly #random: Random;
  readonly #cost: Cost;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  /** How often the work was done: a name that does not exist must cost the same. For tests. */
  runs = 0;
  /** What a name that does not exist is checked against. */
  readonly #nobody: PasswordHash;

  /** `cost`: for tests, which check many. */
  constructor(random: Random, cost: Cost = PASSWORD_COST) {
    this.#random = random;
    this.#cost = cost;
    this.#nobody = { kind: "scrypt", ...this.#cost, salt: random.hex(SALT_BYTES), hash: random.hex(KEY_BYTES) };
  }

  /** Throws `overloaded`. */
  async hash(password: string): Promise<PasswordHash> {
    const salt = this.#random.hex(SALT_BYTES);
    const key = await this.#derive(password, { ...this.#cost, salt });
    assert(key !== null, "our own cost of a password is more than we bear");
    return { kind: "scrypt", ...this.#cost, salt, hash: key.toString("hex") };
  }

  /** `stored` null: no such user; the same work, and false. Throws `overloaded`. */
  async check(password: string, stored: PasswordHash | null): Promise<boolean> {
    const against = stored ?? this.#nobody;
    const key = await this.#derive(password, against);
    const wanted = Buffer.from(against.hash, "hex");
    return key !== null && stored !== null && key.length === wanted.length && timingSafeEqual(key, wanted);
  }

  /** null: no such cost (a row that was spoilt). */
  async #derive(password: string, { n, r, p, salt }: Omit<PasswordHash, "kind" | "hash">): Promise<Buffer | null> {
    if (!isBearable({ n, r, p })) return null;
    await this.#turn();
    this.runs += 1;
    try {
      // The same characters typed on another keyboard are the same password (NIST SP 800-63B asks for one of these forms).
      return await derive(password.normalize("NFKC"), Buffer.from(salt, "hex"), {
        N: n,
        r,
        p,
        maxmem: MAX_MEMORY_BYTES,
      });
    } finally {
      // A place is handed on, so that nobody slips in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  async #turn(): Promise<void> {
    if (this.#running < MAX_AT_ONCE) {
      this.#running += 1;
      return;
    }
    if (this.#waiting.length >= MAX_WAITING)
      throw new HttpError("overloaded", "Too many passwords are being checked at once.", { retryAfterSeconds: 2 });
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

/**
 * Asked before the library is: what it refuses leaves an error in OpenSSL's queue of this thread, which the next use of a key there would throw.
 * RFC 7914: n is a power of two, and the work takes 128 · r · (n + p) bytes and a little.
 */
const isBearable = ({ n, r, p }: Cost): boolean =>
  Number.isInteger(Math.log2(n)) && n > 1 && r > 0 && p > 0 && 128 * r * (n + p + 2) < MAX_MEMORY_BYTES;

function derive(password: string, salt: Buffer, options: ScryptOptions): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    try {
      scrypt(password, salt, KEY_BYTES, options, (error, key) => (error === null ? resolve(key) : reject(error)));
    } catch (error) {
      if (error instanceof RangeError) resolve(null);
      else reject(error);
    }
  });
}
