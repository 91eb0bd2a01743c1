// docs/limits.md is what the source says, and no exported limit is missing from it.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { constantsIn, LIMITS_PAGE, limitsPage, strays, workedOut } from "./limits.ts";

test("[A370] docs/limits.md is made from the constants in the source (node test/proof/limits.ts makes it)", () => {
  expect(readFileSync(LIMITS_PAGE, "utf8")).toBe(limitsPage());
});

test("[A370] every exported limit stands in a file that the page lists", () => {
  expect(strays()).toEqual([]);
});

test("[A370] every limit says why it is what it is", () => {
  const unsaid = limitsPage()
    .split("\n")
    .filter((line) => /^\| `[A-Z_]+` \|[^|]*\|\s*\|/.test(line));
  expect(unsaid).toEqual([]);
});

test("constants are read with their comments, and worked out", () => {
  const source = `/** One. */
export const MAX_A = 1_000;
const A_BURST = 2 * MAX_A;

const MAX_B = 6 * MAX_A + 512;
/**
 * Two
 * lines.
 */
const MAX_C = 2 ** 48;
const NAMES = ["x"];
`;
  const found = constantsIn(source);
  expect(found.map(({ name, says, exported }) => [name, says, exported])).toEqual([
    ["MAX_A", "One.", true],
    ["A_BURST", "As the one above.", false],
    ["MAX_B", "", false],
    ["MAX_C", "Two lines.", false],
  ]);
  const named = (name: string): number => workedOut(found.find((one) => one.name === name)?.text ?? "", named);
  expect(["A_BURST", "MAX_B", "MAX_C"].map(named)).toEqual([2_000, 6_512, 2 ** 48]);
  expect(() => workedOut("x()", named)).toThrow("no number");
});
