// YAML text becomes a tree of our own: aliases followed, merge keys applied, variables filled in, every node with its place.
// It must never build more than the limits allow, and never hand on what Compose does not know (tags, complex keys).
import {
  Composer,
  type CST,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  Parser,
  type Scalar,
  type YAMLMap,
} from "yaml";
import { interpolate } from "./interpolate.ts";
import { MAX_DEPTH, MAX_INTERPOLATED_LENGTH, MAX_LEXEMES, MAX_NODES, MAX_TEXT_LENGTH } from "./limits.ts";
import { type Notes, type Place, wholeFile } from "./problem.ts";

interface Located {
  readonly line: number;
  readonly column: number;
}
export interface ScalarTree extends Located {
  readonly kind: "scalar";
  /** What YAML makes of it when it stands there without quotes; text that came from a variable is a string. */
  readonly type: "string" | "number" | "boolean" | "null";
  /** As written, variables filled in: `1.10` stays "1.10". */
  readonly text: string;
  /** As written, variables and all: what may be shown of it. */
  readonly written: string;
}
export interface ListTree extends Located {
  readonly kind: "list";
  readonly items: readonly Tree[];
}
export interface Entry extends Located {
  readonly value: Tree;
}
export interface MapTree extends Located {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, Entry>;
}
export type Tree = ScalarTree | ListTree | MapTree;

/** Names and contents of variables while a file is read; `used` grows. */
export interface VariableUse {
  readonly variables: Readonly<Record<string, string>>;
  readonly used: Set<string>;
}

/** null: there is nothing that can be looked at further, and `notes` says why. */
export function parseTree(text: string, variables: VariableUse, notes: Notes): MapTree | null {
  if (text.length > MAX_TEXT_LENGTH) {
    const size = `${text.length} characters, more than the ${MAX_TEXT_LENGTH} allowed`;
    notes.problem(wholeFile, "limit-exceeded", `The file has ${size}.`, "Split it into several apps.");
    return null;
  }
  const lines = new LineCounter();
  const root = parseNode(text, lines, notes);
  if (root === null) return null;
  const building: Building = {
    lines,
    notes,
    variables,
    anchors: new Map(),
    open: new Set(),
    built: new Map(),
    filledLength: 0,
  };
  const built = build(root, "", 0, building);
  if (built === null || notes.problems().length > 0) return null;
  if (built.tree.kind !== "map") {
    notes.problem(placeOf(built.tree, ""), "value-invalid", "A Compose file is a map with `services:` in it.");
    return null;
  }
  return built.tree;
}

export function placeOf(at: Located, path: string): Place {
  return { path, line: at.line, column: at.column };
}

function parseNode(text: string, lines: LineCounter, notes: Notes): Node | null {
  const tokens = readTokens(text, lines);
  if (typeof tokens === "string") {
    notes.problem(wholeFile, "limit-exceeded", tokens);
    return null;
  }
  // uniqueKeys compares every key with every other one; `build` finds repeated keys in one pass.
  const composer = new Composer({ uniqueKeys: false, merge: true, strict: true, stringKeys: false });
  const documents = [...composer.compose(tokens, true, text.length)];
  const first = documents[0];
  if (first === undefined || documents.length > 1) {
    notes.problem(
      wholeFile,
      "yaml-invalid",
      "The file holds several YAML documents.",
      "Remove the `---` between them and make each an app of its own.",
    );
    return null;
  }
  for (const fault of [...first.errors, ...first.warnings]) {
    const { line, col } = lines.linePos(fault.pos[0]);
    const said = fault.message.split("\n")[0] ?? "";
    notes.problem({ path: "", line, column: col }, "yaml-invalid", `This is not valid YAML: ${said}`);
  }
  if (notes.problems().length > 0) return null;
  if (first.contents === null || (isScalar(first.contents) && first.contents.value === null)) {
    notes.problem(wholeFile, "key-missing", "The file is empty.", "A Compose file needs at least `services:`.");
    return null;
  }
  return first.contents;
}

/** Stops at the first limit: a text of a million brackets is not read to its end. A sentence says which limit it was. */
function readTokens(text: string, lines: LineCounter): CST.Token[] | string {
  const tooDeep = `The file is nested deeper than ${MAX_DEPTH} levels.`;
  const parser = new Parser(lines.addNewLine);
  const tokens: CST.Token[] = [];
  let lexemes = 0;
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    lexemes += 1;
    if (lexemes > MAX_LEXEMES) return `The file has more than ${MAX_LEXEMES} words and marks.`;
    // A level takes two places on the parser's stack at most: the collection, and the value in it.
    if (parser.stack.length > 2 * MAX_DEPTH + 2) return tooDeep;
    tokens.push(...parser.next(lexeme));
  }
  tokens.push(...parser.end());
  return tokens.some((token) => token.type === "document" && isTooDeep(token.value)) ? tooDeep : tokens;
}

/** Looks at the plain tokens with a stack of its own, because the composer after it recurses. */
function isTooDeep(root: unknown): boolean {
  const stack: { token: unknown; depth: number }[] = [{ token: root, depth: 0 }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { token, depth } = next;
    if (typeof token !== "object" || token === null || !("items" in token) || !Array.isArray(token.items)) continue;
    if (depth > MAX_DEPTH) return true;
    for (const item of token.items) {
      stack.push({ token: item.key, depth: depth + 1 }, { token: item.value, depth: depth + 1 });
    }
  }
  return false;
}

interface Building {
  readonly lines: LineCounter;
  readonly notes: Notes;
  readonly variables: VariableUse;
  /** The last node with each anchor so far: nodes are built in the order of the text, which is what an alias means. */
  readonly anchors: Map<string, Node>;
  /** Nodes whose inside is being built: an alias to one of them would never end. */
  readonly open: Set<Node>;
  /** What an anchored node became: shared, so that a file of aliases costs no memory. */
  readonly built: Map<Node, Built>;
  filledLength: number;
}
/** `size` and `height` count aliases as if their content stood there. */
interface Built {
  readonly tree: Tree;
  readonly size: number;
  readonly height: number;
}

function locate(node: unknown, building: Building): Located {
  const offset = isNodeWithRange(node) ? node.range[0] : 0;
  const { line, col } = building.lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function isNodeWithRange(node: unknown): node is { range: [number, number, number] } {
  return typeof node === "object" && node !== null && "range" in node && Array.isArray(node.range);
}

function build(node: unknown, path: string, depth: number, building: Building): Built | null {
  const at = locate(node, building);
  const fail = (code: "yaml-invalid" | "limit-exceeded", message: string, hint?: string): null => {
    building.notes.problem(placeOf(at, path), code, message, hint);
    return null;
  };
  if (depth > MAX_DEPTH) return fail("limit-exceeded", `The file is nested deeper than ${MAX_DEPTH} levels.`);
  if (isAlias(node)) return buildAlias(node.source, node, path, depth, building);
  if (node === null)
    return { tree: { kind: "scalar", type: "null", text: "", written: "", ...at }, size: 1, height: 0 };
  if (!isScalar(node) && !isMap(node) && !isSeq(node)) return fail("yaml-invalid", "This is not a value.");
  if (node.tag !== undefined && !node.tag.startsWith("tag:yaml.org,2002:")) {
    return fail("yaml-invalid", `The tag ${node.tag} is not supported.`, "Write the value without a tag.");
  }
  if (node.anchor !== undefined) building.anchors.set(node.anchor, node);
  building.open.add(node);
  const built = isScalar(node)
    ? buildScalar(node, at, path, building)
    : isSeq(node)
      ? buildList(node.items, at, path, depth, building)
      : buildMap(node, at, path, depth, building);
  building.open.delete(node);
  if (built === null) return null;
  if (built.size > MAX_NODES) {
    return fail("limit-exceeded", `With its aliases followed, the file has more than ${MAX_NODES} values.`);
  }
  if (node.anchor !== undefined) building.built.set(node, built);
  return built;
}

function buildAlias(name: string, node: Node, path: string, depth: number, building: Building): Built | null {
  const place = placeOf(locate(node, building), path);
  const target = building.anchors.get(name);
  if (target === undefined) {
    const hint = didNotStand(name);
    building.notes.problem(place, "yaml-invalid", `There is no anchor &${name} before this alias.`, hint);
    return null;
  }
  if (building.open.has(target)) {
    building.notes.problem(place, "yaml-invalid", `The alias *${name} stands inside its own anchor, without end.`);
    return null;
  }
  const built = building.built.get(target);
  // What was wrong inside the anchored value has been said there.
  if (built === undefined) return null;
  if (depth + built.height > MAX_DEPTH) {
    building.notes.problem(place, "limit-exceeded", `The file is nested deeper than ${MAX_DEPTH} levels.`);
    return null;
  }
  return built;
}

function didNotStand(name: string): string {
  return `Write &${name} behind the key whose value is meant, higher up in the file.`;
}

function buildScalar(node: Scalar, at: Located, path: string, building: Building): Built | null {
  const { notes, variables } = building;
  const place = placeOf(at, path);
  const source = node.source ?? (typeof node.value === "string" ? node.value : "");
  if (source.includes("\0")) {
    notes.problem(place, "value-invalid", "A value cannot hold a NUL character.");
    return null;
  }
  const filled = interpolate(source, variables.variables);
  for (const name of filled.used) variables.used.add(name);
  for (const name of filled.unset) {
    notes.warning(
      place,
      "variable-unset",
      `The variable ${name} is not set: empty text stands in its place.`,
      `Set it, or write \${${name}:-default}. For a plain dollar sign write $$.`,
    );
  }
  for (const fault of filled.faults) tellFault(fault, place, notes);
  if (filled.text !== source) {
    building.filledLength += filled.text.length;
    if (building.filledLength > MAX_INTERPOLATED_LENGTH) {
      notes.problem(place, "limit-exceeded", "With its variables filled in, the file is too large.");
      return null;
    }
    return { tree: { kind: "scalar", type: "string", text: filled.text, written: source, ...at }, size: 1, height: 0 };
  }
  return {
    tree: { kind: "scalar", type: scalarType(node.value), text: source, written: source, ...at },
    size: 1,
    height: 0,
  };
}

function tellFault(fault: ReturnType<typeof interpolate>["faults"][number], place: Place, notes: Notes): void {
  switch (fault.kind) {
    case "invalid":
      notes.problem(
        place,
        "variable-invalid",
        `This variable cannot be read: ${fault.message}.`,
        "For a plain dollar sign write $$.",
      );
      return;
    case "required": {
      const why = fault.message === "" ? "" : `: ${fault.message}`;
      notes.problem(
        place,
        "variable-required",
        `The variable ${fault.name} is needed${why}.`,
        `Set ${fault.name}, for example with --env-file.`,
      );
      return;
    }
    case "too-long":
      notes.problem(place, "limit-exceeded", "With its variables filled in, this value is too long.");
  }
}

function scalarType(value: unknown): ScalarTree["type"] {
  if (value === null) return "null";
  if (typeof value === "boolean") return "boolean";
  return typeof value === "number" || typeof value === "bigint" ? "number" : "string";
}

function buildList(
  items: readonly unknown[],
  at: Located,
  path: string,
  depth: number,
  building: Building,
): Built | null {
  const trees: Tree[] = [];
  let size = 1;
  let height = 0;
  for (const [index, item] of items.entries()) {
    const built = build(item, `${path}[${index}]`, depth + 1, building);
    if (built === null) continue;
    trees.push(built.tree);
    size += built.size;
    height = Math.max(height, built.height + 1);
    if (size > MAX_NODES) break;
  }
  return { tree: { kind: "list", items: trees, ...at }, size, height };
}

function buildMap(node: YAMLMap, at: Located, path: string, depth: number, building: Building): Built | null {
  const own = new Map<string, Entry>();
  const merged = new Map<string, Entry>();
  let size = 1;
  let height = 0;
  for (const pair of node.items) {
    const key = keyText(pair.key, path, building);
    if (key === null) continue;
    const keyAt = locate(pair.key, building);
    const isMerge = key === "<<" && isScalar(pair.key) && pair.key.type === "PLAIN";
    const childPath = isMerge ? path : joinPath(path, key);
    if (own.has(key)) {
      building.notes.problem(placeOf(keyAt, childPath), "yaml-invalid", `The key \`${key}\` stands here twice.`);
      continue;
    }
    const built = build(pair.value, childPath, depth + 1, building);
    if (built === null) continue;
    size += built.size;
    height = Math.max(height, built.height + 1);
    if (isMerge) merge(built.tree, merged, placeOf(keyAt, path), building.notes);
    else own.set(key, { value: built.tree, ...keyAt });
    if (size > MAX_NODES) break;
  }
  // What stands in the map itself wins over what is merged into it.
  const entries = new Map([...merged, ...own]);
  return { tree: { kind: "map", entries, ...at }, size, height };
}

/** Earlier maps win over later ones, as YAML's merge key has it. */
function merge(value: Tree, into: Map<string, Entry>, place: Place, notes: Notes): void {
  const sources = value.kind === "list" ? value.items : [value];
  for (const source of sources) {
    if (source.kind !== "map") {
      notes.problem(place, "yaml-invalid", "`<<` needs a map, or a list of maps.", "Write <<: *anchor.");
      continue;
    }
    for (const [key, entry] of source.entries) if (!into.has(key)) into.set(key, entry);
  }
}

function keyText(key: unknown, path: string, building: Building): string | null {
  const place = placeOf(locate(key, building), path);
  // "__proto__" is no name in any Compose file, and readers of JSON trip over it.
  if (!isScalar(key) || key.value === null || key.value === "__proto__") {
    building.notes.problem(place, "yaml-invalid", "A key must be plain text.");
    return null;
  }
  const text = key.source ?? String(key.value);
  if (!text.includes("\0")) return text;
  building.notes.problem(place, "yaml-invalid", "A key cannot hold a NUL character.");
  return null;
}

/** Keys that are no plain words are quoted, so that a path can be read back. */
export function joinPath(path: string, key: string): string {
  const part = /^[\w-]+$/.test(key) ? key : JSON.stringify(key);
  return path === "" ? part : `${path}.${part}`;
}
