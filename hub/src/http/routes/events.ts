// Events, from the store's history.
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { HttpDeps } from "../deps.ts";
import type { HandlersOf } from "../handler.ts";
import { findNode } from "../lookup.ts";
import { eventView } from "../views/events.ts";

export function eventHandlers(deps: HttpDeps): HandlersOf<"listEvents"> {
  return {
    listEvents: ({ query }) => {
      const world = deps.loop.world;
      // Taken before reading: what is committed in between would be told twice rather than never. (Both are synchronous today.)
      const { seq } = world;
      const rows = deps.store.events({
        app: query.app ?? null,
        node: query.node === undefined ? null : findNode(world, query.node).id,
        workload: query.workload ?? null,
        afterId: query.after ?? null,
        limit: query.limit,
      });
      assert(rows.length <= query.limit, "the store gave more events than were asked for");
      return { items: rows.map((row) => eventView(world, row)), next: rows.at(-1)?.id ?? query.after ?? null, seq };
    },
  };
}
