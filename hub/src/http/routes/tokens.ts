// Join tokens. The secret is in one answer and nowhere else: what is stored, listed or logged has only its hash or nothing of it.
import { createHmac } from "node:crypto";
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { FastifyRequest } from "fastify";
import type { JoinToken } from "../../core/change.ts";
import { joinSecretHash, joinToken } from "../auth.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError } from "../errors.ts";
import type { HandlersOf } from "../handler.ts";
import { byCodeUnits, pageOfKeys } from "../paging.ts";
import type { TokenView } from "../schemas/tokens.ts";
import { write } from "../write.ts";

const ID_BYTES = 6;
const SECRET_BYTES = 32;

export function tokenHandlers(deps: HttpDeps): HandlersOf<"createToken" | "listTokens" | "removeToken"> {
  return {
    createToken: ({ body, request }) => {
      const secret = secretFor(deps, request);
      const view = write(deps, request, () => ({
        command: { kind: "create-token", uses: body.uses, expiresInMs: body.expiresInMs, labels: body.labels },
        freshToken: { id: deps.random.hex(ID_BYTES), secretHash: joinSecretHash(secret) },
        answer: (outcome): TokenView => {
          assert(outcome.kind === "token-created", "create-token made something else");
          return tokenView(deps, outcome.token);
        },
      }));
      const token = deps.store.tokens().find(({ id }) => id === view.id);
      if (token === undefined || token.secretHash !== joinSecretHash(secret)) {
        throw new HttpError(
          "idempotency-mismatch",
          `Join token ${view.id} was made under this Idempotency-Key and has since been withdrawn, or was asked for with another admin token.`,
          { path: "Idempotency-Key", hint: "Make another one with a new key." },
        );
      }
      return { ...view, token: joinToken(view.id, secret) };
    },
    listTokens: ({ query }) => {
      const tokens = new Map(deps.store.tokens().map((token) => [token.id, token]));
      const ids = [...tokens.keys()].sort(byCodeUnits);
      const page = pageOfKeys(ids, query.after, query.limit, (id) => id);
      const items = page.items.flatMap((id) => {
        const token = tokens.get(id);
        return token === undefined ? [] : [tokenView(deps, token)];
      });
      return { items, next: page.next, seq: deps.loop.world.seq };
    },
    removeToken: ({ params, request }) =>
      write(deps, request, () => ({
        command: { kind: "remove-token", id: params.token },
        answer: () => ({ id: params.token }),
      })),
  };
}

/**
 * Random; but under an Idempotency-Key it is worked out from the key and the caller's own token, so that repeating the request gives the
 * same secret although none is stored. Whoever can work it out already holds the admin token.
 */
function secretFor(deps: HttpDeps, request: FastifyRequest): string {
  const key = request.headers["idempotency-key"];
  if (typeof key !== "string") return deps.random.hex(SECRET_BYTES);
  return createHmac("sha256", request.headers.authorization ?? "")
    .update(`skerry join token ${key}`)
    .digest("hex");
}

function tokenView(deps: HttpDeps, token: JoinToken): TokenView {
  return {
    id: token.id,
    usesLeft: token.usesLeft,
    expiresAtMs: token.expiresAtMs,
    expiresInMs: token.expiresAtMs - deps.clock.wallMs(),
    labels: { ...token.labels },
    createdAtMs: token.createdAtMs,
    createdBy: token.createdBy,
  };
}
