// Our unified diff: what it must say of any two texts, and how it looks.
import fc from "fast-check";
import { expect, test } from "vitest";
import { unifiedDiff } from "./unified.ts";

const text = fc
  .array(fc.constantFrom("a", "b", "c", "services:", "  web:"), { maxLength: 30 })
  .map((lines) => lines.map((line) => `${line}\n`).join(""));

/** Its own reading of a diff: what stands with " " and "-" must be `from`, what stands with " " and "+" must be `to`. */
function applied(from: string, diff: string): string {
  const source = from.split("\n").slice(0, -1);
  const result: string[] = [];
  let at = 0;
  for (const line of diff.split("\n").slice(2, -1)) {
    const head = /^@@ -(\d+)(?:,(\d+))? \+/.exec(line);
    if (head !== null) {
      const start = Number(head[1]) - (head[2] === "0" ? 0 : 1);
      result.push(...source.slice(at, start));
      at = start;
    } else if (line.startsWith("+")) result.push(line.slice(1));
    else {
      expect(source[at]).toBe(line.slice(1));
      if (line.startsWith(" ")) result.push(line.slice(1));
      at += 1;
    }
  }
  return [...result, ...source.slice(at)].map((line) => `${line}\n`).join("");
}

test("[U19] applied to the one text, a diff gives the other, whatever they are", () => {
  fc.assert(
    fc.property(text, text, (from, to) => {
      expect(applied(from, unifiedDiff(from, to, "a", "b"))).toBe(to);
    }),
  );
});

test("[U19] it is as git would show it", () => {
  const from = "name: shop\nservices:\n  web:\n    image: web:1\n    ports: [80:80]\n  db:\n    image: db\n";
  const to = from.replace("web:1", "web:2");
  expect(unifiedDiff(from, to, "revision 1", "revision 2")).toBe(
    [
      "--- revision 1",
      "+++ revision 2",
      "@@ -1,7 +1,7 @@",
      " name: shop",
      " services:",
      "   web:",
      "-    image: web:1",
      "+    image: web:2",
      "     ports: [80:80]",
      "   db:",
      "     image: db",
      "",
    ].join("\n"),
  );
  expect(unifiedDiff(from, from, "a", "b")).toBe("");
});

test("[U19] two long files that have nothing in common cost little", () => {
  const long = (word: string): string => Array.from({ length: 20_000 }, (_, i) => `${word}${i}\n`).join("");
  const diff = unifiedDiff(long("a"), long("b"), "a", "b");
  expect(diff.split("\n")).toHaveLength(40_004);
});
