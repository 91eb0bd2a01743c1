// Roles: the built-in ones, which stay as they are, and own ones as sets of permissions. A change counts from the next request on.
import { assert } from "@skerry/shared/runtime/assert.ts";
import { BUILTIN_ROLES, type Role } from "../../core/permission.ts";
import type { HttpDeps } from "../deps.ts";
import type { HandlersOf } from "../handler.ts";
import type { RoleView } from "../schemas/people.ts";
import { write } from "../write.ts";
import { refuseToGive } from "./api-tokens.ts";

export function roleHandlers(deps: HttpDeps): HandlersOf<"listRoles" | "setRole" | "removeRole"> {
  return {
    listRoles: () => {
      const builtin = Object.entries(BUILTIN_ROLES).map(([name, permissions]) => ({ name, permissions }));
      return {
        items: [
          ...builtin.map((role) => roleView(role, true)),
          ...deps.store.roles().map((role) => roleView(role, false)),
        ],
      };
    },
    setRole: ({ params, body, request }) => {
      refuseToGive(request, body.permissions);
      return write(deps, request, () => ({
        command: { kind: "set-role", role: { name: params.role, permissions: body.permissions } },
        answer: (outcome) => {
          assert(outcome.kind === "role-changed", "set-role made something else");
          return { ...roleView(outcome.role, false), changed: outcome.changed };
        },
      }));
    },
    removeRole: ({ params, request }) =>
      write(deps, request, () => ({
        command: { kind: "remove-role", name: params.role },
        answer: () => ({ name: params.role }),
      })),
  };
}

const roleView = ({ name, permissions }: Role, builtin: boolean): RoleView => ({
  name,
  builtin,
  permissions: [...permissions],
});
