// The door's two questions of a request, for requests that come in and for streams that stay open: who is it, and what may it do now?
import type { FastifyRequest } from "fastify";
import type { Access } from "../core/permission.ts";
import { type Asked, authorise, type Rights, rightsOf } from "./access.ts";
import { authenticate, type Identity } from "./auth.ts";
import type { HttpDeps } from "./deps.ts";
import { HttpError } from "./errors.ts";
import { ApiTokens } from "./identity.ts";
import type { About } from "./routes.ts";

export interface Door {
  /** Throws `not-authenticated`, `token-expired` or `join-token-refused`. */
  identify(request: FastifyRequest): Identity;
  rights(identity: Identity): Rights;
  /** Lets it in again, with the identity and the rights of now. Throws as `identify`, or `not-permitted`, or the 404 of what is not there. */
  admit(request: FastifyRequest): void;
  /** Would it be let in again? */
  stillOpen(request: FastifyRequest): boolean;
}

export function createDoor({ store, clock, loop, adminTokenHash }: HttpDeps): Door {
  const credentials = {
    adminTokenHash,
    joinToken: (id: string) => store.tokens().find((token) => token.id === id) ?? null,
    provider: new ApiTokens(store),
    wallMs: () => clock.wallMs(),
  };
  const identify = (request: FastifyRequest): Identity => authenticate(request.headers.authorization, credentials);
  const rights = (identity: Identity): Rights => rightsOf(identity, identity.kind === "principal" ? store.roles() : []);
  const admit = (request: FastifyRequest): void => {
    const { permission, about } = request.routeOptions.config;
    // Undefined only for addresses that do not exist, which are answered 404.
    if (permission === undefined || about === undefined) return;
    const identity = identify(request);
    request.identity = identity;
    request.rights = rights(identity);
    authorise(identity, request.rights, askedOf(request, permission, about), loop.world);
  };
  return {
    identify,
    rights,
    admit,
    stillOpen: (request) => {
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

export function askedOf(request: FastifyRequest, access: Access, about: About): Asked {
  // Fastify's router fills it with texts; what is missing is looked up in vain.
  return { access, about, params: (request.params ?? {}) as Asked["params"] };
}
