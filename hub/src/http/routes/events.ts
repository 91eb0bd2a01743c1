// Events, from the store's history.
import { assert } from "@skerry/shared/runtime/assert.ts";
import { findSeenNode, sightOfCaller } from "../caller.ts";
import type { HttpDeps } from "../deps.ts";
import type { HandlersOf } from "../handler.ts";
import { eventScope, seenEvents } from "../seen.ts";
import { eventView } from "../views/events.ts";

export function eventHandlers(deps: HttpDeps): HandlersOf<"listEvents"> {
  return {
    listEvents: ({ query, request }) => {
      const { world } = deps.loop;
      const sight = sightOfCaller(request);
      // Taken before reading: what is committed in between would be told twice rather than never. (Both are synchronous today.)
      const { seq } = world;
      const rows = deps.store.events({
        app: query.app ?? null,
        node: query.node === undefined ? null : findSeenNode(world, sight, query.node).id,
        workload: query.workload ?? null,
        afterId: query.after ?? null,
        limit: query.limit,
        within: eventScope(world, sight),
      });
      assert(rows.length <= query.limit, "the store gave more events than were asked for");
      const items = seenEvents(
        world,
        sight,
        rows.map((row) => eventView(world, row)),
      );
      return { items: [...items], next: rows.at(-1)?.id ?? query.after ?? null, seq };
    },
  };
}
