// The handlers of all JSON routes in one table, exhaustive by its type: a route without a handler does not compile.
import type { FastifyReply, FastifyRequest } from "fastify";
import type { CheckedOf, ResponseOf } from "./api.ts";
import type { HttpDeps } from "./deps.ts";
import { appHandlers } from "./routes/apps.ts";
import { diffHandlers } from "./routes/diff.ts";
import { eventHandlers } from "./routes/events.ts";
import { nodeHandlers } from "./routes/nodes.ts";
import { rolloutHandlers } from "./routes/rollouts.ts";
import { systemHandlers } from "./routes/system.ts";
import { tokenHandlers } from "./routes/tokens.ts";
import { wishHandlers } from "./routes/wishes.ts";
import { workloadHandlers } from "./routes/workloads.ts";
import type { RouteName } from "./routes.ts";

/** What a handler gets: parts checked by the route's schemas, and the request itself for identity and headers. */
export type HandlerRequest<N extends RouteName> = CheckedOf<N> & {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
};
type Handler<N extends RouteName> = (call: HandlerRequest<N>) => ResponseOf<N> | Promise<ResponseOf<N>>;

export type JsonRouteName = Exclude<RouteName, "getMetrics" | "getOpenapi" | "getLogs" | "watch">;
export type Handlers = { readonly [N in JsonRouteName]: Handler<N> };
/** A file's share of the table. */
export type HandlersOf<N extends JsonRouteName> = Pick<Handlers, N>;

export function jsonHandlers(deps: HttpDeps): Handlers {
  return {
    ...appHandlers(deps),
    ...diffHandlers(deps),
    ...rolloutHandlers(deps),
    ...workloadHandlers(deps),
    ...nodeHandlers(deps),
    ...tokenHandlers(deps),
    ...eventHandlers(deps),
    ...systemHandlers(deps),
    ...wishHandlers(deps),
  };
}
