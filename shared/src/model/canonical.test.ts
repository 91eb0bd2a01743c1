// The canonical form, and the comparison that must agree with it.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, sameJson } from "./canonical.ts";

const json = fc.jsonValue({ maxDepth: 3 });

describe("canonical JSON", () => {
  test("keys are sorted, and members that are null or undefined are left out", () => {
    expect(canonicalJson({ b: [1, null, { d: null, c: "x" }], a: undefined, z: null })).toBe(
      '{"b":[1,null,{"c":"x"}]}',
    );
  });

  test("two values are the same exactly when their canonical JSON is", () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        expect(sameJson(a, b)).toBe(canonicalJson(a) === canonicalJson(b));
        expect(sameJson(a, structuredClone(a))).toBe(true);
      }),
    );
  });

  test("an absent member is the same as null, on either side and at any depth", () => {
    expect(sameJson({ a: 1, b: null }, { a: 1 })).toBe(true);
    expect(sameJson({ a: 1 }, { a: 1, b: null })).toBe(true);
    expect(sameJson({ a: [{ b: 2 }] }, { a: [{ b: 2, c: 3 }] })).toBe(false);
    expect(sameJson({}, [])).toBe(false);
  });
});
