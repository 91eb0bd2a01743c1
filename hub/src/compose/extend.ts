// `extends` within a file: a service is merged over the one it extends, by the rules of the Specification's page on merging.
// It must never change the order of what has one, nor follow a circle.
import { entriesOf, type Fields, type MapSpot, type Spot } from "./fields.ts";
import { MAX_EXTENDS } from "./limits.ts";
import { didYouMean } from "./problem.ts";
import { type Entry, joinPath, type ListTree, type MapTree, type ScalarTree, type Tree } from "./tree.ts";
import { splitPort, splitVolume } from "./values.ts";

/** Each service with everything that it extends merged in. Faulty ones come back as far as they can be followed. */
export function resolveExtends(services: MapSpot, fields: Fields): Map<string, MapSpot> {
  const found = new Map<string, MapSpot>();
  for (const { key, at } of entriesOf(services)) {
    const service = fields.asMap(at);
    if (service !== null) found.set(key, service);
  }
  const resolved = new Map<string, MapSpot>();
  for (const [name, service] of found) {
    resolved.set(name, { tree: follow(name, service, found, fields), path: service.path });
  }
  return resolved;
}

function follow(name: string, service: MapSpot, all: ReadonlyMap<string, MapSpot>, fields: Fields): MapTree {
  const chain: MapSpot[] = [service];
  const seen = new Set([name]);
  for (let at = baseOf(service, all, fields); at !== null; at = baseOf(at.spot, all, fields)) {
    if (seen.has(at.name) || chain.length > MAX_EXTENDS) {
      const why = seen.has(at.name) ? "goes in a circle" : `is longer than ${MAX_EXTENDS} steps`;
      fields.fault(at.from, "conflict", `This chain of \`extends\` ${why}: ${[...seen, at.name].join(" → ")}.`);
      break;
    }
    seen.add(at.name);
    chain.push(at.spot);
  }
  // The furthest base comes first; what is nearer is laid over it.
  return (
    chain.reduceRight<MapTree | null>((base, { tree }) => (base === null ? tree : layOver(base, tree)), null) ??
    service.tree
  );
}

function baseOf(
  service: MapSpot,
  all: ReadonlyMap<string, MapSpot>,
  fields: Fields,
): { name: string; spot: MapSpot; from: Spot } | null {
  const from = fields.at(service, "extends");
  if (from === null) return null;
  const name =
    from.tree.kind === "map" ? fields.text({ tree: from.tree, path: from.path }, "service") : fields.asText(from);
  if (name === null) {
    if (from.tree.kind === "map" && !from.tree.entries.has("service")) {
      fields.fault(from, "key-missing", "`extends` needs `service`: the name of a service in this file.");
    }
    return null;
  }
  const spot = all.get(name);
  const said = from.tree.kind === "map" ? (fields.at({ tree: from.tree, path: from.path }, "service") ?? from) : from;
  if (spot !== undefined) return { name, spot, from };
  // A service of another file is told as such, by the refused key `file`.
  if (from.tree.kind === "map" && from.tree.entries.has("file")) return null;
  fields.fault(
    from,
    "reference-unknown",
    `There is no service \`${fields.quote(said, name)}\` to extend.`,
    didYouMean(name, all.keys()),
  );
  return null;
}

/** How two values of one key become one; keys that are not named here follow their kind: maps merge, the rest is replaced. */
type Rule = "replace" | "append" | "append-unique" | "pairs" | "names" | "by-target" | "by-port";
const RULES: Readonly<Record<string, Rule>> = {
  annotations: "pairs",
  cap_add: "append-unique",
  cap_drop: "append-unique",
  command: "replace",
  depends_on: "names",
  device_cgroup_rules: "append-unique",
  devices: "by-target",
  dns: "append",
  dns_opt: "append-unique",
  dns_search: "append",
  entrypoint: "replace",
  env_file: "append",
  environment: "pairs",
  expose: "append-unique",
  extra_hosts: "append-unique",
  group_add: "append-unique",
  label_file: "append",
  labels: "pairs",
  networks: "names",
  ports: "by-port",
  profiles: "append-unique",
  security_opt: "append-unique",
  sysctls: "pairs",
  tmpfs: "append",
  secrets: "by-target",
  configs: "by-target",
  volumes: "by-target",
  "deploy.placement.constraints": "append-unique",
  "deploy.placement.preferences": "append-unique",
  "healthcheck.test": "replace",
};

function layOver(base: MapTree, over: MapTree): MapTree {
  const merged = mergeMaps(base, over, "");
  const entries = new Map([...merged.entries].filter(([key]) => key !== "extends"));
  return { ...merged, entries };
}

function mergeMaps(base: MapTree, over: MapTree, path: string): MapTree {
  const entries = new Map(base.entries);
  for (const [key, entry] of over.entries) {
    const below = entries.get(key);
    const value = below === undefined ? entry.value : mergeValues(below.value, entry.value, joinPath(path, key));
    entries.set(key, { ...entry, value });
  }
  return { ...over, entries };
}

function mergeValues(base: Tree, over: Tree, path: string): Tree {
  const isNothing = (tree: Tree): boolean => tree.kind === "scalar" && tree.type === "null";
  if (isNothing(over) || isNothing(base)) return isNothing(over) ? base : over;
  switch (RULES[path]) {
    case "replace":
      return over;
    case "append":
      return { ...asList(over), items: [...asList(base).items, ...asList(over).items] };
    case "append-unique":
      return mergeBy(base, over, (item) => (item.kind === "scalar" ? item.text : null));
    case "by-target":
      return mergeBy(base, over, targetOf);
    case "by-port":
      return mergeBy(base, over, portOf);
    case "pairs":
      return mergeMaps(pairsAsMap(base), pairsAsMap(over), path);
    case "names":
      return mergeMaps(namesAsMap(base, path), namesAsMap(over, path), path);
    default:
      return base.kind === "map" && over.kind === "map" ? mergeMaps(base, over, path) : over;
  }
}

function asList(tree: Tree): ListTree {
  return tree.kind === "list" ? tree : { kind: "list", items: [tree], line: tree.line, column: tree.column };
}

/** Items of `over` take the place of those of `base` with the same key; without a key an item stands for itself. */
function mergeBy(base: Tree, over: Tree, keyOf: (item: Tree) => string | null): Tree {
  // extra_hosts and a few more may be maps, or one text: then the ordinary rules hold.
  if (base.kind === "map" && over.kind === "map") return mergeMaps(base, over, "");
  if (base.kind === "map" || over.kind === "map") return over;
  const taken = new Map<string, Tree>();
  let unnamed = 0;
  for (const item of [...asList(base).items, ...asList(over).items]) {
    const key = keyOf(item);
    taken.set(key ?? `\0${unnamed++}`, item);
  }
  return { ...asList(over), items: [...taken.values()] };
}

function scalarOf(item: Tree, key: string): string | null {
  if (item.kind !== "map") return null;
  const value = item.entries.get(key)?.value;
  return value?.kind === "scalar" ? value.text : null;
}

function targetOf(item: Tree): string | null {
  if (item.kind !== "scalar") return scalarOf(item, "target") ?? scalarOf(item, "source");
  const volume = splitVolume(item.text);
  return typeof volume === "string" ? null : volume.target;
}

function portOf(item: Tree): string | null {
  if (item.kind === "scalar") {
    const { hostIp, published, target, protocol } = splitPort(item.text);
    return [hostIp, published ?? "", target, protocol].join("|");
  }
  const parts = ["host_ip", "published", "target"].map((key) => scalarOf(item, key) ?? "");
  return [...parts, scalarOf(item, "protocol") ?? "tcp"].join("|");
}

/** A list of KEY=VALUE as the map it means. */
function pairsAsMap(tree: Tree): MapTree {
  if (tree.kind === "map") return tree;
  const entries = new Map<string, Entry>();
  for (const item of asList(tree).items) {
    if (item.kind !== "scalar") continue;
    const cut = item.text.indexOf("=");
    const value: ScalarTree =
      cut < 0
        ? { ...item, type: "null", text: "", written: "" }
        : { ...item, type: "string", text: item.text.slice(cut + 1) };
    entries.set(cut < 0 ? item.text : item.text.slice(0, cut), { value, line: item.line, column: item.column });
  }
  return { kind: "map", entries, line: tree.line, column: tree.column };
}

/** A list of names as the map it means; `depends_on` then needs its condition spelt out. */
function namesAsMap(tree: Tree, path: string): MapTree {
  if (tree.kind === "map") return tree;
  const entries = new Map<string, Entry>();
  for (const item of asList(tree).items) {
    if (item.kind !== "scalar") continue;
    const at = { line: item.line, column: item.column };
    const condition: Entry = {
      value: { kind: "scalar", type: "string", text: "service_started", written: "service_started", ...at },
      ...at,
    };
    const inner: Tree =
      path === "depends_on"
        ? { kind: "map", entries: new Map([["condition", condition]]), ...at }
        : { kind: "scalar", type: "null", text: "", written: "", ...at };
    entries.set(item.text, { value: inner, ...at });
  }
  return { kind: "map", entries, line: tree.line, column: tree.column };
}
