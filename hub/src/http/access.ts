// What a caller may do, and how far it reaches: the judgement of the one door. Default deny: what no role of his holds is refused, and what
// lies out of his reach is as if it were not there.
import type { AppName } from "@skerry/shared/model/ids.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import {
  type Access,
  type Binding,
  EVERYTHING,
  isEverything,
  PERMISSIONS,
  type Permission,
  permissions,
  permissionsOf,
  type Role,
  reachesAny,
  reachesApp,
  reachesNode,
  rolesWith,
  type Scope,
  scopeText,
} from "../core/permission.ts";
import type { Node, World } from "../core/world.ts";
import type { Identity } from "./auth.ts";
import { HttpError, quoted } from "./errors.ts";
import { nodeNamed } from "./lookup.ts";
import type { About } from "./routes.ts";

/** What an identity may do now: roles are looked up anew for each request. */
export class Rights {
  readonly bindings: readonly Binding[];
  readonly #own: readonly Role[];

  constructor(bindings: readonly Binding[], own: readonly Role[]) {
    this.bindings = bindings;
    this.#own = own;
  }

  /** The scopes in which it is held; empty: nowhere. */
  scopes(permission: Permission): readonly Scope[] {
    return this.bindings
      .filter(({ role }) => permissionsOf(role, this.#own).includes(permission))
      .map(({ scope }) => scope);
  }

  holds(permission: Permission): boolean {
    return this.scopes(permission).length > 0;
  }

  holdsEverywhere(permission: Permission): boolean {
    return this.scopes(permission).some(isEverything);
  }

  reachesAny(permission: Permission): boolean {
    return this.scopes(permission).some((scope) => reachesAny(scope, permission));
  }

  onApp(permission: Permission, app: string): boolean {
    return this.scopes(permission).some((scope) => reachesApp(scope, app));
  }

  onNode(permission: Permission, node: Pick<Node, "labels">): boolean {
    return this.scopes(permission).some((scope) => reachesNode(scope, node));
  }

  /** Names of the roles that hold it. */
  rolesWith(permission: Permission): readonly string[] {
    return rolesWith(permission, this.#own);
  }
}

const ADMIN: readonly Binding[] = [{ role: "admin", scope: EVERYTHING }];

/** Join tokens hold nothing: they have a door of their own. */
export function rightsOf(identity: Identity, own: readonly Role[]): Rights {
  switch (identity.kind) {
    case "admin":
      return new Rights(ADMIN, own);
    case "join-token":
      return new Rights([], own);
    case "principal":
      return new Rights(identity.principal.bindings, own);
    default:
      return assertNever(identity);
  }
}

/** What a caller may see: apps by `app:read`, nodes by `node:read`. */
export interface Sight {
  readonly all: boolean;
  /** By name, there or not; null: all. */
  readonly apps: readonly AppName[] | null;
  readonly allNodes: boolean;
  app(name: AppName): boolean;
  node(node: Pick<Node, "labels">): boolean;
}

export function sightOf(rights: Rights): Sight {
  const apps = rights.holdsEverywhere("app:read") ? null : rights.scopes("app:read").flatMap((scope) => scope.apps);
  const nodeScopes = rights.scopes("node:read");
  const allNodes = nodeScopes.some(isEverything);
  return {
    all: apps === null && allNodes,
    apps,
    allNodes,
    app: (name) => apps === null || apps.includes(name),
    node: (node) => nodeScopes.some((scope) => reachesNode(scope, node)),
  };
}

/** What the door knows of a request before its body is read. */
export interface Asked {
  readonly access: Access;
  readonly about: About;
  /** Of the address, not checked yet. */
  readonly params: Readonly<Record<string, string | undefined>>;
}

/** Throws `not-permitted`, or the 404 of what is not there. */
export function authorise(identity: Identity, rights: Rights, asked: Asked, world: World): void {
  const { access } = asked;
  switch (access) {
    case "public":
      return;
    case "node:join":
      if (identity.kind === "join-token") return;
      throw new HttpError("not-permitted", "Only a join token can make a machine a node.", {
        hint: "Make one with: skerry token create.",
      });
    case "node:connect":
      throw new HttpError("not-permitted", "Only a node comes in here, with its own key.");
    default:
      if (identity.kind === "join-token")
        throw new HttpError("not-permitted", "A join token can do nothing but join a node.");
      if (access !== "known") authorisePermission(rights, access, asked, world);
  }
}

function authorisePermission(rights: Rights, permission: Permission, { about, params }: Asked, world: World): void {
  if (!rights.holds(permission)) throw notPermitted(rights, permission, "");
  switch (about) {
    case "app":
      return authoriseApp(rights, permission, params["app"] ?? "");
    case "new-app": {
      const app = params["app"] ?? "";
      // Also of an app that is there: the answer is the same, so it tells nothing.
      if (!rights.onApp(permission, app)) throw notPermitted(rights, permission, ` on app ${quoted(app)}`);
      return;
    }
    case "node":
      return authoriseNode(rights, permission, params["node"] ?? "", world);
    case "hub":
      if (!rights.holdsEverywhere(permission)) throw notPermitted(rights, permission, " on everything");
      return;
    case "seen":
    case "self":
      return;
    default:
      return assertNever(about);
  }
}

function authoriseApp(rights: Rights, permission: Permission, app: string): void {
  if (rights.onApp(permission, app)) return;
  if (rights.onApp("app:read", app)) throw notPermitted(rights, permission, ` on app ${quoted(app)}`);
  throw new HttpError("app-not-found", `There is no app ${quoted(app)}.`, { path: "app" });
}

/** One that is out of reach and one that is not there are answered alike, also when the rest of the request is wrong. */
function authoriseNode(rights: Rights, permission: Permission, idOrName: string, world: World): void {
  if (rights.holdsEverywhere(permission)) return;
  const node = nodeNamed(world, idOrName);
  if (node !== null && rights.onNode(permission, node)) return;
  if (node !== null && rights.onNode("node:read", node))
    throw notPermitted(rights, permission, ` on node ${quoted(idOrName)}`);
  throw new HttpError("node-not-found", `There is no node ${quoted(idOrName)}.`, { path: "node" });
}

/** "" or " on app …". */
function notPermitted(rights: Rights, permission: Permission, where: string): HttpError {
  return new HttpError("not-permitted", `This needs the permission ${permission}${where}: ${lack(rights)}.`, {
    hint: whoGives(rights, permission),
  });
}

/** "your role is viewer, for app shop". */
export function lack({ bindings }: Rights): string {
  const held = bindings.map(({ role, scope }) => `${role}${isEverything(scope) ? "" : ` for ${scopeText(scope)}`}`);
  return held.length === 0 ? "you have no role" : `your role is ${held.join(" and ")}`;
}

/** Who holds the permission, and who may give it. */
export function whoGives(rights: Rights, permission: Permission): string {
  const roles = rights.rolesWith(permission).join(", ");
  return `${permission} lets one ${permissions[permission]}; these roles hold it: ${roles}. Who holds api-token:manage, as the admin does, gives one: skerry api-token create --role ROLE.`;
}

/** The first of these permissions that the caller does not hold himself, and everywhere; null: he may give all of them. */
export function cannotGive(rights: Rights, given: readonly Permission[]): Permission | null {
  return given.find((permission) => !rights.holdsEverywhere(permission)) ?? null;
}

export const heldBy = (rights: Rights): Permission[] =>
  PERMISSIONS.filter((permission) => rights.reachesAny(permission));
