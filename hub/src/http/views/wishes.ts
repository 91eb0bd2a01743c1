// How operators' wishes, and what a drain leaves behind, are shown: since when, by whom, and why, in plain words.
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { staying } from "../../core/drain.ts";
import { acceptedTombstone } from "../../core/liveness.ts";
import { byText } from "../../core/lookup.ts";
import { stayHint, stayText } from "../../core/why/drain.ts";
import { shownTarget } from "../../core/why/wishes.ts";
import type { Stop } from "../../core/wishes.ts";
import type { Node, World } from "../../core/world.ts";
import type { NodeView } from "../schemas/nodes.ts";
import type { StopView } from "../schemas/wishes.ts";

export const stopView = (world: World, stop: Stop | null): StopView | null =>
  stop === null ? null : { ...stop.said, target: shownTarget(world, stop.target) };

/** null: it is not being drained. */
export function drainView(world: World, node: Node, now: Millis): NodeView["drain"] {
  if (node.availability !== "draining") return null;
  const stays = staying(world, node, now).map(({ workload, stay }) => ({
    workload,
    kind: stay.kind,
    why: stayText(world, stay),
    hint: stayHint(workload, stay),
  }));
  const leaving = new Set<string>();
  for (const tombstone of world.tombstonesByNode.get(node.id) ?? [])
    if (!acceptedTombstone(world, tombstone)) leaving.add(tombstone.workload);
  for (const id of world.observations.get(node.id)?.workloads.keys() ?? [])
    if (world.placements.get(id)?.node !== node.id) leaving.add(id);
  return {
    deadlineAtMs: node.drainDeadlineMs,
    overSinceMs: node.drainOverMs,
    done: leaving.size === 0 && stays.every(({ kind }) => kind === "global" || kind === "bound"),
    stays,
    leaving: [...leaving].sort(byText),
  };
}
