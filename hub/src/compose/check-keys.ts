// Walks a file beside the table of keys and says of each unknown or refused key so, by name and with its place.
// It must never look at values: those are read, and refused, where their service is compiled.
import { keyRules } from "./keys.ts";
import { didYouMean, type Notes } from "./problem.ts";
import { joinPath, type MapTree, placeOf, type Tree } from "./tree.ts";

/** For each place of the table, the keys below it; a place without any takes what the user likes, as `environment` does. */
const childrenOf: ReadonlyMap<string, ReadonlySet<string>> = indexChildren();

function indexChildren(): Map<string, Set<string>> {
  const index = new Map<string, Set<string>>([["", new Set()]]);
  for (const path of keyRules.keys()) {
    let parent = "";
    for (const part of path.split(/\.|(?=\[\])/)) {
      const known = index.get(parent) ?? new Set();
      known.add(part);
      index.set(parent, known);
      parent = part === "[]" ? `${parent}[]` : parent === "" ? part : `${parent}.${part}`;
    }
  }
  return index;
}

export function checkKeys(root: MapTree, notes: Notes): void {
  checkMap(root, "", "", notes);
}

function check(tree: Tree, path: string, rulePath: string, notes: Notes): void {
  if (tree.kind === "scalar") return;
  const children = childrenOf.get(rulePath);
  if (children === undefined) return;
  if (tree.kind === "map") {
    checkMap(tree, path, rulePath, notes);
    return;
  }
  if (!children.has("[]")) return;
  for (const [index, item] of tree.items.entries()) check(item, `${path}[${index}]`, `${rulePath}[]`, notes);
}

function checkMap(tree: MapTree, path: string, rulePath: string, notes: Notes): void {
  const children = childrenOf.get(rulePath) ?? new Set();
  for (const [key, entry] of tree.entries) {
    if (notes.isFull()) return;
    const childPath = joinPath(path, key);
    // A list's items are checked as such; in a map of the user's own names every name is fine.
    const known = children.has("*") ? "*" : key;
    if (known !== "*" && !children.has(key)) {
      // x-… belongs to the user, or to another program, wherever it stands.
      if (!key.startsWith("x-") || key === "x-skerry") tellUnknown(key, entry, childPath, rulePath, children, notes);
      continue;
    }
    const childRulePath = rulePath === "" ? known : `${rulePath}.${known}`;
    const rule = keyRules.get(childRulePath);
    if (rule?.use === "refused") {
      notes.problem(placeOf(entry, childPath), "key-refused", `\`${key}\` is refused: ${rule.reason}.`, rule.instead);
      continue;
    }
    check(entry.value, childPath, childRulePath, notes);
  }
}

function tellUnknown(
  key: string,
  at: { line: number; column: number },
  path: string,
  rulePath: string,
  children: ReadonlySet<string>,
  notes: Notes,
): void {
  const names = [...children].filter((name) => name !== "[]");
  const where = rulePath === "" ? "at the top of a Compose file" : `in ${lastName(rulePath)}`;
  const near = didYouMean(key, names);
  const home = near === "" ? homeOf(key, rulePath) : "";
  const hint =
    near || home || `Known ${where}: ${names.slice(0, MAX_NAMED).join(", ")}${names.length > MAX_NAMED ? ", …" : ""}.`;
  notes.problem(placeOf(at, path), "key-unknown", `There is no key \`${key}\` ${where}.`, hint);
}

/** More names than this in one message are not read. */
const MAX_NAMED = 8;

function lastName(rulePath: string): string {
  const parts = rulePath.split(".");
  const last = parts.at(-1) ?? rulePath;
  if (last !== "*") return `\`${last.replace("[]", "")}\``;
  return rulePath === "services.*" ? "a service" : `an entry of \`${parts.at(-2) ?? ""}\``;
}

/** A key at the wrong level is the commonest mistake after a misspelt one: `image` at the top, `replicas` on a service. */
function homeOf(key: string, rulePath: string): string {
  const homes = [...keyRules.keys()].filter((path) => path.endsWith(`.${key}`) && path !== `${rulePath}.${key}`);
  const [home] = homes.sort((a, b) => a.split(".").length - b.split(".").length);
  return home === undefined
    ? ""
    : `It belongs at \`${home.replace("services.*", "services.NAME").replaceAll(".*", ".NAME")}\`.`;
}
