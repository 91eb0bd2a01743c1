// The list of hostile attempts, the tests that show them and the page that tells of them hold each other.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ATTEMPTS } from "../hostile/attempts.ts";
import { withTable } from "../hostile/page.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
/** A title, over one line or several, with a number in round brackets. */
const quotes = (file: string, id: string): boolean =>
  new RegExp(`(test|\\))\\(\\s*["\`][^"\`\\n]*\\(${id}\\)|["\`]\\(${id}\\) `).test(read(file));

test("docs/SECURITY.md has the list as it is (node test/hostile/page.ts makes it)", () => {
  const page = read("docs/SECURITY.md");
  expect(page).toBe(withTable(page));
});

test("every attempt stands in the list once, from H01 to H70", () => {
  const all = Array.from({ length: 70 }, (_, index) => `H${String(index + 1).padStart(2, "0")}`);
  expect(ATTEMPTS.map(({ id }) => id)).toEqual(all);
});

test.each(ATTEMPTS.map((attempt) => [attempt.id, attempt] as const))(
  "%s is shown by tests that exist",
  (id, { shown }) => {
    if (shown.by === "none") return expect(shown.why).not.toBe("");
    expect(shown.files.length).toBeGreaterThan(0);
    for (const file of shown.files) {
      expect(existsSync(join(ROOT, file)), file).toBe(true);
      expect(quotes(file, id), `${file} has a test that quotes (${id})`).toBe(true);
    }
  },
);

test("no test quotes an attempt that the list does not name it for", () => {
  const named = new Set(
    ATTEMPTS.flatMap(({ id, shown }) => (shown.by === "test" ? shown.files.map((file) => `${file} ${id}`) : [])),
  );
  const files = new Set(ATTEMPTS.flatMap(({ shown }) => (shown.by === "test" ? shown.files : [])));
  const unnamed = [...files].flatMap((file) =>
    [...read(file).matchAll(/["`]\((H\d\d)\)/g)].map(([, id = ""]) => `${file} ${id}`).filter((one) => !named.has(one)),
  );
  expect(unnamed).toEqual([]);
});
