// The specification and the tests hold each other: every rule is quoted by a test's name, every quoted rule exists.
// docs/spec/*.md states a rule as "- **[R14]** text"; a test quotes it as test("[R14] …").
import ts from "typescript";
import { type Finding, isSource, isTest, lineOf, parse, type Tree, visit } from "./tree.ts";

const STATED = /^- \*\*\[([A-Z]\d+)\]\*\*\s+\S/;
const MENTIONED = /\[([A-Z]\d+)\]/g;
/** Planted samples quote rules that must not exist. */
const NOT_QUOTING = "test/tidy/";

export function checkRules(tree: Tree): readonly Finding[] {
  const { stated, findings } = statedRules(tree);
  const quoted = new Set<string>();
  for (const [path, text] of tree) {
    if (!isSource(path) || !isTest(path) || path.startsWith(NOT_QUOTING)) continue;
    const file = parse(path, text);
    visit(file, (node) => {
      if (!ts.isStringLiteralLike(node) && !ts.isTemplateHead(node)) return;
      for (const [, rule = ""] of node.text.matchAll(MENTIONED)) {
        quoted.add(rule);
        if (!stated.has(rule))
          findings.push({ path, says: `line ${lineOf(file, node)}: quotes [${rule}], which docs/spec does not state` });
      }
    });
  }
  for (const [rule, path] of stated) if (!quoted.has(rule)) findings.push({ path, says: `no test quotes [${rule}]` });
  return findings;
}

function statedRules(tree: Tree): { stated: ReadonlyMap<string, string>; findings: Finding[] } {
  const stated = new Map<string, string>();
  const findings: Finding[] = [];
  for (const [path, text] of tree) {
    if (!path.startsWith("docs/spec/")) continue;
    for (const line of text.split("\n")) {
      const rule = STATED.exec(line)?.[1];
      if (rule === undefined) continue;
      if (stated.has(rule)) findings.push({ path, says: `states [${rule}], which ${stated.get(rule)} states too` });
      stated.set(rule, path);
    }
  }
  return { stated, findings };
}
