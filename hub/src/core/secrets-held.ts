// Which secrets a node has had, for whoever revokes it: they are to be changed. Pure. The one place where that list comes from.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import type { World } from "./world.ts";

/** Names, sorted. Nothing is delivered to nodes as a secret yet, so there are none. */
export function secretsHeldBy(_world: World, _node: NodeId): readonly string[] {
  return [];
}
