// What nodes put into words, as a caller may read it: a node names containers and workloads of all apps that stand on it, and those out of
// the caller's sight become "another app". Containers that are no app's stay named, for whoever looks after the machine must find them.
import type { AppName, NodeId, Slot, WorkloadId } from "@skerry/shared/model/ids.ts";
import { containerName, slotNumber, workloadParts } from "@skerry/shared/model/names.ts";
import type { World } from "../core/world.ts";
import type { Sight } from "./access.ts";

/** In reasons, for what may not be named. */
export const SOMEBODY = "another app";

/** The same value with every text in it, at any depth, as it may be read. */
export type SeenWords = <T>(value: T) => T;

/**
 * For texts that speak of this node; null: of no one. Who sees all apps pays nothing. For the others it costs each text once, and, when a
 * text has a word like a container's name in it, the names that stand on that one node.
 */
export function seenWordsOf(world: World, sight: Sight): (node: NodeId | null) => SeenWords {
  if (sight.apps === null) return () => (value) => value;
  const byNode = new Map<NodeId | null, SeenWords>();
  return (node) => {
    const known = byNode.get(node);
    if (known !== undefined) return known;
    const made = seenWords(world, sight, node);
    byNode.set(node, made);
    return made;
  };
}

function seenWords(world: World, sight: Sight, node: NodeId | null): SeenWords {
  let names: ReadonlySet<string> | null = null;
  const standsHidden = (name: string): boolean => {
    names ??= node === null ? new Set() : hiddenNames(world, sight, node);
    return names.has(name);
  };
  const text = (said: string): string => seenText(world, sight, said, standsHidden);
  return (value) => eachText(value, text);
}

/** Data as it comes from JSON. */
function eachText<T>(value: T, seen: (text: string) => string): T {
  // A text becomes a text, and all else keeps its shape.
  if (typeof value === "string") return seen(value) as T;
  if (Array.isArray(value)) return value.map((item) => eachText(item, seen)) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, eachText(item, seen)])) as T;
}

/** Of all that stands, stood or is said to stand on the node. */
function hiddenNames(world: World, sight: Sight, node: NodeId): ReadonlySet<string> {
  const ids = new Set<WorkloadId>([
    ...(world.placementsByNode.get(node) ?? []),
    ...(world.tombstonesByNode.get(node) ?? []).map(({ workload }) => workload),
    ...(world.observations.get(node)?.workloads.keys() ?? []),
  ]);
  const [hidden, shown] = [new Set<string>(), new Set<string>()];
  for (const id of ids) {
    const { app, service, slot } = workloadParts(id);
    (sight.app(app) ? shown : hidden).add(containerName(app, service, slot));
  }
  // Two apps can come to the same name; what the caller knows already is no secret.
  return hidden.difference(shown);
}

/** A path, an id, a name: each character is looked at once. */
const WORD = /\w+(?:[./-]+\w+)*/g;
/** The agent's words for a port; who held it then may stand no more. */
const TAKEN = /\bis taken by container (\w+(?:[.-]+\w+)*)(?![.-]*\w|, which Skerry did not make)/g;

function seenText(world: World, sight: Sight, said: string, standsHidden: (name: string) => boolean): string {
  const told = new Set<string>();
  const withoutIds = said
    .replaceAll(TAKEN, (whole: string, name: string) =>
      bearerOf(world, sight, rightName(name)) === "seen" ? whole : `is taken by ${SOMEBODY}`,
    )
    .replaceAll(WORD, (word) => {
      const parts = idParts(word);
      if (parts === null || sight.app(parts.app)) return word;
      told.add(`${parts.app}-${parts.service}-${slotNumber(parts.slot)}`);
      return SOMEBODY;
    });
  const isHidden = (name: string): boolean =>
    told.has(name) || standsHidden(name) || bearerOf(world, sight, name) === "hidden";
  const seenPart = (part: string): string => (CONTAINER.test(part) && isHidden(rightName(part)) ? SOMEBODY : part);
  return withoutIds
    .replaceAll(WORD, (word) => word.split("/").map(seenPart).join("/"))
    .replaceAll(`container ${SOMEBODY}`, SOMEBODY);
}

const SLOT = /^(?:n[0-9a-f]{16}|[1-9][0-9]{0,4})$/;

function idParts(word: string): { readonly app: AppName; readonly service: string; readonly slot: Slot } | null {
  const [app, service, slot, more] = word.split("/");
  if (!app || !service || slot === undefined || more !== undefined || !SLOT.test(slot)) return null;
  // A text that is no app's name is in nobody's sight by name; the slot was just looked at.
  return { app: app as AppName, service, slot: slot as Slot };
}

/** A container's name, also while it is kept aside. */
const CONTAINER = /-[0-9]{1,5}(?:-previous)?$/;
const rightName = (name: string): string => name.replace(/-previous$/, "");
/** Of an app, a service and a slot, with dashes between them. */
const MAX_CONTAINER_NAME = 63 + 1 + 63 + 1 + 5;

/** Whose container's name it is, of the apps there are: app, service and slot may have been put together in several ways. null: nobody's. */
function bearerOf(world: World, sight: Sight, name: string): "seen" | "hidden" | null {
  const end = name.lastIndexOf("-");
  if (name.length > MAX_CONTAINER_NAME || end < 0) return null;
  const stem = name.slice(0, end);
  let bearer: "hidden" | null = null;
  for (let at = stem.indexOf("-"); at >= 0; at = stem.indexOf("-", at + 1)) {
    // Looked up, in vain if it is no app's name.
    const app = world.apps.get(stem.slice(0, at) as AppName);
    if (app === undefined || !app.spec.services.some((service) => service.name === stem.slice(at + 1))) continue;
    if (sight.app(app.name)) return "seen";
    bearer = "hidden";
  }
  return bearer;
}
