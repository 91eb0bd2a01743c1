// The caller of a request that is past the door: what it may do, and the World as it may see it.
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { FastifyRequest } from "fastify";
import type { Node, World } from "../core/world.ts";
import { type Rights, type Sight, sightOf } from "./access.ts";
import type { HttpDeps } from "./deps.ts";
import { findNode } from "./lookup.ts";
import { seenWorld } from "./seen.ts";

export function rightsOfCaller(request: FastifyRequest): Rights {
  assert(request.rights !== null, "a route was reached past the door");
  return request.rights;
}

export const sightOfCaller = (request: FastifyRequest): Sight => sightOf(rightsOfCaller(request));

export const seenBy = (deps: Pick<HttpDeps, "loop">, request: FastifyRequest): World =>
  seenWorld(deps.loop.world, sightOfCaller(request));

/** By id or name; throws the same 404 for one that is out of sight and one that is not there. */
export function findSeenNode(world: World, sight: Sight, idOrName: string): Node {
  return findNode(world, idOrName, (node) => sight.node(node));
}
