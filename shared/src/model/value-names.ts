// Pure functions over values: how one is called, and the text that binds its sealed content to its place. No zod here, so core may call them.
import type { InstallationId, NodeId } from "./ids.ts";
import type { ValueRef } from "./value.ts";

/** Unique among all versions of all values; none of its parts can hold a slash. */
export const valueKey = ({ kind, app, name, version }: ValueRef): string => `${kind}/${app ?? ""}/${name}/${version}`;

/** "secret db", "secret db of app shop", "registry credential ghcr.io": for people. */
export function valueWords({ kind, app, name }: Pick<ValueRef, "kind" | "app" | "name">): string {
  const what = kind === "registry" ? "registry credential" : kind;
  return app === null ? `${what} ${name}` : `${what} ${name} of app ${app}`;
}

/** What content at rest in the hub is bound to: under another name it does not open. */
export const restContext = (installation: InstallationId, ref: ValueRef): string =>
  `skerry value 1\n${installation}\n${valueKey(ref)}`;

/** What content for one node is bound to. */
export const boxContext = (installation: InstallationId, node: NodeId, ref: ValueRef): string =>
  `skerry value for node 1\n${installation}\n${node}\n${valueKey(ref)}`;
