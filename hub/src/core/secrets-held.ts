// Which secrets a node has had, for whoever revokes it: they are to be changed. Pure. The one place where that list comes from.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import { valueWords } from "@skerry/shared/model/value-names.ts";
import { valuesOfNode } from "./value.ts";
import type { World } from "./world.ts";

/** Names, sorted, those of an app as APP/NAME, passwords of registries as "registry credential HOST": what its present assignment names. Ask before the node is removed. */
export function secretsHeldBy(world: World, node: NodeId): readonly string[] {
  const secrets = [...valuesOfNode(world, node).values()].filter(({ kind }) => kind !== "config");
  const named = secrets.map((ref) =>
    ref.kind === "registry" ? valueWords(ref) : ref.app === null ? ref.name : `${ref.app}/${ref.name}`,
  );
  return [...new Set(named)].sort();
}
