// How fast passwords and codes may be tried. First who tries one account from one address waits, longer each time; then an account as a whole,
// an address as a whole, and the hub as a whole are held to a pace. Nobody is locked out for ever by somebody else: from an address where
// he logged in before, a user is held by nothing but his own mistakes. Names that do not exist are treated like those that do.
// In memory, of fixed size, by the monotonic clock: a restart forgives, and no file grows.
import type { Clock, Millis } from "@skerry/shared/runtime/clock.ts";
import { Pace, type PaceLimit, remember } from "../pace.ts";

/** Mistakes of one account at one address that cost nothing: people mistype. */
export const FREE_TRIES = 5;
/** The next one waits a second, then two, four … */
const FIRST_WAIT_MS = 1_000;
/** … up to a quarter of an hour: a hundred tries a day. */
export const LONGEST_WAIT_MS = 900_000;
/** Without a mistake for so long, they are forgotten. */
const FORGET_MS = 3_600_000;
/** Where somebody has logged in counts as his for so long: a month, which holidays are shorter than. */
const KNOWN_MS = 30 * 24 * 3_600_000;
/** Accounts at addresses that are remembered, and addresses, and accounts; the one used longest ago goes. About 2 MB together. */
export const MAX_REMEMBERED = 10_000;

/** From wherever: 2,880 a day. With the password known, so many guesses at a code of six digits are right once in four months. */
export const ACCOUNT_PACE: PaceLimit = { burst: 20, eachMs: 30_000 };
/** An office or a proxy is one address: fifty people may mistype in the same morning. */
export const ADDRESS_PACE: PaceLimit = { burst: 50, eachMs: 10_000 };
/** All together: what two cores check in a quarter of their time. */
export const GLOBAL_PACE: PaceLimit = { burst: 200, eachMs: 200 };

interface Pair {
  readonly mistakes: number;
  readonly lastMs: Millis;
  /** Of the last login that was right; null: none. */
  readonly rightMs: Millis | null;
}

export class LoginThrottle {
  readonly #clock: Clock;
  readonly #pairs = new Map<string, Pair>();
  readonly #accounts: Pace;
  readonly #addresses: Pace;
  readonly #all: Pace;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#accounts = new Pace(clock, ACCOUNT_PACE, MAX_REMEMBERED);
    this.#addresses = new Pace(clock, ADDRESS_PACE, MAX_REMEMBERED);
    this.#all = new Pace(clock, GLOBAL_PACE, 1);
  }

  /** Milliseconds to wait; 0: try, and it counts as a mistake until `right` or `noGuess` says that it was none. */
  take(account: string, address: string): number {
    const now = this.#clock.monotonicMs();
    const [key, place] = keysOf(account, address);
    const pair = this.#pair(key, now);
    const waitMs = Math.max(waitOf(pair, now), ...this.#heldBy(pair, account, place, now));
    if (waitMs > 0) return Math.ceil(waitMs);
    remember(this.#pairs, key, { ...pair, mistakes: pair.mistakes + 1, lastMs: now }, MAX_REMEMBERED);
    this.#accounts.take(account);
    this.#addresses.take(place);
    this.#all.take("");
    return 0;
  }

  /** It was he. */
  right(account: string, address: string): void {
    const now = this.#clock.monotonicMs();
    const [key, place] = keysOf(account, address);
    remember(this.#pairs, key, { mistakes: 0, lastMs: now, rightMs: now }, MAX_REMEMBERED);
    this.#giveBack(account, place);
  }

  /** The password was right, and nothing more was tried. */
  noGuess(account: string, address: string): void {
    const now = this.#clock.monotonicMs();
    const [key, place] = keysOf(account, address);
    const pair = this.#pair(key, now);
    remember(this.#pairs, key, { ...pair, mistakes: Math.max(0, pair.mistakes - 1) }, MAX_REMEMBERED);
    this.#giveBack(account, place);
  }

  /** Entries in each table: for tests. */
  sizes(): readonly number[] {
    return [this.#pairs.size, this.#accounts.size, this.#addresses.size];
  }

  #heldBy(pair: Pair, account: string, place: string, now: Millis): number[] {
    if (pair.rightMs !== null && now - pair.rightMs < KNOWN_MS) return [];
    return [this.#accounts.waitMs(account), this.#addresses.waitMs(place), this.#all.waitMs("")];
  }

  #giveBack(account: string, place: string): void {
    this.#accounts.giveBack(account);
    this.#addresses.giveBack(place);
    this.#all.giveBack("");
  }

  #pair(key: string, now: Millis): Pair {
    const found = this.#pairs.get(key) ?? { mistakes: 0, lastMs: now, rightMs: null };
    return now - found.lastMs < FORGET_MS ? found : { ...found, mistakes: 0 };
  }
}

function waitOf({ mistakes, lastMs }: Pair, now: Millis): number {
  if (mistakes < FREE_TRIES) return 0;
  return lastMs + Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (mistakes - FREE_TRIES)) - now;
}

/** A name holds no line break that counts here: the address comes first, and has none. */
function keysOf(account: string, address: string): readonly [pair: string, place: string] {
  const place = placeOf(address);
  return [`${place}\n${account}`, place];
}

/** Of IPv6 the network: whoever has one address there has 2^64. */
export function placeOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  if (!plain.includes(":")) return plain;
  const [head = "", tail = ""] = plain.split("%", 1)[0]?.split("::") ?? [];
  const [before, after] = [head, tail].map((part) => part.split(":").filter(Boolean));
  const zeros = plain.includes("::") ? Math.max(0, 8 - (before?.length ?? 0) - (after?.length ?? 0)) : 0;
  const words = [...(before ?? []), ...Array<string>(zeros).fill("0"), ...(after ?? [])];
  return `${words
    .slice(0, 4)
    .map((word) => word.toLowerCase().replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}
