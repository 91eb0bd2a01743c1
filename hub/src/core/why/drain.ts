// Why a workload is still on a node that is being drained, in words, and what to do. Pure.
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadParts } from "@skerry/shared/model/names.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Stay } from "../drain.ts";
import { refusalSummary } from "../refusal-text.ts";
import type { World } from "../world.ts";
import { shownTarget } from "./wishes.ts";

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

export function stayHint(workload: WorkloadId, stay: Stay): string | null {
  switch (stay.kind) {
    case "global":
    case "bound":
      return "A drain with --deadline stops it; what has a volume is moved by hand.";
    case "paused":
      return `To go on: skerry unpause ${workloadParts(workload).app}`;
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
