// Users, by who may manage them. Nobody can give what he does not hold himself; and nobody can take over, by a new password or without the
// second factor, or put out, somebody who holds more than he.
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { FastifyRequest } from "fastify";
import { permissionsOf } from "../../core/permission.ts";
import { sessionEndMs, type User } from "../../core/user.ts";
import type { UserCommand } from "../../core/user-command.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError, quoted } from "../errors.ts";
import type { HandlersOf } from "../handler.ts";
import { type Accounts, hashOf } from "../login/accounts.ts";
import { refuseInClear } from "../login/browser.ts";
import { byCodeUnits, pageOfKeys } from "../paging.ts";
import type { UserView } from "../schemas/users.ts";
import { write } from "../write.ts";
import { refuseToGive } from "./api-tokens.ts";

type Names =
  | "addUser"
  | "listUsers"
  | "setUserRole"
  | "setUserEnabled"
  | "setUserPassword"
  | "resetSecondFactor"
  | "removeUser";

export function userHandlers(deps: HttpDeps, accounts: Accounts): HandlersOf<Names> {
  const change = (request: FastifyRequest, command: UserCommand, isSecret = false) =>
    write(
      deps,
      request,
      () => ({
        command,
        answer: (outcome): UserView & { changed: boolean } => {
          assert(outcome.kind === "user-changed", `${command.kind} made something else`);
          return { ...userView(deps, outcome.user), changed: outcome.changed };
        },
      }),
      isSecret ? "never" : "by-key",
    );
  return {
    addUser: async ({ body, request }) => {
      const { name, role, apps, nodeLabels } = body;
      refuseInClear(request);
      refuseToGive(request, permissionsOf(role, deps.store.roles()));
      const password = await hashOf(accounts, body.password, name);
      accounts.admit(request);
      refuseToGive(request, permissionsOf(role, deps.store.roles()));
      const scope = { apps, nodeLabels };
      return change(request, { kind: "add-user", user: name, password, role, scope, onlyFirst: false }, true);
    },
    listUsers: ({ query }) => {
      const users = new Map(deps.store.users().map((user) => [user.name, user]));
      const page = pageOfKeys([...users.keys()].sort(byCodeUnits), query.after, query.limit, (name) => name);
      const items = page.items.flatMap((name) => {
        const user = users.get(name);
        return user === undefined ? [] : [userView(deps, user)];
      });
      return { items, next: page.next, seq: deps.loop.world.seq };
    },
    setUserRole: ({ params, body, request }) => {
      const { role, apps, nodeLabels } = body;
      refuseToTouch(deps, request, params.user);
      refuseToGive(request, permissionsOf(role, deps.store.roles()));
      return change(request, { kind: "set-user-role", user: params.user, role, scope: { apps, nodeLabels } });
    },
    setUserEnabled: ({ params, body, request }) => {
      refuseToTouch(deps, request, params.user);
      return change(request, { kind: "set-user-enabled", user: params.user, enabled: body.enabled });
    },
    setUserPassword: async ({ params, body, request }) => {
      refuseInClear(request);
      refuseToTouch(deps, request, params.user);
      const password = await hashOf(accounts, body.password, params.user);
      accounts.admit(request);
      refuseToTouch(deps, request, params.user);
      const nothing = { checkedSalt: null, proof: { kind: "none" } } as const;
      return change(request, { kind: "set-password", user: params.user, password, ...nothing }, true);
    },
    resetSecondFactor: ({ params, request }) => {
      refuseToTouch(deps, request, params.user);
      const nothing = { checkedSalt: null, proof: { kind: "none" } } as const;
      return change(request, { kind: "remove-second-factor", user: params.user, ...nothing });
    },
    removeUser: ({ params, request }) => {
      refuseToTouch(deps, request, params.user);
      return write(deps, request, () => ({
        command: { kind: "remove-user", user: params.user },
        answer: () => ({ name: params.user }),
      }));
    },
  };
}

/** Throws `user-not-found`, or `not-permitted` for somebody who holds more than the caller. */
function refuseToTouch({ store }: HttpDeps, request: FastifyRequest, name: string): void {
  const user = store.user(name);
  if (user === null) throw new HttpError("user-not-found", `There is no user ${quoted(name)}.`, { path: "user" });
  refuseToGive(request, permissionsOf(user.role, store.roles()));
}

function userView({ store, clock }: HttpDeps, user: User): UserView {
  const { name, role, scope, disabled, secondFactor, createdAtMs, createdBy } = user;
  const uses = store.sessionUses(name);
  const now = clock.wallMs();
  const open = store.sessionsOf(name).filter((session) => sessionEndMs(session, uses.get(session.id) ?? null) > now);
  const lastUses = open.map((session) => uses.get(session.id) ?? session.createdAtMs);
  return {
    ...{ name, role, apps: [...scope.apps], nodeLabels: [...scope.nodeLabels], disabled },
    secondFactor: secondFactor.kind === "on",
    sessions: open.length,
    lastUsedAtMs: lastUses.length === 0 ? null : Math.max(...lastUses),
    ...{ createdAtMs, createdBy },
  };
}
