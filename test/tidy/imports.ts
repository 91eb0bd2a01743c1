// Which file may import which: shared ← core ← shell ← main, and agent and hub never each other. Types may be imported more
// freely than code, because they are gone when the program runs; what runs must follow the table below.
import { posix } from "node:path";
import ts from "typescript";
import { type Finding, isShipped, parse, type Tree, visit } from "./tree.ts";

export interface Import {
  readonly from: string;
  /** A path in the tree, or the name of a package or of a part of Node. */
  readonly to: string;
  /** false: gone at run time. `import { type X }` is still there, as an import for its side effects. */
  readonly runs: boolean;
}

/** What core/ may use of shared: data, and the few pure helpers and stated numbers. */
const PURE = [
  "shared/src/model",
  "shared/src/policy",
  "shared/src/protocol/version.ts",
  "shared/src/runtime/result.ts",
  "shared/src/runtime/assert.ts",
  "shared/src/runtime/backoff.ts",
];

/** What each folder may import at run time, besides itself. The longest folder that fits a file is the one that counts. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  "shared/src/model": ["shared/src/policy", "shared/src/runtime"],
  "shared/src/policy": ["shared/src/model", "shared/src/runtime"],
  "shared/src/protocol": ["shared/src/model", "shared/src/runtime"],
  "shared/src/runtime": [],

  "agent/src/core": PURE,
  "agent/src/engine": ["agent/src/core", "shared/src"],
  "agent/src/ledger": ["agent/src/core", "shared/src"],
  "agent/src/link": ["agent/src/core", "agent/src/ledger", "shared/src"],
  "agent/src/reconciler": [
    "agent/src/core",
    "agent/src/engine",
    "agent/src/ledger",
    "agent/src/prober/prober.ts",
    "shared/src",
  ],
  "agent/src/prober": ["agent/src/core", "agent/src/engine", "shared/src"],
  "agent/src/streams": [
    "agent/src/core",
    "agent/src/engine",
    "agent/src/ledger",
    "agent/src/link/network-failure.ts",
    "agent/src/link/ws-options.ts",
    "shared/src",
  ],
  "agent/src/values": ["agent/src/core", "shared/src"],
  "agent/src/facts": ["agent/src/core", "agent/src/engine/engine.ts", "shared/src"],
  "agent/src/control": ["agent/src/core", "agent/src/streams/streams.ts", "shared/src"],
  "agent/src": ["agent/src", "shared/src"],

  "hub/src/core": PURE,
  "hub/src/compose": ["hub/src/core", "shared/src"],
  "hub/src/store": ["hub/src/core", "shared/src"],
  "hub/src/link": ["hub/src/core", "hub/src/store", "shared/src"],
  "hub/src/tls": ["hub/src/core", "hub/src/store", "shared/src"],
  "hub/src/keyring": ["shared/src"],
  "hub/src/values": ["hub/src/core", "hub/src/store", "hub/src/keyring", "shared/src"],
  "hub/src/http": [
    "hub/src/core",
    "hub/src/store",
    "hub/src/compose",
    "hub/src/keyring",
    "hub/src/values",
    "shared/src",
  ],
  "hub/src/cli": ["hub/src", "shared/src"],
  "hub/src": ["hub/src", "shared/src"],
};

/** Run by a person or a supervisor: nothing may import it but the command line, which starts it. */
const ENTRIES = new Set(["agent/src/main.ts", "hub/src/main.ts", "hub/src/cli/main.ts"]);

/** Each file is asked about by every file that loads it. */
const known = new WeakMap<ts.SourceFile, readonly Import[]>();

export function importsOf(path: string, text: string): readonly Import[] {
  const file = parse(path, text);
  const before = known.get(file);
  if (before !== undefined) return before;
  const found: Import[] = [];
  visit(file, (node) => {
    const place = specifierOf(node);
    if (place !== null) found.push({ from: path, to: resolve(path, place.name), runs: place.runs });
  });
  known.set(file, found);
  return found;
}

function specifierOf(node: ts.Node): { name: string; runs: boolean } | null {
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    const typeOnly = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
    return { name: node.moduleSpecifier.text, runs: !typeOnly };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined && ts.isStringLiteral(node.moduleSpecifier)) {
    return { name: node.moduleSpecifier.text, runs: !node.isTypeOnly };
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [argument] = node.arguments;
    return argument !== undefined && ts.isStringLiteral(argument) ? { name: argument.text, runs: true } : null;
  }
  return null;
}

function resolve(from: string, name: string): string {
  if (name.startsWith(".")) return posix.normalize(posix.join(posix.dirname(from), name));
  const ours = /^@skerry\/(shared|agent|hub)\/(.+)$/.exec(name);
  return ours === null ? name : `${ours[1]}/src/${ours[2]}`;
}

/** Wrong directions, and imports of files that are not there. */
export function checkImports(tree: Tree): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [path, text] of tree) {
    if (!isShipped(path)) continue;
    for (const each of importsOf(path, text)) {
      const wrong = wrongWith(tree, each);
      if (wrong !== null) findings.push({ path, says: wrong });
    }
  }
  return findings;
}

function wrongWith(tree: Tree, { from, to, runs }: Import): string | null {
  const [home, target] = [workspaceOf(from), workspaceOf(to)];
  if (target === null) return null;
  if (!tree.has(to)) return `imports ${to}, which is not there`;
  if (target !== home && target !== "shared")
    return `${home} imports ${to}: only shared may be imported from another workspace`;
  if (to.endsWith(".test.ts")) return `imports the test ${to}`;
  if (ENTRIES.has(to) && !from.startsWith("hub/src/cli/")) return `imports the entry ${to}`;
  if (!runs) return null;
  const folder = folderOf(from);
  if (folder === null) return `is in a folder that the import table in test/tidy/imports.ts does not know`;
  const may = [folder, ...(MAY[folder] ?? [])];
  if (may.some((each) => to === each || to.startsWith(`${each}/`))) return null;
  return `${folder} imports ${to} at run time: it may import only ${may.join(", ")}`;
}

function workspaceOf(path: string): "shared" | "agent" | "hub" | null {
  const found = /^(shared|agent|hub)\/src\//.exec(path)?.[1];
  // The pattern has no other words.
  return (found as "shared" | "agent" | "hub" | undefined) ?? null;
}

function folderOf(path: string): string | null {
  const fitting = Object.keys(MAY).filter((folder) => path.startsWith(`${folder}/`));
  return fitting.sort((a, b) => b.length - a.length)[0] ?? null;
}

/** Everything that a file loads when it runs, with the way there, for messages. */
export function loadedBy(tree: Tree, start: string): ReadonlyMap<string, readonly string[]> {
  const ways = new Map<string, readonly string[]>([[start, [start]]]);
  for (const [path, way] of ways) {
    const text = tree.get(path);
    if (text === undefined) continue;
    for (const { to, runs } of importsOf(path, text)) if (runs && !ways.has(to)) ways.set(to, [...way, to]);
  }
  return ways;
}
