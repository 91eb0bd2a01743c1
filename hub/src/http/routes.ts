// The route table: every address of the HTTP API, the permission it needs, and what it is for. Plain data without zod, so that the
// CLI can read addresses from it for nothing. Request and response shapes of each route stand under the same name in `api.ts`.
// A route that is not here does not exist: the server registers this table and nothing else.

/** What an identity may be allowed to do. The next issue on trust maps roles to these; today the admin has all but `nodes:join`. */
export type Permission =
  /** No identity needed. Only `/healthz`. */
  | "public"
  | "apps:read"
  | "apps:write"
  /** What containers write: it may hold more than states do. */
  | "apps:logs"
  | "nodes:read"
  | "nodes:write"
  /** Join tokens, and nobody else. */
  | "nodes:join"
  | "tokens:read"
  | "tokens:write"
  | "events:read"
  | "audit:read"
  | "metrics:read"
  | "hub:read";

export interface Route {
  readonly method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  /** `:name` is a parameter; `*` takes the rest of the path. */
  readonly url: string;
  readonly permission: Permission;
  readonly summary: string;
  /** Answers with other things than JSON: server-sent events or text. */
  readonly raw?: true;
  /** Where it takes `dryRun`, with which it changes nothing. */
  readonly dryRun?: "body" | "query";
}

export const routes = {
  getHealth: { method: "GET", url: "/healthz", permission: "public", summary: "Is the hub taking changes?" },
  getMetrics: { method: "GET", url: "/metrics", permission: "metrics:read", summary: "Prometheus metrics", raw: true },
  getOpenapi: {
    method: "GET",
    url: "/v1/openapi.json",
    permission: "hub:read",
    summary: "This API as an OpenAPI document",
    raw: true,
  },
  getVersion: { method: "GET", url: "/v1/version", permission: "hub:read", summary: "Versions and installation" },

  applyApp: {
    method: "PUT",
    url: "/v1/apps/:app",
    permission: "apps:write",
    summary: "Apply a Compose file as this app's desired state; dryRun shows what would change",
    dryRun: "body",
  },
  listApps: { method: "GET", url: "/v1/apps", permission: "apps:read", summary: "All apps, by name" },
  getApp: {
    method: "GET",
    url: "/v1/apps/:app",
    permission: "apps:read",
    summary: "One app: services, slots, states with reason and age",
  },
  removeApp: {
    method: "DELETE",
    url: "/v1/apps/:app",
    permission: "apps:write",
    summary: "Remove an app; its volumes stay and are named in the answer",
  },
  stopApp: {
    method: "POST",
    url: "/v1/apps/:app/stop",
    permission: "apps:write",
    summary: "Stop an app, a service or one copy, and keep it stopped until it is started",
  },
  startApp: {
    method: "POST",
    url: "/v1/apps/:app/start",
    permission: "apps:write",
    summary: "Start what was stopped",
  },
  restartApp: {
    method: "POST",
    url: "/v1/apps/:app/restart",
    permission: "apps:write",
    summary: "Restart each copy once, and forget its back-off",
  },
  pauseApp: {
    method: "POST",
    url: "/v1/apps/:app/pause",
    permission: "apps:write",
    summary: "Change nothing of an app until it is unpaused; nodes go on as they are",
  },
  unpauseApp: {
    method: "POST",
    url: "/v1/apps/:app/unpause",
    permission: "apps:write",
    summary: "End an app's pause: it catches up",
  },
  scaleApp: {
    method: "POST",
    url: "/v1/apps/:app/scale",
    permission: "apps:write",
    summary: "Give a service another number of copies, as a new revision",
  },
  getRollout: {
    method: "GET",
    url: "/v1/apps/:app/rollout",
    permission: "apps:read",
    summary: "How far the newest revision has got, batch by batch, and what each copy waits for",
  },
  listRollouts: {
    method: "GET",
    url: "/v1/apps/:app/rollouts",
    permission: "apps:read",
    summary: "What became of an app's revisions, newest first",
  },
  pauseRollout: {
    method: "POST",
    url: "/v1/apps/:app/rollout/pause",
    permission: "apps:write",
    summary: "Let no further copy through to the newest revision",
  },
  resumeRollout: {
    method: "POST",
    url: "/v1/apps/:app/rollout/resume",
    permission: "apps:write",
    summary: "Go on after a pause, or promote the canaries",
  },
  undoRollout: {
    method: "POST",
    url: "/v1/apps/:app/rollout/undo",
    permission: "apps:write",
    summary: "Go back to an older revision, as a new one with its content",
  },
  listRevisions: {
    method: "GET",
    url: "/v1/apps/:app/revisions",
    permission: "apps:read",
    summary: "An app's revisions, newest first",
  },
  getRevision: {
    method: "GET",
    url: "/v1/apps/:app/revisions/:revision",
    permission: "apps:read",
    summary: "The file that was applied as one revision",
  },
  diffRevisions: {
    method: "GET",
    url: "/v1/apps/:app/diff",
    permission: "apps:read",
    summary: "What differs between revisions `from` and `to` (the current one): per service in words, and both files",
  },
  getLogs: {
    method: "GET",
    url: "/v1/apps/:app/logs",
    permission: "apps:logs",
    summary: "What an app's containers wrote, from their nodes, as JSON lines; follow goes on",
    raw: true,
  },

  listWorkloads: {
    method: "GET",
    url: "/v1/workloads",
    permission: "apps:read",
    summary: "Workloads with their states, by id; filters: app, service, node",
  },

  listNodes: { method: "GET", url: "/v1/nodes", permission: "nodes:read", summary: "All nodes, by name" },
  getNode: {
    method: "GET",
    url: "/v1/nodes/:node",
    permission: "nodes:read",
    summary: "One node by id or name: facts, figures, conditions, workloads",
  },
  changeNode: {
    method: "PATCH",
    url: "/v1/nodes/:node",
    permission: "nodes:write",
    summary: "Set and unset labels; set the availability: active, cordoned, draining",
  },
  removeNode: {
    method: "DELETE",
    url: "/v1/nodes/:node",
    permission: "nodes:write",
    summary: "Forget a node; what runs on it is not touched. dryRun says what would become of its workloads",
    dryRun: "query",
  },
  joinNode: {
    method: "POST",
    url: "/v1/nodes/join",
    permission: "nodes:join",
    summary: "Make the caller a node; with a join token as bearer",
  },

  createToken: { method: "POST", url: "/v1/tokens", permission: "tokens:write", summary: "Make a join token" },
  listTokens: { method: "GET", url: "/v1/tokens", permission: "tokens:read", summary: "Join tokens, without secrets" },
  removeToken: {
    method: "DELETE",
    url: "/v1/tokens/:token",
    permission: "tokens:write",
    summary: "Withdraw a join token; nodes that joined with it stay",
  },

  why: {
    method: "GET",
    url: "/v1/why/*",
    permission: "apps:read",
    summary: "Why is it so? For APP, APP/SERVICE, APP/SERVICE/SLOT, a node's name or id, or node/NAME",
  },
  listEvents: {
    method: "GET",
    url: "/v1/events",
    permission: "events:read",
    summary: "Events, oldest first; without `after` the newest",
  },
  listAudit: {
    method: "GET",
    url: "/v1/audit",
    permission: "audit:read",
    summary: "The audit log: who changed what, and who was refused; with `after` oldest first, else newest first",
  },
  watch: {
    method: "GET",
    url: "/v1/watch",
    permission: "events:read",
    summary: "Every change from now or from `since` on, as server-sent events",
    raw: true,
  },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof routes;
