// What every file owes its reader: an opening comment that says what it is for; and tests that all run.
import ts from "typescript";
import { type Finding, isSource, isTest, lineOf, parse, type Tree, visit } from "./tree.ts";

const TEST_WORDS = new Set(["test", "it", "describe", "suite", "bench"]);
const SKIPPING = new Set(["only", "skip", "todo", "fails"]);

export function checkOpenings(tree: Tree): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [path, text] of tree) {
    if (!isSource(path) || path.endsWith(".d.ts")) continue;
    if (!/^(#!.*\n)?(\/\/ \S|\/\*\*?\s)/.test(text))
      findings.push({ path, says: "does not open with a comment that says what it is for" });
  }
  return findings;
}

export function checkAllTestsRun(tree: Tree): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [path, text] of tree) {
    if (!isSource(path) || !isTest(path)) continue;
    const file = parse(path, text);
    visit(file, (node) => {
      if (!ts.isPropertyAccessExpression(node) || !SKIPPING.has(node.name.text)) return;
      if (ts.isIdentifier(node.expression) && TEST_WORDS.has(node.expression.text)) {
        findings.push({ path, says: `line ${lineOf(file, node)}: ${node.getText(file)} leaves tests out` });
      }
    });
  }
  return findings;
}
