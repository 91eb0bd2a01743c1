// Workloads of all apps in one list, by id: what `skerry ps` shows.
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadParts } from "@skerry/shared/model/names.ts";
import { sorted } from "../../core/lookup.ts";
import type { World } from "../../core/world.ts";
import type { Sight } from "../access.ts";
import type { CheckedOf } from "../api.ts";
import { findSeenNode, sightOfCaller } from "../caller.ts";
import type { HttpDeps } from "../deps.ts";
import type { HandlersOf } from "../handler.ts";
import { findApp } from "../lookup.ts";
import { pageOfKeys } from "../paging.ts";
import { seenWorld } from "../seen.ts";
import { workloadsOf } from "../views/apps.ts";
import { workloadView } from "../views/workloads.ts";

type Query = CheckedOf<"listWorkloads">["query"];

export function workloadHandlers(deps: HttpDeps): HandlersOf<"listWorkloads"> {
  const allIds = sortedOnce();
  return {
    listWorkloads: ({ query, request }) => {
      const sight = sightOfCaller(request);
      const world = seenWorld(deps.loop.world, sight);
      const now = deps.clock.monotonicMs();
      // What is seen of the World is not the same for all, and its order is not kept.
      const ids = chosen(world, query, sight, sight.all ? allIds : idsOf);
      const page = pageOfKeys(ids, query.after, query.limit, (id) => id);
      const items = page.items.flatMap((id) => workloadView(world, id, now) ?? []);
      return { items, next: page.next, seq: world.seq };
    },
  };
}

const idsOf = (world: World): readonly WorkloadId[] =>
  sorted(new Set([...world.placements.keys(), ...world.unplaced.keys()]));

function chosen(
  world: World,
  query: Query,
  sight: Sight,
  allIds: (world: World) => readonly WorkloadId[],
): readonly WorkloadId[] {
  const app = query.app === undefined ? null : findApp(world, query.app).name;
  const node = query.node === undefined ? null : findSeenNode(world, sight, query.node).id;
  const ids =
    app !== null
      ? workloadsOf(world, app)
      : node !== null
        ? sorted(world.placementsByNode.get(node) ?? [])
        : allIds(world);
  return ids.filter(
    (id) =>
      (node === null || world.placements.get(id)?.node === node) &&
      (query.service === undefined || workloadParts(id).service === query.service),
  );
}

/** Placements change with a commit only, so their order is worked out once for each; the unplaced, which are few, every time. */
function sortedOnce(): (world: World) => readonly WorkloadId[] {
  let kept: { readonly seq: number; readonly ids: readonly WorkloadId[] } | null = null;
  return (world) => {
    if (kept?.seq !== world.seq) kept = { seq: world.seq, ids: sorted(world.placements.keys()) };
    const { ids } = kept;
    const unplaced = [...world.unplaced.keys()].filter((id) => !world.placements.has(id));
    return unplaced.length === 0 ? ids : sorted([...ids, ...unplaced]);
  };
}
