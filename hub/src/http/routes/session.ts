// Logging in and out, and a user's own password and second factor. Whatever is asked of a user's own asks for the password again: who finds
// a screen that was left open cannot keep the account.
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { FastifyReply, FastifyRequest } from "fastify";
import { sessionEndMs } from "../../core/user.ts";
import type { UserCommand } from "../../core/user-command.ts";
import type { CheckedOf, ResponseOf } from "../api.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError } from "../errors.ts";
import { freshTokenId, secretHash } from "../fresh-secret.ts";
import type { HandlersOf } from "../handler.ts";
import type { Principal } from "../identity.ts";
import { type Accounts, hashOf, loginRefused, type Proven, prove, stepOf, takeTry, totpOf } from "../login/accounts.ts";
import { giveCookie, replacedToken, takeCookie } from "../login/browser.ts";
import { sessionShown, sessionToken } from "../login/sessions.ts";
import { freshRecoveryCodes, freshTotpSecret, otpauthUri, recoveryHash } from "../login/totp.ts";
import { identityOf, write, writeAs } from "../write.ts";

const SECRET_BYTES = 32;

type Names =
  | "logIn"
  | "logOut"
  | "changePassword"
  | "beginSecondFactor"
  | "confirmSecondFactor"
  | "removeSecondFactor"
  | "renewRecoveryCodes";

export function sessionHandlers(deps: HttpDeps, accounts: Accounts): HandlersOf<Names> {
  /** Who is logged in, once more with his password. */
  const again = async (request: FastifyRequest, body: { password: string; code?: string | undefined }) => {
    const name = sessionOf(request).user;
    const proven = await prove(deps, accounts, request, { name, password: body.password, code: body.code ?? null });
    return { name, proven };
  };
  const own = <T>(request: FastifyRequest, command: UserCommand, answer: T): T => {
    accounts.admit(request);
    return write(deps, request, () => ({ command, answer: () => answer }), "never");
  };
  return {
    logIn: ({ body, request, reply }) => logIn(deps, accounts, body, request, reply),
    logOut: ({ query, request, reply }) => {
      const { id, user } = sessionOf(request);
      const answered = write(
        deps,
        request,
        () => ({
          command: { kind: "close-sessions", user, id: query.everywhere === "true" ? null : id },
          answer: (outcome) => {
            assert(outcome.kind === "sessions-closed", "close-sessions made something else");
            return { ended: outcome.count };
          },
        }),
        "never",
      );
      if (request.headers.authorization === undefined) takeCookie(request, reply);
      return answered;
    },
    changePassword: async ({ body, request }) => {
      const { name, proven } = await again(request, body);
      const password = await hashOf(accounts, body.newPassword, name);
      return own(request, { kind: "set-password", user: name, password, ...checked(proven) }, { name });
    },
    beginSecondFactor: async ({ body, request }) => {
      const { name, proven } = await again(request, body);
      const secret = await freshTotpSecret(deps.random);
      const uri = await otpauthUri(secret, name, request.hostname);
      const sealedSecret = deps.userSecrets.seal(secret, totpOf(name));
      const { checkedSalt } = proven.person;
      const command = { kind: "begin-second-factor", user: name, checkedSalt, sealedSecret } as const;
      return own(request, command, { name, secret, uri });
    },
    confirmSecondFactor: ({ body, request }) => confirm(deps, accounts, body.code, request),
    removeSecondFactor: async ({ body, request }) => {
      const { name, proven } = await again(request, body);
      const command = { kind: "remove-second-factor", user: name, ...checked(proven) } as const;
      return own(request, command, { name, secondFactor: false });
    },
    renewRecoveryCodes: async ({ body, request }) => {
      const { name, proven } = await again(request, body);
      const recoveryCodes = freshRecoveryCodes(deps.random);
      const command = {
        ...({ kind: "renew-recovery-codes", user: name } as const),
        ...{ recoveryHashes: hashesOf(recoveryCodes), ...checked(proven) },
      };
      return own(request, command, { name, recoveryCodes });
    },
  };
}

const checked = ({ person, proof }: Proven) => ({ checkedSalt: person.checkedSalt, proof });
const hashesOf = (codes: readonly string[]) => codes.flatMap((code) => recoveryHash(code) ?? []);

/** Always a new id and a new secret, whatever the caller brings; his session of before, in the same browser, ends. */
async function logIn(
  deps: HttpDeps,
  accounts: Accounts,
  { name, password, code, as }: CheckedOf<"logIn">["body"],
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<ResponseOf<"logIn">> {
  const { person, proof } = await prove(deps, accounts, request, { name, password, code: code ?? null });
  const secret = deps.random.hex(SECRET_BYTES);
  const outcome = writeAs(
    deps,
    request,
    { actor: `user ${name}`, account: `user/${name}` },
    {
      ...({ kind: "open-session", user: name, checkedSalt: person.checkedSalt, proof } as const),
      replaces: replacedSession(deps, request, name),
    },
    { id: freshTokenId(deps), secretHash: secretHash(secret) },
  );
  assert(outcome.kind === "session-opened", "open-session made something else");
  const { session } = outcome;
  const token = sessionToken(session.id, secret);
  if (as === "cookie") giveCookie(request, reply, token);
  return { name, token: as === "token" ? token : null, expiresInMs: sessionEndMs(session, null) - session.createdAtMs };
}

/** null too for one that is somebody else's: that ends by itself. */
function replacedSession({ store }: HttpDeps, request: FastifyRequest, name: string): string | null {
  const token = replacedToken(request);
  const session = token === null ? null : sessionShown(store, token);
  return session?.user === name ? session.id : null;
}

/** A wrong code is a mistake like a wrong password. */
async function confirm(
  deps: HttpDeps,
  accounts: Accounts,
  code: string,
  request: FastifyRequest,
): Promise<ResponseOf<"confirmSecondFactor">> {
  const name = sessionOf(request).user;
  const factor = deps.store.user(name)?.secondFactor;
  if (factor?.kind !== "pending")
    throw new HttpError("change-refused", "No second factor waits for its first code.", {
      hint: "Begin with: skerry user totp enable.",
    });
  takeTry(accounts.throttle, name, request);
  const step = await stepOf(deps, name, factor.sealedSecret, code);
  if (step === null) throw loginRefused();
  accounts.throttle.right(name, request.ip);
  accounts.admit(request);
  const recoveryCodes = freshRecoveryCodes(deps.random);
  const command = {
    ...({ kind: "confirm-second-factor", user: name, sealedSecret: factor.sealedSecret, step } as const),
    recoveryHashes: hashesOf(recoveryCodes),
  };
  return write(deps, request, () => ({ command, answer: () => ({ name, recoveryCodes }) }), "never");
}

/** Throws `no-session` for a caller who came with a token. */
function sessionOf(request: FastifyRequest): NonNullable<Principal["session"]> {
  const identity = identityOf(request);
  if (identity.kind === "principal" && identity.principal.session !== null) return identity.principal.session;
  throw new HttpError("no-session", "This is about a user's own login, and you came with a token.");
}
