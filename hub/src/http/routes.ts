// The route table: every address of the HTTP API and every socket, the permission it needs, and what it is for. Plain data without zod, so
// that the CLI can read addresses from it for nothing. Request and response shapes of each route stand under the same name in `api.ts`.
// A route that is not here does not exist: the server registers this table and nothing else.

import type { Access } from "../core/permission.ts";

/** What a request is about, and so whom a role that is bound to apps or node labels lets through. */
export type About =
  /** The app `:app` of its address; one out of reach is as if it were not there. */
  | "app"
  /** The same, where the app need not be there yet. */
  | "new-app"
  /** The node `:node` of its address. */
  | "node"
  /** Several, or what the query names: the answer has what the caller may see and nothing else. */
  | "seen"
  /** The hub as a whole: only for a role that is bound to everything. */
  | "hub"
  /** The caller, or what is the same for everybody. */
  | "self";

export interface Route {
  readonly method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  /** `:name` is a parameter; `*` takes the rest of the path. */
  readonly url: string;
  readonly permission: Access;
  readonly about: About;
  readonly summary: string;
  /** Gives people or programs power that lasts: a session does that only soon after its login. */
  readonly lasting?: true;
  /** Answers with other things than JSON: server-sent events or text. */
  readonly raw?: true;
  /** Where it takes `dryRun`, with which it changes nothing. */
  readonly dryRun?: "body" | "query";
}

export const routes = {
  getHealth: {
    method: "GET",
    url: "/healthz",
    permission: "public",
    about: "self",
    summary: "Is the hub taking changes?",
  },
  getMetrics: {
    method: "GET",
    url: "/metrics",
    permission: "metrics:read",
    about: "hub",
    summary: "Prometheus metrics",
    raw: true,
  },
  getOpenapi: {
    method: "GET",
    url: "/v1/openapi.json",
    permission: "known",
    about: "self",
    summary: "This API as an OpenAPI document",
    raw: true,
  },
  getVersion: {
    method: "GET",
    url: "/v1/version",
    permission: "known",
    about: "self",
    summary: "Versions and installation",
  },

  applyApp: {
    method: "PUT",
    url: "/v1/apps/:app",
    permission: "app:deploy",
    about: "new-app",
    summary: "Apply a Compose file as this app's desired state; dryRun shows what would change",
    dryRun: "body",
  },
  listApps: { method: "GET", url: "/v1/apps", permission: "app:read", about: "seen", summary: "All apps, by name" },
  getApp: {
    method: "GET",
    url: "/v1/apps/:app",
    permission: "app:read",
    about: "app",
    summary: "One app: services, slots, states with reason and age",
  },
  removeApp: {
    method: "DELETE",
    url: "/v1/apps/:app",
    permission: "app:deploy",
    about: "app",
    summary: "Remove an app; its volumes stay and are named in the answer",
  },
  stopApp: {
    method: "POST",
    url: "/v1/apps/:app/stop",
    permission: "app:operate",
    about: "app",
    summary: "Stop an app, a service or one copy, and keep it stopped until it is started",
  },
  startApp: {
    method: "POST",
    url: "/v1/apps/:app/start",
    permission: "app:operate",
    about: "app",
    summary: "Start what was stopped",
  },
  restartApp: {
    method: "POST",
    url: "/v1/apps/:app/restart",
    permission: "app:operate",
    about: "app",
    summary: "Restart each copy once, and forget its back-off",
  },
  pauseApp: {
    method: "POST",
    url: "/v1/apps/:app/pause",
    permission: "app:operate",
    about: "app",
    summary: "Change nothing of an app until it is unpaused; nodes go on as they are",
  },
  unpauseApp: {
    method: "POST",
    url: "/v1/apps/:app/unpause",
    permission: "app:operate",
    about: "app",
    summary: "End an app's pause: it catches up",
  },
  scaleApp: {
    method: "POST",
    url: "/v1/apps/:app/scale",
    permission: "app:operate",
    about: "app",
    summary: "Give a service another number of copies, as a new revision",
  },
  getRollout: {
    method: "GET",
    url: "/v1/apps/:app/rollout",
    permission: "app:read",
    about: "app",
    summary: "How far the newest revision has got, batch by batch, and what each copy waits for",
  },
  listRollouts: {
    method: "GET",
    url: "/v1/apps/:app/rollouts",
    permission: "app:read",
    about: "app",
    summary: "What became of an app's revisions, newest first",
  },
  pauseRollout: {
    method: "POST",
    url: "/v1/apps/:app/rollout/pause",
    permission: "app:operate",
    about: "app",
    summary: "Let no further copy through to the newest revision",
  },
  resumeRollout: {
    method: "POST",
    url: "/v1/apps/:app/rollout/resume",
    permission: "app:operate",
    about: "app",
    summary: "Go on after a pause, or promote the canaries",
  },
  undoRollout: {
    method: "POST",
    url: "/v1/apps/:app/rollout/undo",
    permission: "app:operate",
    about: "app",
    summary: "Go back to an older revision, as a new one with its content",
  },
  listRevisions: {
    method: "GET",
    url: "/v1/apps/:app/revisions",
    permission: "app:read",
    about: "app",
    summary: "An app's revisions, newest first",
  },
  getRevision: {
    method: "GET",
    url: "/v1/apps/:app/revisions/:revision",
    permission: "app:read",
    about: "app",
    summary: "The file that was applied as one revision",
  },
  diffRevisions: {
    method: "GET",
    url: "/v1/apps/:app/diff",
    permission: "app:read",
    about: "app",
    summary: "What differs between revisions `from` and `to` (the current one): per service in words, and both files",
  },
  getLogs: {
    method: "GET",
    url: "/v1/apps/:app/logs",
    permission: "logs:read",
    about: "app",
    summary: "What an app's containers wrote, from their nodes, as JSON lines; follow goes on",
    raw: true,
  },

  listWorkloads: {
    method: "GET",
    url: "/v1/workloads",
    permission: "app:read",
    about: "seen",
    summary: "Workloads with their states, by id; filters: app, service, node",
  },

  listNodes: { method: "GET", url: "/v1/nodes", permission: "node:read", about: "seen", summary: "All nodes, by name" },
  getNode: {
    method: "GET",
    url: "/v1/nodes/:node",
    permission: "node:read",
    about: "node",
    summary: "One node by id or name: facts, figures, conditions, workloads",
  },
  changeNode: {
    method: "PATCH",
    url: "/v1/nodes/:node",
    permission: "node:manage",
    about: "hub",
    summary: "Set and unset labels",
  },
  setAvailability: {
    method: "PUT",
    url: "/v1/nodes/:node/availability",
    permission: "node:operate",
    about: "node",
    summary: "Cordon a node, drain it, or make it active again",
  },
  removeNode: {
    method: "DELETE",
    url: "/v1/nodes/:node",
    permission: "node:manage",
    about: "node",
    summary: "Forget a node; what runs on it is not touched. dryRun says what would become of its workloads",
    dryRun: "query",
  },
  approveNode: {
    method: "POST",
    url: "/v1/nodes/:node/approve",
    permission: "node:manage",
    about: "node",
    summary: "Let in a node that joined with a token that asks for approval: it may be given workloads from now on",
  },
  unfreezeNode: {
    method: "POST",
    url: "/v1/nodes/:node/unfreeze",
    permission: "node:manage",
    about: "node",
    summary: "End a freeze: of the machines that have this node's key the next one that connects is the node",
  },
  rollNodeKey: {
    method: "POST",
    url: "/v1/nodes/:node/roll-key",
    permission: "node:manage",
    about: "node",
    summary:
      "Have a node make itself another key, at once or when it is next connected; the one that it has opens nothing after that",
  },
  revokeNode: {
    method: "POST",
    url: "/v1/nodes/:node/revoke",
    permission: "node:manage",
    about: "node",
    summary:
      "Forget a node and refuse its key for good; names the secrets it had. dryRun says what would become of its workloads",
    dryRun: "query",
  },
  joinNode: {
    method: "POST",
    url: "/v1/nodes/join",
    permission: "node:join",
    about: "self",
    summary: "Make the caller a node; with a join token as bearer",
  },

  createToken: {
    method: "POST",
    url: "/v1/tokens",
    permission: "join-token:manage",
    about: "hub",
    summary: "Make a join token",
  },
  listTokens: {
    method: "GET",
    url: "/v1/tokens",
    permission: "join-token:manage",
    about: "hub",
    summary: "Join tokens, without secrets",
  },
  removeToken: {
    method: "DELETE",
    url: "/v1/tokens/:token",
    permission: "join-token:manage",
    about: "hub",
    summary: "Withdraw a join token; nodes that joined with it stay",
  },

  getHubKey: {
    method: "GET",
    url: "/v1/hub-key",
    permission: "hub-key:manage",
    about: "hub",
    summary: "The pins of the hub's key and of its next one, and which nodes do not know that",
  },
  prepareHubKey: {
    method: "POST",
    url: "/v1/hub-key/next",
    permission: "hub-key:manage",
    about: "hub",
    summary: "Make the hub's next key and tell its pin to the nodes; the present key stays in use",
  },
  switchHubKey: {
    method: "POST",
    url: "/v1/hub-key/switch",
    permission: "hub-key:manage",
    about: "hub",
    summary: "Use the next key from now on; refused while nodes do not know it, unless forced",
  },

  createApiToken: {
    method: "POST",
    url: "/v1/api-tokens",
    permission: "api-token:manage",
    about: "hub",
    lasting: true,
    summary: "Make an API token for a person or a program, with one role; the secret is in this answer only",
  },
  listApiTokens: {
    method: "GET",
    url: "/v1/api-tokens",
    permission: "api-token:manage",
    about: "hub",
    summary: "API tokens, without secrets, and when each was last used",
  },
  removeApiToken: {
    method: "DELETE",
    url: "/v1/api-tokens/:token",
    permission: "api-token:manage",
    about: "hub",
    summary: "Remove an API token, by id or name; what is open with it is closed",
  },
  listRoles: {
    method: "GET",
    url: "/v1/roles",
    permission: "role:manage",
    about: "hub",
    summary: "All roles, built-in and own, with their permissions",
  },
  setRole: {
    method: "PUT",
    url: "/v1/roles/:role",
    permission: "role:manage",
    about: "hub",
    lasting: true,
    summary: "Make an own role, or give it other permissions",
  },
  removeRole: {
    method: "DELETE",
    url: "/v1/roles/:role",
    permission: "role:manage",
    about: "hub",
    summary: "Remove an own role that nobody has",
  },
  listPolicies: {
    method: "GET",
    url: "/v1/policies",
    permission: "policy:manage",
    about: "hub",
    summary: "All policies, by name",
  },
  getPolicy: {
    method: "GET",
    url: "/v1/policies/:policy",
    permission: "policy:manage",
    about: "hub",
    summary: "One policy: profile, mode, whom it is about, grants and rules",
  },
  setPolicy: {
    method: "PUT",
    url: "/v1/policies/:policy",
    permission: "policy:manage",
    about: "hub",
    summary: "Make a policy, or give it other content; the answer tells what of the apps that are there it refuses",
    dryRun: "body",
  },
  removePolicy: {
    method: "DELETE",
    url: "/v1/policies/:policy",
    permission: "policy:manage",
    about: "hub",
    summary: "Remove a policy; what it allowed runs on, and is refused when it is to change",
    dryRun: "query",
  },
  checkPolicies: {
    method: "GET",
    url: "/v1/policy-check",
    permission: "policy:manage",
    about: "hub",
    summary: "What of the apps that are there the policies refuse",
  },
  addUser: {
    method: "POST",
    url: "/v1/users",
    permission: "user:manage",
    about: "hub",
    lasting: true,
    summary: "Add a user: a person with a name, a password and one role",
  },
  listUsers: {
    method: "GET",
    url: "/v1/users",
    permission: "user:manage",
    about: "hub",
    summary: "Users, their roles, and whether they have a second factor",
  },
  setUserRole: {
    method: "PUT",
    url: "/v1/users/:user/role",
    permission: "user:manage",
    about: "hub",
    lasting: true,
    summary: "Give a user another role; his sessions end",
  },
  setUserEnabled: {
    method: "PUT",
    url: "/v1/users/:user/enabled",
    permission: "user:manage",
    about: "hub",
    summary: "Disable or enable a user; his sessions end",
  },
  setUserPassword: {
    method: "PUT",
    url: "/v1/users/:user/password",
    permission: "user:manage",
    about: "hub",
    lasting: true,
    summary: "Give a user a new password; his sessions end",
  },
  resetSecondFactor: {
    method: "DELETE",
    url: "/v1/users/:user/second-factor",
    permission: "user:manage",
    about: "hub",
    lasting: true,
    summary: "Take away the second factor of a user who lost it",
  },
  removeUser: {
    method: "DELETE",
    url: "/v1/users/:user",
    permission: "user:manage",
    about: "hub",
    summary: "Remove a user; his sessions end",
  },
  logIn: {
    method: "POST",
    url: "/v1/session",
    permission: "public",
    about: "self",
    summary: "Log in with name and password, and a code of the second factor",
  },
  logOut: {
    method: "DELETE",
    url: "/v1/session",
    permission: "known",
    about: "self",
    summary: "End the session of the caller, or with everywhere=true all of his",
  },
  changePassword: {
    method: "PUT",
    url: "/v1/session/password",
    permission: "known",
    about: "self",
    summary: "Give oneself a new password; all of the sessions end, this one too",
  },
  beginSecondFactor: {
    method: "POST",
    url: "/v1/session/second-factor",
    permission: "known",
    about: "self",
    summary: "Get the shared secret of a second factor; it counts once a code confirmed it",
  },
  confirmSecondFactor: {
    method: "PUT",
    url: "/v1/session/second-factor",
    permission: "known",
    about: "self",
    summary: "Switch the second factor on with its first code; the answer has the recovery codes",
  },
  removeSecondFactor: {
    method: "POST",
    url: "/v1/session/second-factor/remove",
    permission: "known",
    about: "self",
    summary: "Switch one's own second factor off",
  },
  renewRecoveryCodes: {
    method: "POST",
    url: "/v1/session/recovery-codes",
    permission: "known",
    about: "self",
    summary: "Get new recovery codes; the older ones count no more",
  },
  setUp: {
    method: "POST",
    url: "/v1/setup",
    permission: "public",
    about: "self",
    summary: "Make the first user, with the code of the link that the hub printed",
  },
  getSetupPage: {
    method: "GET",
    url: "/setup",
    permission: "public",
    about: "self",
    summary: "The page behind the set-up link",
    raw: true,
  },
  getSetupScript: {
    method: "GET",
    url: "/setup.js",
    permission: "public",
    about: "self",
    summary: "Its script",
    raw: true,
  },
  getSetupStyle: {
    method: "GET",
    url: "/setup.css",
    permission: "public",
    about: "self",
    summary: "Its style",
    raw: true,
  },
  whoami: {
    method: "GET",
    url: "/v1/auth/whoami",
    permission: "known",
    about: "self",
    summary: "Who the caller is, with which roles and permissions, and until when",
  },
  canI: {
    method: "GET",
    url: "/v1/auth/can-i",
    permission: "known",
    about: "self",
    summary: "May the caller use this permission, on this app or node or at all, and why?",
  },

  why: {
    method: "GET",
    url: "/v1/why/*",
    permission: "app:read",
    about: "seen",
    summary: "Why is it so? For APP, APP/SERVICE, APP/SERVICE/SLOT, a node's name or id, or node/NAME",
  },
  setSecret: {
    method: "PUT",
    url: "/v1/secrets/:secret",
    permission: "secret:manage",
    about: "hub",
    summary: "Set a secret; each app that uses it gets a new revision at once",
  },
  listSecrets: {
    method: "GET",
    url: "/v1/secrets",
    permission: "secret:manage",
    about: "hub",
    summary: "All secrets, without what is in them",
  },
  removeSecret: {
    method: "DELETE",
    url: "/v1/secrets/:secret",
    permission: "secret:manage",
    about: "hub",
    summary: "Remove a secret that no app uses",
  },
  rotateSecretKeys: {
    method: "POST",
    url: "/v1/secret-keys/rotate",
    permission: "secret:manage",
    about: "hub",
    summary: "Make a new key for what is kept encrypted, and wrap everything by it",
  },
  setRegistry: {
    method: "PUT",
    url: "/v1/registries/:registry",
    permission: "registry:manage",
    about: "hub",
    summary: "Set the user and password by which nodes pull from a registry; no app gets a new revision by it",
  },
  listRegistries: {
    method: "GET",
    url: "/v1/registries",
    permission: "registry:manage",
    about: "hub",
    summary: "All registry credentials, without their passwords",
  },
  removeRegistry: {
    method: "DELETE",
    url: "/v1/registries/:registry",
    permission: "registry:manage",
    about: "hub",
    summary: "Remove a registry credential, from the nodes too",
  },
  setConfig: {
    method: "PUT",
    url: "/v1/configs/:config",
    permission: "config:manage",
    about: "hub",
    summary: "Set a config; each app that uses it gets a new revision at once",
  },
  listConfigs: {
    method: "GET",
    url: "/v1/configs",
    permission: "app:read",
    about: "seen",
    summary: "Configs, without what is in them",
  },
  getConfig: {
    method: "GET",
    url: "/v1/configs/:config",
    permission: "app:read",
    about: "seen",
    summary: "One config, with what is in it",
  },
  removeConfig: {
    method: "DELETE",
    url: "/v1/configs/:config",
    permission: "config:manage",
    about: "hub",
    summary: "Remove a config that no app uses",
  },
  listEvents: {
    method: "GET",
    url: "/v1/events",
    permission: "event:read",
    about: "seen",
    summary: "Events, oldest first; without `after` the newest",
  },
  listAudit: {
    method: "GET",
    url: "/v1/audit",
    permission: "audit:read",
    about: "hub",
    summary: "The audit log: who changed what, and who was refused; with `after` oldest first, else newest first",
  },
  watch: {
    method: "GET",
    url: "/v1/watch",
    permission: "event:read",
    about: "seen",
    summary: "Every change from now or from `since` on, as server-sent events",
    raw: true,
  },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof routes;

/** The agents' websockets. An upgrade at any other address is refused. */
export const sockets = {
  link: { url: "/v1/agent", permission: "node:connect", summary: "An agent's link: assignments down, reports up" },
  streams: { url: "/v1/agent/streams", permission: "node:connect", summary: "Logs, when the hub has asked for them" },
} as const satisfies Record<string, { readonly url: string; readonly permission: Access; readonly summary: string }>;

export type SocketUrl = (typeof sockets)[keyof typeof sockets]["url"];
