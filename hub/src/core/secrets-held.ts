// Which secrets a node has had, for whoever revokes it: they are to be changed. Pure. The one place where that list comes from.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import { valueWords } from "@skerry/shared/model/value-names.ts";
import { byText } from "./lookup.ts";
import { type ValueId, valueIdKey, valuesOfNode } from "./value.ts";
import type { World } from "./world.ts";

/** Secrets and passwords of registries, each once, by name: `given` ever, and those that its assignment names now. Ask before the node is removed. */
export function secretsHeldBy(world: World, node: NodeId, given: readonly ValueId[]): readonly ValueId[] {
  const all = [...given, ...valuesOfNode(world, node).values()].filter(({ kind }) => kind !== "config");
  const held = new Map(all.map(({ kind, app, name }) => [valueIdKey({ kind, app, name }), { kind, app, name }]));
  return [...held.values()].sort((a, b) => byText(secretName(a), secretName(b)));
}

/** "db"; of an app's own "shop/db"; "registry credential HOST". */
export const secretName = (value: ValueId): string =>
  value.kind === "registry" ? valueWords(value) : value.app === null ? value.name : `${value.app}/${value.name}`;
