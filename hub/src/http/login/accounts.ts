// All that logging in needs, made once for a server: passwords, their throttle, the provider of people, the set-up link; and the check of name,
// password and code in which they come together.
import type { FastifyRequest } from "fastify";
import { type PasswordHash, type Proof, passwordProblem, type SecondFactor } from "../../core/user.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError } from "../errors.ts";
import { refuseForeign, refuseInClear } from "./browser.ts";
import { Passwords } from "./passwords.ts";
import { LocalUsers, type PeopleProvider, type Person } from "./people.ts";
import { SetUp } from "./set-up.ts";
import { LoginThrottle } from "./throttle.ts";
import { recoveryHash, stepOfCode } from "./totp.ts";

export interface Accounts {
  readonly passwords: Passwords;
  readonly throttle: LoginThrottle;
  readonly provider: PeopleProvider;
  readonly setUp: SetUp;
  /** Lets the request in again: hashing took a while, and the caller may have lost meanwhile what let him in. */
  admit(request: FastifyRequest): void;
}

export function createAccounts(deps: HttpDeps, admit: Accounts["admit"]): Accounts {
  const passwords = new Passwords(deps.random, deps.passwordCost);
  return {
    passwords,
    throttle: new LoginThrottle(deps.clock),
    provider: new LocalUsers(deps.store, passwords),
    setUp: new SetUp(deps),
    admit,
  };
}

export interface Shown {
  readonly name: string;
  readonly password: string;
  /** Six digits, or a recovery code; null: none was sent. */
  readonly code: string | null;
}
export interface Proven {
  readonly person: Person;
  readonly proof: Proof;
}

/** Throws `cross-site-request`, `not-private`, `too-many-logins`, `overloaded`, `login-refused` or `second-factor-needed`. */
export async function prove(
  deps: HttpDeps,
  { throttle, provider }: Accounts,
  request: FastifyRequest,
  { name, password, code }: Shown,
): Promise<Proven> {
  refuseForeign(request, "body");
  refuseInClear(request);
  takeTry(throttle, name, request);
  const person = await provider.check(name, password);
  if (person === null) throw loginRefused();
  const proof = await proofOf(deps, name, person.secondFactor, code);
  if (proof === "none-shown") {
    throttle.noGuess(name, request.ip);
    throw new HttpError("second-factor-needed", "The password is right; the code of the second factor is missing.");
  }
  if (proof === null) throw loginRefused();
  throttle.right(name, request.ip);
  return { person, proof };
}

/** It counts as a mistake until the throttle is told otherwise. Throws `too-many-logins`. */
export function takeTry(throttle: LoginThrottle, name: string, request: FastifyRequest): void {
  const waitMs = throttle.take(name, request.ip);
  if (waitMs === 0) return;
  throw new HttpError("too-many-logins", "Too many passwords or codes were tried.", {
    retryAfterSeconds: Math.ceil(waitMs / 1_000),
  });
}

/** Throws `change-refused` for a password that will not do, and `overloaded`. */
export async function hashOf({ passwords }: Accounts, password: string, name: string): Promise<PasswordHash> {
  const problem = passwordProblem(password, name);
  if (problem !== null)
    throw new HttpError("change-refused", `This password will not do: ${problem}.`, {
      path: "password",
      hint: "Take a longer one: a few words that do not belong together.",
    });
  return await passwords.hash(password);
}

export const loginRefused = (): HttpError =>
  new HttpError("login-refused", "Name, password or code is wrong, or the user is disabled.");

/** null: a wrong code. */
async function proofOf(
  deps: HttpDeps,
  name: string,
  factor: SecondFactor,
  code: string | null,
): Promise<Proof | "none-shown" | null> {
  if (factor.kind !== "on") return { kind: "none" };
  if (code === null) return "none-shown";
  const hash = recoveryHash(code);
  if (hash !== null) return factor.recoveryHashes.includes(hash) ? { kind: "recovery", hash } : null;
  const step = await stepOf(deps, name, factor.sealedSecret, code);
  return step === null || step <= factor.lastStep ? null : { kind: "code", step };
}

/** null: the code does not fit; or the secret cannot be opened, which is said in the log. */
export async function stepOf(
  { userSecrets, clock, log }: HttpDeps,
  name: string,
  sealedSecret: string,
  code: string,
): Promise<number | null> {
  const secret = userSecrets.open(sealedSecret, totpOf(name));
  if (secret !== null) return await stepOfCode(secret, code.replaceAll(" ", ""), clock.wallMs());
  log.error("a second factor cannot be opened: the file user-key is not the one it was made with", { user: name });
  return null;
}

/** What a sealed secret belongs to. */
export const totpOf = (name: string): string => `totp of user ${name}`;
