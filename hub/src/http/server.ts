// The HTTP server: limits, the door, validation, errors. Registers the route table and nothing else; every route is authenticated
// before its body is read. It must never answer with a stack, a secret, or a caller's words outside of JSON.

import { createServer, type RequestListener, type Server } from "node:http";
import type { Duplex } from "node:stream";
import swagger from "@fastify/swagger";
import { type Millis, sleep } from "@skerry/shared/runtime/clock.ts";
import { isLoopback } from "@skerry/shared/runtime/loopback.ts";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { createSerializerCompiler, jsonSchemaTransform, validatorCompiler } from "fastify-type-provider-zod";
import type { Access } from "../core/permission.ts";
import type { Rights } from "./access.ts";
import { api, type RouteShapes } from "./api.ts";
import { addAuditCheck, RefusedAudit } from "./audit.ts";
import type { Identity } from "./auth.ts";
import { createChangeRate } from "./change-rate.ts";
import type { HttpDeps } from "./deps.ts";
import { createDoor, type Door } from "./door.ts";
import { errorAnswer } from "./error-answer.ts";
import { HttpError, quoted } from "./errors.ts";
import type { HandlerRequest, Handlers, RawHandlers, RawRouteName } from "./handler.ts";
import { jsonHandlers } from "./handlers.ts";
import { createAccounts } from "./login/accounts.ts";
import { SETUP_CSS, SETUP_HTML, SETUP_JS, SETUP_PAGE_POLICY } from "./login/setup-page.ts";
import { createLogs, type Logs } from "./logs.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { createOpenStreams } from "./open-streams.ts";
import type { Pace } from "./pace.ts";
import { MAX_REFUSALS, Refusals } from "./refusals.ts";
import { type About, type Route, type RouteName, routes } from "./routes.ts";
import { errorSchema } from "./schemas/common.ts";
import { Strangers } from "./strangers.ts";
import { createWatch, type Watch } from "./watch.ts";

/** A Compose file with its env files; the largest real ones are a tenth of it. */
export const MAX_BODY_BYTES = 2_097_152;
/** A joining node sends its name, labels and facts: about 1 KB. Whoever logs in sends less. */
export const MAX_JOIN_BODY_BYTES = 65_536;
/** Node's own default, stated: a bearer token and a few headers of proxies need 2 KB. */
const MAX_HEADER_BYTES = 16_384;
/** Headers must have come by then: a client that dribbles holds a connection, not a request. */
const HEADERS_TIMEOUT_MS = 10_000;
/** In front of the hub, when it was told of one. */
const PROXIES = 1;
/** How often connections are looked at for these two; Node's own half a minute would be added to them. */
const CHECK_EVERY_MS = 2_000;
/** The whole request must have come by then: 2 MiB at 0.5 Mbit/s. */
const REQUEST_TIMEOUT_MS = 35_000;
/** An idle kept-alive connection. Longer than the 60 s of common proxies, so that they close first. */
const KEEP_ALIVE_MS = 65_000;
/** A socket with no traffic at all, whatever it is in the middle of. Watches beat more often than this. */
const SOCKET_IDLE_MS = 120_000;
/** The agents' door takes 12,000 (10,000 nodes, and some that come back early); the rest is room for people and scripts. */
export const MAX_CONNECTIONS = 13_000;
/** Longest path parameter: a workload's id has at most 160 characters. */
const MAX_PARAM_CHARACTERS = 256;
/** Between asking clients to go and closing their connections at stop. */
const DRAIN_MS = 2_000;

declare module "fastify" {
  interface FastifyContextConfig {
    /** Named by every route; a route without one keeps the server from starting. */
    permission?: Access;
    about?: About;
    lasting?: boolean;
    name?: RouteName;
  }
  interface FastifyInstance {
    changeRate: Pace;
  }
  interface FastifyRequest {
    identity: Identity | null;
    /** By which it is known: the Authorization header, or what a cookie stands for. Secret. */
    authorization: string | null;
    /** Of that identity, at the time of the request. */
    rights: Rights | null;
    startedMs: Millis;
    /** The audit log was seen to: by the control loop, now or when the same was asked under the same key. */
    isAudited: boolean;
  }
}

export interface HttpServer {
  readonly app: FastifyInstance;
  readonly watch: Watch;
  readonly logs: Logs;
  readonly metrics: Metrics;
  /** Told by the agents' door whom it knows. */
  readonly strangers: Strangers;
  /** A fresh code for the set-up link; null: there is a user. */
  beginSetUp(): string | null;
  /** Ends watches, finishes what is under way, closes. */
  stop(): Promise<void>;
}

export async function createHttpServer(deps: HttpDeps): Promise<HttpServer> {
  const refusedAudit = new RefusedAudit(deps);
  const strangers = new Strangers(deps.clock);
  const app = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    serverFactory: (handler) => listener(deps, strangers, handler),
    // Where a proxy on this machine ends TLS, who asks and over what is the proxy's word, and nobody else's.
    trustProxy:
      deps.hubKey.kind === "proxy" && ((address: string, hop: number) => hop < PROXIES && isLoopback(address)),
    routerOptions: { maxParamLength: MAX_PARAM_CHARACTERS },
    exposeHeadRoutes: false,
    onProtoPoisoning: "error",
    onConstructorPoisoning: "error",
    frameworkErrors: (error, request, reply) => {
      answerError(deps, refusedAudit, error, request, reply);
    },
    clientErrorHandler: (error, socket) => answerBrokenRequest(error.code, socket),
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(createSerializerCompiler());
  // Only JSON: text/plain is what a browser sends across origins without asking first.
  app.removeContentTypeParser("text/plain");
  app.addHook("onRoute", (route) => {
    const { permission, about } = route.config ?? {};
    if (permission === undefined || about === undefined)
      throw new Error(`bug: route ${String(route.url)} names no permission`);
  });
  app.setErrorHandler((error, request, reply) => answerError(deps, refusedAudit, error, request, reply));
  app.setNotFoundHandler((request) => {
    throw new HttpError("route-not-found", `There is no ${request.method} ${quoted(request.url)}.`);
  });
  app.decorate("changeRate", createChangeRate(deps.clock));
  app.decorateRequest("identity", null);
  app.decorateRequest("authorization", null);
  app.decorateRequest("rights", null);
  app.decorateRequest("startedMs", 0);
  app.decorateRequest("isAudited", false);
  const metrics = createMetrics(deps);
  const door = createDoor(deps);
  addDoor(app, deps, door, strangers);
  addAuditCheck(app);
  addObservers(app, deps, metrics);
  await app.register(swagger, openapiOptions(deps.version));
  const streams = createOpenStreams(deps, door);
  const watch = createWatch(deps, streams);
  const logs = createLogs(deps, streams);
  const accounts = createAccounts(deps, door.admit);
  registerRoutes(app, jsonHandlers(deps, accounts), metrics, watch, logs);
  await app.ready();
  return {
    app,
    watch,
    logs,
    metrics,
    strangers,
    beginSetUp: () => accounts.setUp.begin(),
    stop: async () => {
      watch.stop();
      logs.stop();
      streams.stop();
      const closed = app.close();
      app.server.closeIdleConnections();
      await Promise.race([closed, sleep(deps.clock, DRAIN_MS)]);
      app.server.closeAllConnections();
      await closed;
      refusedAudit.stop();
    },
  };
}

function listener({ secure }: HttpDeps, strangers: Strangers, handler: RequestListener): Server {
  const options = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    connectionsCheckingInterval: CHECK_EVERY_MS,
  };
  const server = secure === null ? createServer(options, handler) : secure(options, handler);
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.setTimeout(SOCKET_IDLE_MS);
  strangers.watch(server);
  return server;
}

/**
 * Who is it, and may they: before anything of the body is read. Unknown addresses are told to the known only. A change is judged once more when
 * its body is there: it may have been on its way for half a minute, and a token that was removed meanwhile must not make itself another one.
 */
function addDoor(app: FastifyInstance, deps: HttpDeps, door: Door, strangers: Strangers): void {
  const refusals = new Refusals(deps.clock);
  app.addHook("onRequest", async (request, reply) => {
    request.startedMs = deps.clock.monotonicMs();
    addSecurityHeaders(request, reply);
    if (request.routeOptions.config.permission === "public") return;
    try {
      door.identify(request);
    } catch (error) {
      // The right token is never slowed down: others behind the same proxy must not lock anyone out.
      const waitMs = refusals.waitMs(request.ip);
      refusals.count(request.ip);
      if (waitMs === 0) throw error;
      throw new HttpError("too-many-refusals", `More than ${MAX_REFUSALS} wrong tokens came from this address.`, {
        retryAfterSeconds: Math.ceil(waitMs / 1_000),
      });
    }
    strangers.known(request.raw.socket);
    door.authorise(request);
  });
  app.addHook("preHandler", async (request) => {
    const { permission } = request.routeOptions.config;
    if (permission !== "public" && request.method !== "GET") door.admit(request);
  });
}

/** A browser that has seen this hub over TLS does not go back: a year, as is usual. */
const STRICT_TRANSPORT = "max-age=31536000";

function addSecurityHeaders(request: FastifyRequest, reply: FastifyReply): void {
  if (request.protocol === "https") reply.header("strict-transport-security", STRICT_TRANSPORT);
  reply.headers({
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
  });
}

function addObservers(app: FastifyInstance, deps: HttpDeps, metrics: Metrics): void {
  app.addHook("onResponse", async (request, reply) => {
    const tookMs = deps.clock.monotonicMs() - request.startedMs;
    // The route's pattern, never the address: that would make as many series as there are names.
    const route = request.routeOptions.url ?? "(none)";
    metrics.request(request.method, route, reply.statusCode, tookMs / 1_000);
    const fields = { method: request.method, route, status: reply.statusCode, tookMs: Math.round(tookMs) };
    if (request.method === "GET") deps.log.debug("request", fields);
    else deps.log.info("request", fields);
  });
}

/** What comes from those of whom nothing is known yet. */
const SMALL: ReadonlySet<RouteName> = new Set<RouteName>(["joinNode", "logIn", "setUp"]);

function registerRoutes(app: FastifyInstance, handlers: Handlers, metrics: Metrics, watch: Watch, logs: Logs): void {
  const raw: RawHandlers = {
    getMetrics: async (_request, reply) => {
      reply.type("text/plain; version=0.0.4; charset=utf-8");
      return metrics.text();
    },
    getOpenapi: async (_request, reply) => {
      reply.type("application/json");
      return JSON.stringify(app.swagger());
    },
    getSetupPage: async (_request, reply) => setupFile(reply, "text/html", SETUP_HTML),
    getSetupScript: async (_request, reply) => setupFile(reply, "text/javascript", SETUP_JS),
    getSetupStyle: async (_request, reply) => setupFile(reply, "text/css", SETUP_CSS),
    getLogs: (request, reply) => logs.open(request, reply),
    watch: (request, reply) => watch.open(request, reply),
  };
  for (const [name, route] of Object.entries(routes) as [RouteName, Route][]) {
    const shapes: RouteShapes = api[name];
    app.route({
      method: route.method,
      url: route.url,
      config: { permission: route.permission, about: route.about, lasting: route.lasting === true, name },
      exposeHeadRoute: name === "getHealth",
      ...(SMALL.has(name) ? { bodyLimit: MAX_JOIN_BODY_BYTES } : {}),
      schema: schemaOf(name, route, shapes),
      // Exhaustive by its type, as the JSON handlers are by theirs.
      handler: route.raw === true ? raw[name as RawRouteName] : jsonHandler(handlers, name),
    });
  }
}

function setupFile(reply: FastifyReply, type: string, text: string): string {
  reply.header("content-security-policy", SETUP_PAGE_POLICY).type(`${type}; charset=utf-8`);
  return text;
}

function jsonHandler(handlers: Handlers, name: RouteName) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const call = { params: request.params, query: request.query, body: request.body, request, reply };
    // The table is exhaustive over the JSON routes by its type, and what it is given was checked by the schemas of the same name.
    const handler = handlers[name as keyof Handlers] as (call: HandlerRequest<never>) => unknown;
    return handler(call as HandlerRequest<never>);
  };
}

function schemaOf(name: RouteName, route: Route, shapes: RouteShapes): Record<string, unknown> {
  const statuses = [400, 401, 403, 404, 429, 503, ...(shapes.errors ?? [])].sort();
  return {
    operationId: name,
    summary: route.summary,
    ...(route.permission === "public" ? { security: [] } : {}),
    ...(shapes.params === undefined ? {} : { params: shapes.params }),
    ...(shapes.query === undefined ? {} : { querystring: shapes.query }),
    ...(shapes.body === undefined ? {} : { body: shapes.body }),
    response: {
      ...(shapes.response === undefined ? {} : { 200: shapes.response }),
      ...(name === "getHealth"
        ? { 503: shapes.response }
        : Object.fromEntries(statuses.map((status) => [status, errorSchema]))),
    },
  };
}

function openapiOptions(version: string) {
  return {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Skerry hub", version, description: "Desired state in, observed state and reasons out." },
      components: { securitySchemes: { bearer: { type: "http" as const, scheme: "bearer" } } },
      security: [{ bearer: [] }],
    },
    transform: (document: Parameters<typeof jsonSchemaTransform>[0]) => namedWildcard(jsonSchemaTransform(document)),
  };
}

/** OpenAPI knows no wildcard: `/v1/why/*` is described as `/v1/why/{target}`, whose value may hold slashes. */
function namedWildcard({
  schema,
  url,
}: ReturnType<typeof jsonSchemaTransform>): ReturnType<typeof jsonSchemaTransform> {
  const params: unknown = schema?.["params"];
  if (!url.endsWith("/*") || typeof params !== "object" || params === null) return { schema, url };
  const text = JSON.stringify(params).replaceAll('"*"', '"target"');
  return { schema: { ...schema, params: JSON.parse(text) }, url: url.replace("*", ":target") };
}

function answerError(
  deps: HttpDeps,
  refusedAudit: RefusedAudit,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const known = errorAnswer(error, () => {
    const id = deps.random.hex(4);
    deps.log.error("bug in a request", {
      id,
      method: request.method,
      route: request.routeOptions?.url ?? "(none)",
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    return id;
  });
  refusedAudit.refused(request, known.code);
  if (known.retryAfterSeconds !== null) reply.header("retry-after", known.retryAfterSeconds);
  if (known.status === 401) reply.header("www-authenticate", 'Bearer realm="skerry"');
  // As a string, so that an error's answer never depends on the schema of the route it came from.
  reply
    .status(known.status)
    .type("application/json; charset=utf-8")
    .serializer(String)
    .send(JSON.stringify(known.body()));
}

/** What Node's parser refused before there was a request. */
function answerBrokenRequest(code: string | undefined, socket: Duplex): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const error =
    code === "HPE_HEADER_OVERFLOW"
      ? new HttpError("header-too-large", "The request's headers are larger than 16 KiB.")
      : new HttpError("invalid-request", "This is not a complete HTTP/1.1 request, or it did not arrive in time.");
  socket.end(rawAnswer(error));
}

function rawAnswer(error: HttpError): string {
  const body = JSON.stringify(error.body());
  return [
    `HTTP/1.1 ${error.status} Refused`,
    "content-type: application/json; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
    "",
    body,
  ].join("\r\n");
}
