// The caller about himself: who he is, and what he may do.
import type { FastifyRequest } from "fastify";
import { kindOf, type Permission } from "../../core/permission.ts";
import { heldBy, lack, type Rights, whoGives } from "../access.ts";
import { actorOf } from "../auth.ts";
import { rightsOfCaller } from "../caller.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError, quoted } from "../errors.ts";
import type { HandlersOf } from "../handler.ts";
import { nodeNamed } from "../lookup.ts";
import type { CanI, Whoami } from "../schemas/people.ts";
import { identityOf } from "../write.ts";

export function authHandlers(deps: HttpDeps): HandlersOf<"whoami" | "canI"> {
  return {
    whoami: ({ request }) => whoami(deps, request),
    canI: ({ query, request }) => canI(deps, rightsOfCaller(request), query.permission, query.name ?? null),
  };
}

function whoami({ clock }: HttpDeps, request: FastifyRequest): Whoami {
  const identity = identityOf(request);
  const rights = rightsOfCaller(request);
  return {
    name: actorOf(identity),
    credential: identity.kind === "principal" ? identity.principal.credential : "admin-token",
    roles: rights.bindings.map(({ role, scope: { apps, nodeLabels } }) => ({
      role,
      apps: [...apps],
      nodeLabels: [...nodeLabels],
    })),
    permissions: heldBy(rights),
    expiresInMs: identity.kind === "principal" ? identity.principal.expiresAtMs - clock.wallMs() : null,
  };
}

function canI(deps: HttpDeps, rights: Rights, permission: Permission, name: string | null): CanI {
  const allowed = isAllowed(deps, rights, permission, name);
  const where = name === null ? "" : ` on ${quoted(name)}`;
  return {
    allowed,
    permission,
    name,
    reason: `${lack(rights)}, which ${allowed ? "gives" : "does not give"} ${permission}${where}`,
    hint: allowed ? "" : whoGives(rights, permission),
  };
}

/** Without a name: on anything at all. */
function isAllowed({ loop }: HttpDeps, rights: Rights, permission: Permission, name: string | null): boolean {
  if (name === null) return rights.reachesAny(permission);
  switch (kindOf(permission)) {
    case "app":
      return rights.onApp(permission, name);
    case "node": {
      const node = nodeNamed(loop.world, name);
      return node === null ? rights.holdsEverywhere(permission) : rights.onNode(permission, node);
    }
    default:
      throw new HttpError("invalid-request", `${permission} is not about one thing by name.`, { path: "name" });
  }
}
