// API tokens: made with one role, shown once, listed without their secrets. Nobody can give by a token what he does not hold himself.
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { FastifyRequest } from "fastify";
import type { ApiToken } from "../../core/change.ts";
import { type Permission, permissionsOf } from "../../core/permission.ts";
import { cannotGive } from "../access.ts";
import type { CheckedOf } from "../api.ts";
import { rightsOfCaller } from "../caller.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError, quoted } from "../errors.ts";
import { freshSecret, freshTokenId, secretHash } from "../fresh-secret.ts";
import type { HandlersOf } from "../handler.ts";
import { apiToken } from "../identity.ts";
import { byCodeUnits, pageOfKeys } from "../paging.ts";
import type { ApiTokenView, CreatedApiToken } from "../schemas/people.ts";
import { write } from "../write.ts";

export function apiTokenHandlers(deps: HttpDeps): HandlersOf<"createApiToken" | "listApiTokens" | "removeApiToken"> {
  return {
    createApiToken: ({ body, request }) => create(deps, body, request),
    listApiTokens: ({ query }) => {
      const tokens = new Map(deps.store.apiTokens().map((token) => [token.name, token]));
      const uses = deps.store.apiTokenUses();
      const page = pageOfKeys([...tokens.keys()].sort(byCodeUnits), query.after, query.limit, (name) => name);
      const items = page.items.flatMap((name) => {
        const token = tokens.get(name);
        return token === undefined ? [] : [tokenView(deps, token, uses.get(token.id) ?? null)];
      });
      return { items, next: page.next, seq: deps.loop.world.seq };
    },
    removeApiToken: ({ params, request }) =>
      write(deps, request, () => {
        const found = findToken(deps, params.token);
        return {
          command: { kind: "remove-api-token", id: found.id },
          answer: () => ({ id: found.id, name: found.name }),
        };
      }),
  };
}

function create(deps: HttpDeps, body: CheckedOf<"createApiToken">["body"], request: FastifyRequest): CreatedApiToken {
  const { name, role, apps, nodeLabels, expiresInMs } = body;
  refuseToGive(request, permissionsOf(role, deps.store.roles()));
  const secret = freshSecret(deps, request, "API token");
  const view = write(deps, request, () => ({
    command: { kind: "create-api-token", name, role, scope: { apps, nodeLabels }, expiresInMs },
    freshToken: { id: freshTokenId(deps), secretHash: secretHash(secret) },
    answer: (outcome): ApiTokenView => {
      assert(outcome.kind === "api-token-created", "create-api-token made something else");
      return tokenView(deps, outcome.token, null);
    },
  }));
  if (deps.store.apiToken(view.id)?.secretHash !== secretHash(secret)) {
    throw new HttpError(
      "idempotency-mismatch",
      `API token ${view.name} was made under this Idempotency-Key and has since been removed.`,
      { path: "Idempotency-Key", hint: "Make another one with a new key." },
    );
  }
  return { ...view, token: apiToken(view.id, secret) };
}

/** Else whoever may make tokens or roles could make himself an admin. */
export function refuseToGive(request: FastifyRequest, given: readonly Permission[]): void {
  const missing = cannotGive(rightsOfCaller(request), given);
  if (missing === null) return;
  throw new HttpError("not-permitted", `You cannot give ${missing}: you do not hold it on everything yourself.`, {
    hint: "Give a role with less, or ask somebody who holds it, such as the admin.",
  });
}

function findToken({ store }: HttpDeps, idOrName: string): ApiToken {
  const found = store.apiToken(idOrName) ?? store.apiTokens().find(({ name }) => name === idOrName);
  if (found !== undefined) return found;
  throw new HttpError("token-not-found", `There is no API token ${quoted(idOrName)}.`, {
    path: "token",
    hint: "skerry api-token ls lists them.",
  });
}

function tokenView({ clock }: HttpDeps, token: ApiToken, lastUsedAtMs: number | null): ApiTokenView {
  const { id, name, role, scope, expiresAtMs, createdAtMs, createdBy } = token;
  const [apps, nodeLabels] = [[...scope.apps], [...scope.nodeLabels]];
  const expiresInMs = expiresAtMs - clock.wallMs();
  return { id, name, role, apps, nodeLabels, expiresAtMs, expiresInMs, lastUsedAtMs, createdAtMs, createdBy };
}
