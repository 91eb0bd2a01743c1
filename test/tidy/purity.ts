// core/ is synchronous and pure, and time and chance are parameters everywhere else: correctness and the simulator hang on it.
import ts from "typescript";
import { loadedBy } from "./imports.ts";
import { type Finding, isShipped, lineOf, parse, type Tree, visit } from "./tree.ts";

/** Names that reach out of a pure function: clock, chance, network, output, and waiting. */
const NOT_IN_CORE = new Set([
  "Date",
  "performance",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "process",
  "console",
  "crypto",
  "fetch",
  "Promise",
  "globalThis",
]);
const TIMERS = new Set(["setTimeout", "setInterval", "setImmediate"]);
const CHANCE = new Set(["randomUUID", "randomBytes", "randomInt", "randomFillSync", "getRandomValues"]);

const isCore = (path: string): boolean => /^(agent|hub)\/src\/core\//.test(path);
/** The owners of time and chance, and the places that hand them out. The agent's clock counts suspended time, which needs Node. */
const owns = (path: string): boolean =>
  path.startsWith("shared/src/runtime/") || path === "agent/src/boot-clock.ts" || /(^|\/)main\.ts$/.test(path);

/** Looks at core/ and at all that it loads when it runs: a helper in shared that reads the clock is as bad. */
export function checkCore(tree: Tree): readonly Finding[] {
  const findings: Finding[] = [];
  const ours = new Set<string>();
  for (const path of tree.keys()) {
    if (!isShipped(path) || !isCore(path)) continue;
    findings.push(...checkLoaded(tree, path));
    for (const to of loadedBy(tree, path).keys()) if (tree.has(to)) ours.add(to);
  }
  for (const path of [...ours].sort()) findings.push(...checkWords(path, tree.get(path) ?? ""));
  return findings;
}

function checkWords(path: string, text: string): readonly Finding[] {
  const file = parse(path, text);
  const findings: Finding[] = [];
  const add = (node: ts.Node, what: string): void => {
    findings.push({
      path,
      says: `line ${lineOf(file, node)}: ${what} in what core/ runs, which is pure and synchronous`,
    });
  };
  visit(file, (node) => {
    if (node.kind === ts.SyntaxKind.AsyncKeyword) add(node, "async");
    if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier !== undefined))
      add(node, "await");
    if (isRandom(node)) add(node, "Math.random");
    if (ts.isIdentifier(node) && NOT_IN_CORE.has(node.text) && isFreeName(node)) add(node, node.text);
    if (isModuleLet(node)) add(node, "a variable of the module that can change");
  });
  return findings;
}

function checkLoaded(tree: Tree, path: string): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [to, way] of loadedBy(tree, path)) {
    if (tree.has(to)) continue;
    // Whatever is not a file of ours is a package or a part of Node.
    findings.push({
      path,
      says: `loads ${to} when it runs, by ${way.join(" → ")}; core/ needs nothing but our own pure code`,
    });
  }
  return findings;
}

export function checkTimeAndChance(tree: Tree): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [path, text] of tree) {
    if (!isShipped(path) || owns(path) || path.startsWith("hub/src/web/")) continue;
    const file = parse(path, text);
    visit(file, (node) => {
      const what = timeOrChance(node);
      if (what !== null) {
        findings.push({ path, says: `line ${lineOf(file, node)}: ${what}; take a Clock or a Random as a parameter` });
      }
    });
  }
  return findings;
}

/** `new Date(ms)` only turns a number into a text, and may stand anywhere outside core/. */
function timeOrChance(node: ts.Node): string | null {
  if (isMember(node, "Date", "now")) return "Date.now";
  if (isMember(node, "performance", "now")) return "performance.now";
  if (isMember(node, "process", "hrtime")) return "process.hrtime";
  if (isRandom(node)) return "Math.random";
  if (ts.isNewExpression(node) && isName(node.expression, "Date") && (node.arguments?.length ?? 0) === 0)
    return "new Date()";
  if (ts.isIdentifier(node) && TIMERS.has(node.text) && isFreeName(node)) return node.text;
  if (ts.isIdentifier(node) && CHANCE.has(node.text) && !isDeclaredName(node)) return node.text;
  if (ts.isStringLiteral(node) && /^(node:)?timers/.test(node.text) && ts.isImportDeclaration(node.parent))
    return node.text;
  return null;
}

function isRandom(node: ts.Node): boolean {
  return isMember(node, "Math", "random");
}

function isMember(node: ts.Node, object: string, name: string): boolean {
  return ts.isPropertyAccessExpression(node) && isName(node.expression, object) && node.name.text === name;
}

function isName(node: ts.Node, text: string): boolean {
  return ts.isIdentifier(node) && node.text === text;
}

/** A use of a global, and not a member, a key, a parameter or a type of that name. */
function isFreeName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) return false;
  if (ts.isTypeNode(parent) || ts.isQualifiedName(parent))
    return ts.isTypeReferenceNode(parent) && node.text === "Promise";
  return !isDeclaredName(node);
}

function isDeclaredName(node: ts.Identifier): boolean {
  const { parent } = node;
  const declares =
    ts.isPropertyAssignment(parent) ||
    ts.isPropertySignature(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isMethodSignature(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isParameter(parent) ||
    ts.isVariableDeclaration(parent) ||
    ts.isFunctionDeclaration(parent) ||
    ts.isBindingElement(parent);
  return declares && parent.name === node;
}

function isModuleLet(node: ts.Node): boolean {
  if (!ts.isVariableStatement(node) || !ts.isSourceFile(node.parent)) return false;
  return (node.declarationList.flags & ts.NodeFlags.Const) === 0;
}
