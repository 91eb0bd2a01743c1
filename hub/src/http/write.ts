// Carries a command to the control loop and its outcome back: who asks, under which idempotency key, and which error a refusal becomes.
// Every change that the API makes goes through here, and into the audit log with it.
import { assert, assertNever } from "@skerry/shared/runtime/assert.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import type { FastifyRequest } from "fastify";
import type { SubmitContext, SubmitRefusal } from "../control-loop.ts";
import type { Command, CommandOutcome, CommandRefusal } from "../core/command.ts";
import { originOf } from "./audit.ts";
import { actorOf, credentialOf, type Identity } from "./auth.ts";
import { CHANGES_PER_MINUTE, MAX_CHANGES_AT_ONCE } from "./change-rate.ts";
import type { HttpDeps } from "./deps.ts";
import { type ErrorCode, HttpError, sentence } from "./errors.ts";
import { health } from "./health.ts";
import { type IdempotencyKey, idempotencyKey, replay } from "./idempotency.ts";

export interface Write<T> {
  readonly command: Command;
  /**
   * The body of the answer, from the outcome and what `make` saw before: with an idempotency key it is called before the commit, else
   * after. It may be stored, so it must hold no secret.
   */
  readonly answer: (outcome: CommandOutcome) => T;
  readonly freshToken?: SubmitContext["freshToken"];
}

/** A request with a password in it, or a secret in its answer: neither may be kept, nor a hash that could be guessed at. It is not replayed. */
export type Replayed = "by-key" | "never";

/** The answer, made now or stored before under the same key. Throws HttpError for refusals. `make` is not called for a repeated request. */
export function write<T>(
  deps: HttpDeps,
  request: FastifyRequest,
  make: () => Write<T>,
  replayed: Replayed = "by-key",
): T {
  const identity = identityOf(request);
  const key =
    replayed === "never"
      ? null
      : idempotencyKey(
          request.headers["idempotency-key"],
          credentialOf(identity, deps.adminTokenHash),
          request,
          hashFor(deps, request),
        );
  const before = key === null ? null : replay(key, deps.store.idempotent(key.key));
  // What is stored under a key is what `answer` of the same request made: the request's hash was compared.
  if (before !== null) {
    request.isAudited = true;
    return before as T;
  }
  if (deps.stopping()) throw stopping();
  const { changeRate } = request.server;
  if (identity.kind === "principal") refuseTooFast(changeRate.waitMs(identity.principal.account));
  const { command, answer, freshToken } = make();
  let body: T | undefined;
  const submitted = deps.loop.submit(command, {
    actor: actorOf(identity),
    freshToken: freshToken ?? null,
    origin: originOf(deps, request),
    idempotency:
      key === null
        ? null
        : {
            ...key,
            answer: (outcome) => {
              body = answer(outcome);
              return { status: 200, body: JSON.stringify(body) };
            },
          },
  });
  if (!submitted.ok) throw submitError(deps, command, submitted.error, key);
  request.isAudited = true;
  if (identity.kind === "principal" && submitted.value.isChange) changeRate.count(identity.principal.account);
  return body ?? answer(submitted.value.outcome);
}

/** Of somebody who is known only by what this request showed: a login, the set-up. `account` null: not slowed down. */
export function writeAs(
  deps: HttpDeps,
  request: FastifyRequest,
  who: { readonly actor: string; readonly account: string | null },
  command: Command,
  freshToken: SubmitContext["freshToken"] = null,
): CommandOutcome {
  if (deps.stopping()) throw stopping();
  const { changeRate } = request.server;
  if (who.account !== null) refuseTooFast(changeRate.waitMs(who.account));
  const origin = originOf(deps, request);
  const submitted = deps.loop.submit(command, { actor: who.actor, freshToken, origin, idempotency: null });
  if (!submitted.ok) throw submitError(deps, command, submitted.error, null);
  request.isAudited = true;
  if (who.account !== null && submitted.value.isChange) changeRate.count(who.account);
  return submitted.value.outcome;
}

/** Of a request that brings a secret no plain hash is kept: what is small could be guessed from it. */
function hashFor({ keyring }: HttpDeps, { body }: FastifyRequest): (text: string) => string {
  const brings = typeof body === "object" && body !== null && ("value" in body || "password" in body || hasSome(body));
  return brings ? (text) => keyring.mac(text) : sha256Hex;
}
const hasSome = (body: object): boolean =>
  "values" in body && typeof body.values === "object" && body.values !== null && Object.keys(body.values).length > 0;

function refuseTooFast(waitMs: number): void {
  if (waitMs === 0) return;
  throw new HttpError(
    "too-many-changes",
    `You made ${MAX_CHANGES_AT_ONCE} changes in a short time, and can now make ${CHANGES_PER_MINUTE} a minute. Nothing was changed.`,
    { retryAfterSeconds: Math.ceil(waitMs / 1_000) },
  );
}

export function identityOf(request: FastifyRequest): Identity {
  assert(request.identity !== null, "a route was reached past the door");
  return request.identity;
}

function submitError(deps: HttpDeps, command: Command, refusal: SubmitRefusal, key: IdempotencyKey | null): HttpError {
  switch (refusal.kind) {
    case "refused":
      return refusalError(command, refusal.refusal);
    case "storage-full":
      return new HttpError("storage-full", "There is no space left on the hub's disk. Nothing was changed.");
    case "read-only":
      return new HttpError("read-only", health(deps).reason);
    case "stopping":
      return stopping();
    case "duplicate":
      throw new Error(`bug: the idempotency key ${key?.key ?? ""} was free a moment ago and nothing ran in between`);
    default:
      return assertNever(refusal);
  }
}

export function refusalError(command: Command, refusal: CommandRefusal): HttpError {
  return new HttpError(refusalCode(command, refusal), sentence(refusal.message), {
    hint: sentence(refusal.hint),
    ...(refusal.path === null ? {} : { path: refusal.path }),
  });
}

const stopping = (): HttpError =>
  new HttpError("stopping", "The hub is shutting down. Nothing was changed.", { retryAfterSeconds: 5 });

function refusalCode(command: Command, refusal: CommandRefusal): ErrorCode {
  switch (refusal.code) {
    case "conflict":
      return "revision-conflict";
    case "failed-before":
      return "failed-before";
    case "policy":
      return "policy-refused";
    case "not-found":
      return notFoundCode(command);
    case "token-refused":
      return "join-token-refused";
    case "key-revoked":
      return "key-revoked";
    case "overtaken":
      return "login-refused";
    case "invalid":
    case "limit":
      return "change-refused";
    default:
      return assertNever(refusal.code);
  }
}

function notFoundCode(command: Command): ErrorCode {
  switch (command.kind) {
    case "apply-app":
    case "remove-app":
    case "scale":
    case "pause-rollout":
    case "resume-rollout":
    case "undo-rollout":
    case "set-stopped":
    case "restart":
    case "set-paused":
      return "app-not-found";
    case "set-node-labels":
    case "set-availability":
    case "remove-node":
    case "approve-node":
    case "unfreeze-node":
    case "revoke-node":
    case "join-node":
      return "node-not-found";
    case "create-token":
    case "remove-token":
    case "create-api-token":
    case "remove-api-token":
      return "token-not-found";
    case "set-role":
    case "remove-role":
      return "role-not-found";
    case "set-policy":
    case "remove-policy":
      return "policy-not-found";
    case "add-user":
    case "set-user-role":
    case "set-user-enabled":
    case "remove-user":
    case "set-password":
    case "remove-second-factor":
      return "user-not-found";
    // The user was removed while the password was being checked: not told from a wrong one.
    case "open-session":
    case "close-sessions":
    case "begin-second-factor":
    case "confirm-second-factor":
    case "renew-recovery-codes":
      return "login-refused";
    case "set-value":
    case "remove-value":
    case "rewrap-values":
      return "value-not-found";
    default:
      return assertNever(command);
  }
}
