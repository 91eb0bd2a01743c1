// Operators' wishes in words: who, since when, and in their own words why. Pure.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import type { WallMillis } from "@skerry/shared/runtime/clock.ts";
import type { Said } from "../rollout-state.ts";
import type { World } from "../world.ts";
import { durationInWords } from "./words.ts";

/** With the node's name where a slot is a node's id: nobody knows ids by heart. */
export function shownTarget(world: World, target: string): string {
  // What has the shape of a node's id is looked up; anything else is no node.
  return target.replace(/\/(n[0-9a-f]{16})$/, (whole, id: string) => {
    const name = world.nodes.get(id as NodeId)?.name;
    return name === undefined ? whole : `/${name}`;
  });
}

/** "stopped by admin: the fan is loud" */
export function saidText(what: string, { by, reason }: Pick<Said, "by" | "reason">): string {
  return `${what}${by === "" ? "" : ` by ${by}`}${reason === "" ? "" : `: ${reason}`}`;
}

/** "stopped by admin 3 h ago: the fan is loud". A wall clock that went back makes it "just now". */
export function saidAgo(what: string, { by, reason, atMs }: Said, wallMs: WallMillis): string {
  const who = by === "" ? "" : ` by ${by}`;
  return `${what}${who} ${agoText(wallMs - atMs)}${reason === "" ? "" : `: ${reason}`}`;
}

export const agoText = (ms: number): string => (ms < 1_000 ? "just now" : `${durationInWords(ms)} ago`);
