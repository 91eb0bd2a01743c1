// Which secrets a node has had, for whoever revokes it: they are to be changed. Pure. The one place where that list comes from.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import { valuesOfNode } from "./value.ts";
import type { World } from "./world.ts";

/** Names, sorted, those of an app as APP/NAME: what its present assignment names. Ask before the node is removed. */
export function secretsHeldBy(world: World, node: NodeId): readonly string[] {
  const secrets = [...valuesOfNode(world, node).values()].filter(({ kind }) => kind === "secret");
  return [...new Set(secrets.map(({ app, name }) => (app === null ? name : `${app}/${name}`)))].sort();
}
