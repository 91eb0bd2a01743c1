// The door's two questions of a request, for requests that come in and for streams that stay open: who is it, and what may it do now?
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { WallMillis } from "@skerry/shared/runtime/clock.ts";
import type { FastifyRequest } from "fastify";
import type { Access } from "../core/permission.ts";
import { RECENT_LOGIN_MS } from "../core/user.ts";
import { type Asked, authorise, rightsOf } from "./access.ts";
import { authenticate, type Identity } from "./auth.ts";
import type { HttpDeps } from "./deps.ts";
import { HttpError } from "./errors.ts";
import { ApiTokens, firstOf } from "./identity.ts";
import { authorizationOf } from "./login/browser.ts";
import { Sessions } from "./login/sessions.ts";
import type { About } from "./routes.ts";

export interface Door {
  /** Notes with the request who it is. Throws `not-authenticated` and its kin, or `cross-site-request`. */
  identify(request: FastifyRequest): void;
  /** Notes with it what that identity may do now, and judges. Throws `not-permitted`, or the 404 of what is not there. */
  authorise(request: FastifyRequest): void;
  /** Both: lets it in again. Throws as they do. */
  admit(request: FastifyRequest): void;
  /** Would it be let in again? */
  stillOpen(request: FastifyRequest): boolean;
}

export function createDoor({ store, clock, loop, adminTokenHash }: HttpDeps): Door {
  const credentials = {
    adminTokenHash,
    joinToken: (id: string) => store.tokens().find((token) => token.id === id) ?? null,
    provider: firstOf([new ApiTokens(store), new Sessions(store)]),
    wallMs: () => clock.wallMs(),
  };
  const identify = (request: FastifyRequest): void => {
    const authorization = authorizationOf(request);
    request.identity = authenticate(authorization, credentials);
    request.authorization = authorization ?? null;
  };
  const judge = (request: FastifyRequest): void => {
    const { identity } = request;
    const { permission, about, lasting } = request.routeOptions.config;
    // Undefined only for addresses that do not exist, which are answered 404.
    if (permission === undefined || about === undefined) return;
    assert(identity !== null, "a request is judged before it is known who it is");
    request.rights = rightsOf(identity, identity.kind === "principal" ? store.roles() : []);
    authorise(identity, request.rights, askedOf(request, permission, about), loop.world);
    if (lasting === true) refuseOldLogin(identity, clock.wallMs());
  };
  const admit = (request: FastifyRequest): void => {
    identify(request);
    judge(request);
  };
  return {
    identify,
    authorise: judge,
    admit,
    stillOpen: (request) => {
      if (request.routeOptions.config.permission === undefined) return false;
      try {
        admit(request);
        return true;
      } catch (error) {
        if (error instanceof HttpError) return false;
        throw error;
      }
    },
  };
}

/** Throws `login-too-old`. Who finds a browser unlocked, or takes a session's secret, shall not make himself a way in that outlives it. */
function refuseOldLogin(identity: Identity, wallMs: WallMillis): void {
  const session = identity.kind === "principal" ? identity.principal.session : null;
  // By a clock that was set back the login lies ahead.
  if (session === null || Math.abs(wallMs - session.createdAtMs) <= RECENT_LOGIN_MS) return;
  throw new HttpError(
    "login-too-old",
    "This gives power that lasts, and your login is more than a quarter of an hour old.",
  );
}

function askedOf(request: FastifyRequest, access: Access, about: About): Asked {
  // Fastify's router fills it with texts; what is missing is looked up in vain.
  return { access, about, params: (request.params ?? {}) as Asked["params"] };
}
