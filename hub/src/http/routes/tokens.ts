// Join tokens. The secret is in one answer and nowhere else: what is stored, listed or logged has only its hash or nothing of it.
import { writeJoinToken } from "@skerry/shared/protocol/join-token.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { JoinToken } from "../../core/change.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError } from "../errors.ts";
import { freshSecret, freshTokenId, secretHash } from "../fresh-secret.ts";
import type { HandlersOf } from "../handler.ts";
import { byCodeUnits, pageOfKeys } from "../paging.ts";
import type { TokenView } from "../schemas/tokens.ts";
import { write } from "../write.ts";

export function tokenHandlers(deps: HttpDeps): HandlersOf<"createToken" | "listTokens" | "removeToken"> {
  return {
    createToken: ({ body, request }) => {
      const secret = freshSecret(deps, request, "join token");
      const view = write(deps, request, () => ({
        command: {
          kind: "create-token",
          uses: body.uses,
          expiresInMs: body.expiresInMs,
          labels: body.labels,
          approval: body.approval,
        },
        freshToken: { id: freshTokenId(deps), secretHash: secretHash(secret) },
        answer: (outcome): TokenView => {
          assert(outcome.kind === "token-created", "create-token made something else");
          return tokenView(deps, outcome.token);
        },
      }));
      const token = deps.store.tokens().find(({ id }) => id === view.id);
      if (token === undefined || token.secretHash !== secretHash(secret)) {
        throw new HttpError(
          "idempotency-mismatch",
          `Join token ${view.id} was made under this Idempotency-Key and has since been withdrawn, or was asked for with another token.`,
          { path: "Idempotency-Key", hint: "Make another one with a new key." },
        );
      }
      return { ...view, token: writeJoinToken({ pin: deps.pins()[0] ?? null, id: view.id, secret }) };
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

function tokenView(deps: HttpDeps, token: JoinToken): TokenView {
  return {
    id: token.id,
    usesLeft: token.usesLeft,
    expiresAtMs: token.expiresAtMs,
    expiresInMs: token.expiresAtMs - deps.clock.wallMs(),
    labels: { ...token.labels },
    approval: token.approval,
    createdAtMs: token.createdAtMs,
    createdBy: token.createdBy,
  };
}
