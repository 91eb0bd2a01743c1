// That a moment is written as toISOString writes it.
import fc from "fast-check";
import { expect, test } from "vitest";
import { isoTime } from "./iso-time.ts";

test("a moment is written as toISOString writes it, from the year 0 to 9999", () => {
  const [first, last] = ["0000-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"];
  expect([Date.parse(first), Date.parse(last)].map(isoTime)).toEqual([first, last]);
  const moments = fc.integer({ min: Date.parse(first), max: Date.parse(last) });
  fc.assert(fc.property(moments, (ms) => isoTime(ms) === new Date(ms).toISOString()));
});
