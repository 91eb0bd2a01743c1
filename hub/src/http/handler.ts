// Handler: the shape of what answers a JSON route, by the route's own schemas.
import type { FastifyReply, FastifyRequest } from "fastify";
import type { CheckedOf, ResponseOf } from "./api.ts";
import type { RouteName, routes } from "./routes.ts";

/** What a handler gets: parts checked by the route's schemas, and the request itself for identity and headers. */
export type HandlerRequest<N extends RouteName> = CheckedOf<N> & {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
};
type Handler<N extends RouteName> = (call: HandlerRequest<N>) => ResponseOf<N> | Promise<ResponseOf<N>>;

/** Of routes that answer with other things than JSON. */
export type RawRouteName = {
  [N in RouteName]: (typeof routes)[N] extends { readonly raw: true } ? N : never;
}[RouteName];
export type RawHandlers = Readonly<Record<RawRouteName, (request: FastifyRequest, reply: FastifyReply) => unknown>>;
export type JsonRouteName = Exclude<RouteName, RawRouteName>;
export type Handlers = { readonly [N in JsonRouteName]: Handler<N> };
/** A file's share of the table. */
export type HandlersOf<N extends JsonRouteName> = Pick<Handlers, N>;
