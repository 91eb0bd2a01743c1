// From what a caller names to what the World holds, or the right 404.
import type { AppName, NodeId, NodeName } from "@skerry/shared/model/ids.ts";
import type { App, Node, World } from "../core/world.ts";
import { HttpError, quoted } from "./errors.ts";

export function findApp(world: World, name: AppName): App {
  const app = world.apps.get(name);
  if (app === undefined) throw new HttpError("app-not-found", `There is no app ${quoted(name)}.`, { path: "app" });
  return app;
}

/** By id or by name; an id wins. One that the caller does not see is answered as one that is not there. */
export function findNode(world: World, idOrName: string, sees: (node: Node) => boolean = () => true): Node {
  const node = nodeNamed(world, idOrName);
  if (node === null || !sees(node)) {
    throw new HttpError("node-not-found", `There is no node ${quoted(idOrName)}.`, { path: "node" });
  }
  return node;
}

export function nodeNamed(world: World, idOrName: string): Node | null {
  for (const id of [idOrName, world.nodesByName.get(idOrName as NodeName)]) {
    // A text that is no id or name is simply not among the keys.
    const node = id === undefined ? undefined : world.nodes.get(id as NodeId);
    if (node !== undefined) return node;
  }
  return null;
}
