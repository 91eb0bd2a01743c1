// How operators' wishes, and what a drain leaves behind, are shown: since when, by whom, and why, in plain words.
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { type Stay, staying } from "../../core/drain.ts";
import { acceptedTombstone } from "../../core/liveness.ts";
import { byText } from "../../core/lookup.ts";
import { refusalSummary } from "../../core/refusal-text.ts";
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
    hint: stayHint(stay),
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

/** Names of copies that are told one by one. */
const MOST_OTHERS = 3;

export function stayText(world: World, stay: Stay): string {
  switch (stay.kind) {
    case "global":
      return "stays: its service has one copy on each node";
    case "bound":
      return "stays: `disconnect: keep` binds it to this node, as a volume does";
    case "paused":
      return "waits: its app is paused";
    case "silent":
      return "waits: the node is not heard from, so its disconnect policy decides";
    case "turn": {
      const shown = stay.others.slice(0, MOST_OTHERS).map((id) => shownTarget(world, id));
      const more = stay.others.length > MOST_OTHERS ? " and others" : "";
      return shown.length === 0
        ? "waits its turn: a copy of its service has no node"
        : `waits its turn: ${shown.join(", ")}${more} must be good first`;
    }
    case "budget":
      return `waits: ${stay.down} of its service are not good, and its budget allows ${stay.most}`;
    case "no-room":
      return `waits for room elsewhere: ${refusalSummary(stay.refusals)}`;
    case "next":
      return "moves next";
    default:
      return assertNever(stay);
  }
}

function stayHint(stay: Stay): string | null {
  switch (stay.kind) {
    case "global":
    case "bound":
      return "A drain with --deadline stops it; what has a volume is moved by hand.";
    case "paused":
      return "To go on: skerry unpause APP";
    case "no-room":
      return "Add a node or free some room, or give the drain a --deadline.";
    case "silent":
    case "turn":
    case "budget":
    case "next":
      return null;
    default:
      return assertNever(stay);
  }
}
