// API tokens and own roles: what becomes of the commands about them. Pure. Whether the caller may give so much is judged at the door.

import { assert, assertNever } from "@skerry/shared/runtime/assert.ts";
import { ok } from "@skerry/shared/runtime/result.ts";
import type { ApiToken } from "./change.ts";
import type { Command, CommandContext, HandleResult, People, PeopleCommand } from "./command.ts";
import { byText, sorted } from "./lookup.ts";
import { isBuiltinRole, isPermission, type Role } from "./permission.ts";
import { refuse } from "./refuse.ts";

/** A token for each person and each program of a large company; all are read when one is made. */
export const MAX_API_TOKENS = 1_000;
/** More roles than people can keep apart. */
export const MAX_ROLES = 100;
/** Of one token: apps, and labels. Who needs more of them needs a role that is bound to everything. */
export const MAX_SCOPE = 100;
/** A leap year, as for join tokens: whoever needs longer has forgotten the token by then. */
export const MAX_API_TOKEN_LIFE_MS = 366 * 24 * 3_600_000;
/** Short enough to clear a slip of a script, long enough for a person. */
const MIN_API_TOKEN_LIFE_MS = 1_000;
/** As apps are called. */
export const NAME = /^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/;
export const NAME_RULE = "small letters and digits, with - and _ between them, at most 63";

const PEOPLE: ReadonlySet<Command["kind"]> = new Set<PeopleCommand["kind"]>([
  "create-api-token",
  "remove-api-token",
  "set-role",
  "remove-role",
]);
export const isAboutPeople = (command: Command): command is PeopleCommand => PEOPLE.has(command.kind);

export function handlePeople(command: PeopleCommand, context: CommandContext): HandleResult {
  const { people } = context;
  assert(people !== null, `${command.kind} without tokens and roles`);
  switch (command.kind) {
    case "create-api-token":
      return createApiToken(command, context, people);
    case "remove-api-token":
      return removeApiToken(command.id, context, people);
    case "set-role":
      return setRole(command.role, context, people);
    case "remove-role":
      return removeRole(command.name, context, people);
    default:
      return assertNever(command);
  }
}

type CreateApiToken = Extract<PeopleCommand, { readonly kind: "create-api-token" }>;

function createApiToken(command: CreateApiToken, context: CommandContext, people: People): HandleResult {
  const problem = apiTokenProblem(command, people);
  if (problem !== null) return problem;
  assert(context.freshToken !== null, "create-api-token without a fresh token");
  const { name, role, scope, expiresInMs } = command;
  const token: ApiToken = {
    id: context.freshToken.id,
    name,
    secretHash: context.freshToken.secretHash,
    role,
    scope: { apps: sorted(new Set(scope.apps)), nodeLabels: sorted(new Set(scope.nodeLabels)) },
    expiresAtMs: context.wallMs + expiresInMs,
    createdAtMs: context.wallMs,
    createdBy: context.actor,
  };
  return ok({
    changes: [
      { kind: "api-token-set", token },
      { kind: "hub-event", event: { kind: "api-token-created", token: token.id, name, role, by: context.actor } },
    ],
    outcome: { kind: "api-token-created", token },
  });
}

function apiTokenProblem({ name, role, scope, expiresInMs }: CreateApiToken, people: People): HandleResult | null {
  if (!NAME.test(name)) return refuse("invalid", `an API token's name is made of ${NAME_RULE}`, "name it so", "name");
  if (people.tokens.some((token) => token.name === name))
    return refuse(
      "invalid",
      `there is an API token ${name} already`,
      `take another name, or first: skerry api-token rm ${name}`,
      "name",
    );
  if (!isBuiltinRole(role) && !people.roles.some((own) => own.name === role))
    return refuse("invalid", `there is no role ${role}`, "skerry role ls lists them", "role");
  if (!Number.isInteger(expiresInMs) || expiresInMs < MIN_API_TOKEN_LIFE_MS || expiresInMs > MAX_API_TOKEN_LIFE_MS)
    return refuse("invalid", "an API token lives from one second to 366 days", "give a time in between", "expiresInMs");
  if (scope.apps.length > MAX_SCOPE || scope.nodeLabels.length > MAX_SCOPE)
    return refuse(
      "limit",
      `an API token is bound to at most ${MAX_SCOPE} apps and ${MAX_SCOPE} node labels`,
      "make several, or one that is bound to everything",
    );
  if (people.tokens.length >= MAX_API_TOKENS)
    return refuse(
      "limit",
      `there are ${MAX_API_TOKENS} API tokens, which is the most`,
      "remove some: skerry api-token ls shows when each was last used",
    );
  return null;
}

function removeApiToken(id: string, { actor }: CommandContext, { tokens }: People): HandleResult {
  const token = tokens.find((one) => one.id === id);
  if (token === undefined)
    return refuse("not-found", `there is no API token ${id}`, "skerry api-token ls lists them", "token");
  return ok({
    changes: [
      { kind: "api-token-removed", id },
      { kind: "hub-event", event: { kind: "api-token-removed", token: id, name: token.name, by: actor } },
    ],
    outcome: { kind: "api-token-removed", token },
  });
}

function setRole(asked: Role, { actor }: CommandContext, { roles }: People): HandleResult {
  const { name } = asked;
  const problem = roleProblem(asked, roles);
  if (problem !== null) return problem;
  const role: Role = { name, permissions: [...new Set(asked.permissions)].sort(byText) };
  const before = roles.find((one) => one.name === name);
  if (before?.permissions.join() === role.permissions.join())
    return ok({ changes: [], outcome: { kind: "role-changed", role, changed: false } });
  return ok({
    changes: [
      { kind: "role-set", role },
      { kind: "hub-event", event: { kind: "role-changed", role: name, permissions: role.permissions, by: actor } },
    ],
    outcome: { kind: "role-changed", role, changed: true },
  });
}

function roleProblem({ name, permissions }: Role, roles: readonly Role[]): HandleResult | null {
  if (isBuiltinRole(name))
    return refuse("invalid", `the role ${name} is built in and stays as it is`, "give yours another name", "role");
  if (!NAME.test(name)) return refuse("invalid", `a role's name is made of ${NAME_RULE}`, "name it so", "role");
  if (permissions.length === 0 || !permissions.every(isPermission))
    return refuse("invalid", `the role ${name} needs permissions of those there are`, "name some", "permissions");
  if (roles.length >= MAX_ROLES && !roles.some((role) => role.name === name))
    return refuse("limit", `there are ${MAX_ROLES} own roles, which is the most`, "remove some: skerry role ls");
  return null;
}

/** Not while somebody has it: he would be let in and could do nothing, or get what a later role of that name holds. */
function removeRole(name: string, { actor }: CommandContext, { roles, tokens, users }: People): HandleResult {
  if (isBuiltinRole(name))
    return refuse("invalid", `the role ${name} is built in and stays`, "only own roles can be removed", "role");
  if (!roles.some((role) => role.name === name))
    return refuse("not-found", `there is no role ${name}`, "skerry role ls lists them", "role");
  const holders = tokens.filter(({ role }) => role === name).map((token) => token.name);
  if (holders.length > 0)
    return refuse(
      "invalid",
      `the role ${name} is held by API ${holders.length === 1 ? "token" : "tokens"} ${holders.slice(0, 5).join(", ")}`,
      `remove them first: skerry api-token rm ${holders[0] ?? ""}`,
      "role",
    );
  const user = users.find(({ role }) => role === name);
  if (user !== undefined)
    return refuse(
      "invalid",
      `the role ${name} is held by user ${user.name}`,
      `give him another one first: skerry user role ${user.name} ROLE`,
      "role",
    );
  return ok({
    changes: [
      { kind: "role-removed", name },
      { kind: "hub-event", event: { kind: "role-removed", role: name, by: actor } },
    ],
    outcome: { kind: "role-removed", name },
  });
}
