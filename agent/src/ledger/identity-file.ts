// The node's identity in two small files beside the ledger's database: a damaged database must not cost the node its key, nor
// give the hub event numbers that it has seen before. Written when something of the identity changes (at joining, for a mark once in a run of
// the agent, for pins, tokens, keys), and once per ten thousand events.
import { join } from "node:path";
import type { Identity } from "./ledger.ts";
import { identityFileSchema } from "./stored.ts";
import { TwoGenerations } from "./two-generations.ts";

/** Event numbers set aside in one write of the file: a node writes it about once a year. */
const SEQ_STEP = 10_000;

/** A private key of `before` is none of `after`. */
export function givesUpKeys(before: Identity | null, after: Identity | null): boolean {
  const kept = new Set(keysOf(after));
  return keysOf(before).some((key) => !kept.has(key));
}

const keysOf = (identity: Identity | null): readonly string[] =>
  identity === null ? [] : [identity.privateKey, ...identity.formerBoxKeys];

export class IdentityFile {
  readonly #files: TwoGenerations;
  #identity: Identity | null = null;
  #seqReserved = 1;

  constructor(folder: string) {
    this.#files = new TwoGenerations(join(folder, "identity"));
    const body = this.#files.read();
    if (body === null) return;
    // A good checksum over something else is a bug of ours or an edit by hand: said, not guessed at.
    const { identity, seqReserved } = identityFileSchema.parse(JSON.parse(body));
    this.#identity = identity;
    this.#seqReserved = seqReserved;
    this.#forgetOlder(body);
  }

  /** The power went between the two writes by which a key is given up. */
  #forgetOlder(body: string): void {
    const { olderAtStart } = this.#files;
    const older = olderAtStart === null ? null : identityFileSchema.safeParse(JSON.parse(olderAtStart));
    if (older?.success !== true || !givesUpKeys(older.data.identity, this.#identity)) return;
    try {
      this.#files.write(body);
    } catch {
      // A disk that is full keeps no agent from starting: it is tried again at the next start.
    }
  }

  get identity(): Identity | null {
    return this.#identity;
  }

  /** Larger than any event number that was ever given out. */
  get seqReserved(): number {
    return this.#seqReserved;
  }

  /** Makes sure that `identity` and the numbers below `nextSeq` are durable here, before the database says so. */
  cover(identity: Identity | null, nextSeq: number): void {
    if (identity === null) return;
    const same = JSON.stringify(identity) === JSON.stringify(this.#identity);
    if (same && nextSeq <= this.#seqReserved) return;
    const seqReserved = nextSeq <= this.#seqReserved ? this.#seqReserved : nextSeq + SEQ_STEP;
    const body = JSON.stringify({ identity, seqReserved });
    this.#files.write(body);
    // A key that was given up is in the older of the two files still.
    if (givesUpKeys(this.#identity, identity)) this.#files.write(body);
    this.#identity = identity;
    this.#seqReserved = seqReserved;
  }
}
