// The audit log as a chain: each entry holds the hash of the one before, so that a change, a removal or an insertion shows. Pure.
// Both stores write with it; `skerry audit verify` reads with it, from a hub or from a file.
import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import { err, ok, type Result } from "@skerry/shared/runtime/result.ts";

/** What is told of one change, or of one that was refused. It must never hold a secret; every text in it is bounded by who makes it. */
export interface AuditRecord {
  /** null: nobody that is known here. */
  readonly actor: string | null;
  /** By which credential, never its secret: "join-token/1a2b". */
  readonly credential: string | null;
  readonly address: string | null;
  /** How the caller's program calls itself; not to be trusted. */
  readonly agent: string | null;
  /** The route's name: "applyApp". null: several, see `count`. */
  readonly what: string | null;
  /** "app/shop", "node/van-7", "token/1a2b". */
  readonly target: string | null;
  /** A node's id: its name may be another's later. */
  readonly targetId: string | null;
  /** What the target was and what it became: a revision, a word, or a hash. null: it was not there, or was not looked at. */
  readonly before: string | null;
  readonly after: string | null;
  readonly outcome: "done" | "refused";
  /** Of the error with which it was refused. */
  readonly code: string | null;
  /** 1; or how many refused ones this stands for that have no entry of their own. */
  readonly count: number;
}

export interface AuditEntry extends AuditRecord {
  /** From 1, without a gap. */
  readonly number: number;
  /** Hub's wall clock. */
  readonly atMs: number;
  /** Hash of the entry before. */
  readonly previous: string;
  /** SHA-256 of the canonical JSON of all of the above, as 64 hex digits. */
  readonly hash: string;
}

/** A place in the chain. */
export interface AuditLink {
  readonly number: number;
  readonly hash: string;
}

/** What stands before the first entry. */
export const CHAIN_START: AuditLink = { number: 0, hash: "0".repeat(64) };

export function chained(record: AuditRecord, atMs: number, last: AuditLink): AuditEntry {
  const content = { ...record, number: last.number + 1, atMs, previous: last.hash };
  return { ...content, hash: sha256Hex(canonicalJson(content)) };
}

/**
 * The link after `last` if `entry` is the one that follows it, else what is wrong, in words. `last` null: the first entry of a part is
 * taken at its word for what stood before it.
 */
export function follow(last: AuditLink | null, entry: unknown): Result<AuditLink, string> {
  if (!isEntry(entry)) return err("this is not an entry of an audit log");
  const { hash, ...content } = entry;
  const { number, previous } = content;
  if (hash !== sha256Hex(canonicalJson(content)))
    return err(`entry ${number} was changed: what it says does not give its hash`);
  const before = last ?? (number === 1 ? CHAIN_START : { number: number - 1, hash: previous });
  if (number !== before.number + 1)
    return err(`entry ${number} does not follow entry ${before.number}: what was between them is missing`);
  if (previous !== before.hash)
    return err(`entry ${number} does not fit the one before it: one of the two was made anew`);
  return ok({ number, hash });
}

function isEntry(value: unknown): value is Pick<AuditEntry, "number" | "previous" | "hash"> {
  return (
    typeof value === "object" &&
    value !== null &&
    "number" in value &&
    Number.isSafeInteger(value.number) &&
    "previous" in value &&
    typeof value.previous === "string" &&
    "hash" in value &&
    typeof value.hash === "string"
  );
}
