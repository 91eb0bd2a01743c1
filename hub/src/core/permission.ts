// The one table of permissions, the roles made of them, and how far a role reaches. Pure data and pure functions: the door, the CLI and
// the tests read the same. A permission is `resource:verb`; who holds none may do nothing.
import type { AppName } from "@skerry/shared/model/ids.ts";
import type { Node } from "./world.ts";

export const permissions = {
  "app:read": "see apps, their files, copies, rollouts, and why they are as they are",
  "app:operate": "stop, start, restart, pause, scale and undo what was deployed before",
  "app:deploy": "apply files, and remove apps",
  "logs:read": "see what containers wrote, which may hold more than states do",
  "node:read": "see nodes: facts, figures, conditions",
  "node:operate": "cordon, drain and uncordon nodes",
  "node:manage": "label nodes, approve them, forget them, and revoke their keys",
  "event:read": "see what happened, and watch what happens",
  "metrics:read": "read the hub's metrics",
  "join-token:manage": "make, list and withdraw the tokens by which machines become nodes",
  "hub-key:manage": "see which key the hub shows to nodes, and change it",
  "api-token:manage": "make, list and remove the tokens by which people and programs come in",
  "role:manage": "set, list and remove own roles",
  "policy:manage": "set, see and remove policies: what containers may ask of machines",
  "user:manage": "add, list, disable and remove users, and give them roles and passwords",
  "audit:read": "read who changed what, and who was refused",
  "secret:manage": "set, list and remove secrets, and make new keys for them",
  "config:manage": "set and remove configs",
  "registry:manage": "set, list and remove credentials for image registries",
} as const satisfies Readonly<Record<`${string}:${string}`, string>>;

export type Permission = keyof typeof permissions;
// The keys of the table above, which TypeScript widens to text.
export const PERMISSIONS = Object.keys(permissions) as readonly Permission[];
export const isPermission = (text: string): text is Permission => Object.hasOwn(permissions, text);

/** What it is about, so how far a scope lets it reach. */
export function kindOf(permission: Permission): "app" | "node" | "event" | "hub" {
  const [resource] = permission.split(":");
  if (resource === "app" || resource === "logs") return "app";
  return resource === "node" || resource === "event" ? resource : "hub";
}

/** What a route or a socket may name instead of a permission. */
export type Access =
  | Permission
  /** Nobody needs to say who he is. */
  | "public"
  /** Everybody with a valid token of his own: it tells him about himself, or what everybody may know. */
  | "known"
  /** Join tokens, and nobody else. */
  | "node:join"
  /** A node with its own key, and nobody else. */
  | "node:connect";

const VIEWER: readonly Permission[] = ["app:read", "node:read", "event:read", "metrics:read"];
const OPERATOR: readonly Permission[] = [...VIEWER, "app:operate", "logs:read", "node:operate"];
const DEPLOYER: readonly Permission[] = [...OPERATOR, "app:deploy"];

/** Each holds what the one before it holds. Logs begin with the operator: a screen on the wall needs none. */
export const BUILTIN_ROLES = {
  viewer: VIEWER,
  operator: OPERATOR,
  deployer: DEPLOYER,
  admin: PERMISSIONS,
} as const satisfies Readonly<Record<string, readonly Permission[]>>;

export const isBuiltinRole = (name: string): name is keyof typeof BUILTIN_ROLES => Object.hasOwn(BUILTIN_ROLES, name);

/** An own role. */
export interface Role {
  readonly name: string;
  readonly permissions: readonly Permission[];
}

/** How far a role reaches: these apps, and nodes that have one of these labels ("site=farm"). Both empty: everything. */
export interface Scope {
  readonly apps: readonly AppName[];
  readonly nodeLabels: readonly string[];
}
export const EVERYTHING: Scope = { apps: [], nodeLabels: [] };
export const isEverything = ({ apps, nodeLabels }: Scope): boolean => apps.length + nodeLabels.length === 0;

/** "app shop and nodes with site=farm", "everything". */
export function scopeText({ apps, nodeLabels }: { readonly [K in keyof Scope]: readonly string[] }): string {
  const named = apps.length === 0 ? [] : [`${apps.length === 1 ? "app" : "apps"} ${apps.join(", ")}`];
  const labelled = nodeLabels.length === 0 ? [] : [`nodes with ${nodeLabels.join(" or ")}`];
  return [...named, ...labelled].join(" and ") || "everything";
}

/** A role given to somebody. */
export interface Binding {
  readonly role: string;
  readonly scope: Scope;
}

/** A role that is gone has no permissions. */
export function permissionsOf(name: string, own: readonly Role[]): readonly Permission[] {
  if (isBuiltinRole(name)) return BUILTIN_ROLES[name];
  return own.find((role) => role.name === name)?.permissions ?? [];
}

/** Names of the roles that hold a permission, built-in ones first. */
export function rolesWith(permission: Permission, own: readonly Role[]): readonly string[] {
  return [...Object.keys(BUILTIN_ROLES), ...own.map(({ name }) => name)].filter((name) =>
    permissionsOf(name, own).includes(permission),
  );
}

/** Whether there is anything that a permission in this scope lets one do; of the hub as a whole only everything does. */
export function reachesAny(scope: Scope, permission: Permission): boolean {
  if (isEverything(scope)) return true;
  const kind = kindOf(permission);
  if (kind === "app") return scope.apps.length > 0;
  return kind === "node" ? scope.nodeLabels.length > 0 : kind === "event";
}

export const reachesApp = (scope: Scope, app: string): boolean =>
  isEverything(scope) || scope.apps.some((name) => name === app);

export const reachesNode = (scope: Scope, { labels }: Pick<Node, "labels">): boolean =>
  isEverything(scope) || scope.nodeLabels.some((label) => hasLabel(labels, label));

/** A label's value may hold "=", its key may not. */
function hasLabel(labels: Node["labels"], label: string): boolean {
  const at = label.indexOf("=");
  const key = label.slice(0, at);
  return Object.hasOwn(labels, key) && labels[key] === label.slice(at + 1);
}
