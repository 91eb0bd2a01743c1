// Users and their sessions: people with a name and a password. Pure data, and what is asked of names and passwords.
// Passwords are never here: their hash is made in the shell, and comes in with a command.
import type { SpecHash } from "@skerry/shared/model/ids.ts";
import type { Binding } from "./permission.ts";

/** A password at rest, with what it takes to check it again. `salt` and `hash` are hex. */
export interface PasswordHash {
  readonly kind: "scrypt";
  readonly n: number;
  readonly r: number;
  readonly p: number;
  readonly salt: string;
  readonly hash: string;
}

/** `sealedSecret`: the shared secret of the codes, encrypted with a key that is not in the database. */
export type SecondFactor =
  | { readonly kind: "none" }
  /** Shown to the user and not confirmed by a code yet: it is not asked for. */
  | { readonly kind: "pending"; readonly sealedSecret: string }
  | {
      readonly kind: "on";
      readonly sealedSecret: string;
      /** Of the last code that was taken: none is taken twice. Steps of half a minute of the hub's wall clock. */
      readonly lastStep: number;
      /** Of those that were not used yet. */
      readonly recoveryHashes: readonly SpecHash[];
    };

/** Somebody with a password, and one role. */
export interface User extends Binding {
  /** Unique; as it stands in events. */
  readonly name: string;
  readonly password: PasswordHash;
  readonly disabled: boolean;
  readonly secondFactor: SecondFactor;
  /** Hub's wall clock. */
  readonly createdAtMs: number;
  readonly createdBy: string;
}

/** A login at rest: never its secret. */
export interface Session {
  readonly id: string;
  readonly user: string;
  readonly secretHash: SpecHash;
  /** Hub's wall clock. */
  readonly createdAtMs: number;
}

/** By what a user showed, beside the password, that it is he. */
export type Proof =
  | { readonly kind: "none" }
  | { readonly kind: "code"; readonly step: number }
  | { readonly kind: "recovery"; readonly hash: SpecHash };

/** Every person of a large company; all are read when one is made. */
export const MAX_USERS = 1_000;
/** A few browsers and terminals on a few machines; one more ends the oldest. */
export const MAX_SESSIONS_EACH = 10;
/** Not used for so long, a session ends: a day, so that a morning's login lasts till the next. */
export const SESSION_IDLE_MS = 24 * 3_600_000;
/** And however much it is used: a week, after which the password is asked for again. */
export const SESSION_LIFE_MS = 7 * 24 * 3_600_000;
/** How long after its login a session may give power that outlives it: as long as somebody who administers is at it. */
export const RECENT_LOGIN_MS = 15 * 60_000;
/** Each takes one code's place once; ten are what others give. */
export const RECOVERY_CODES = 10;

/** When a session ends, if it is used no more. Hub's wall clock. */
export const sessionEndMs = ({ createdAtMs }: Session, lastUsedAtMs: number | null): number =>
  Math.min(createdAtMs + SESSION_LIFE_MS, (lastUsedAtMs ?? createdAtMs) + SESSION_IDLE_MS);

/** As NIST SP 800-63B asks of a password that stands alone, rounded down to what people bear; length is what counts. */
export const MIN_PASSWORD_CHARACTERS = 12;
/** More is no safer, and would be hashed for whoever sends it. */
export const MAX_PASSWORD_CHARACTERS = 256;
/** Fewer different characters than this make no password, however long. */
const MIN_DIFFERENT = 5;
/** What is tried first everywhere. A password that is little more than one of these is refused. */
const TRIVIAL = [
  "password",
  "passwort",
  "123456789012",
  "qwertyuiop",
  "letmein",
  "administrator",
  "skerry",
  "changeme",
];
/** What must be left of a password without them. */
const MIN_OWN_CHARACTERS = 8;

/** Why it will not do, as the end of a sentence; null: it will. */
export function passwordProblem(password: string, userName: string): string | null {
  const length = [...password].length;
  if (length < MIN_PASSWORD_CHARACTERS) return `it must have at least ${MIN_PASSWORD_CHARACTERS} characters`;
  if (length > MAX_PASSWORD_CHARACTERS) return `it must have at most ${MAX_PASSWORD_CHARACTERS} characters`;
  if (new Set(password).size < MIN_DIFFERENT) return `it must have at least ${MIN_DIFFERENT} different characters`;
  let rest = password.toLowerCase();
  for (const word of [userName.toLowerCase(), ...TRIVIAL]) rest = rest.replaceAll(word, "");
  if (rest.length === password.length || rest.length >= MIN_OWN_CHARACTERS) return null;
  return `it is little more than your own name, or than what everybody tries first`;
}
