// Whether an image finds room: examples.
import { expect, test } from "vitest";
import { misfit, sentBytes } from "./fit.ts";

const MEBIBYTE = 1_048_576;
const GIBIBYTE = 1_024 * MEBIBYTE;

test("[N160] an image fits when three times what is sent leaves half of the reserve, and the refusal has the sizes", () => {
  const disk = (freeBytes: number) => ({ freeBytes, totalBytes: 8 * GIBIBYTE });
  // Half of the reserve of 8 GB is 256 MB.
  expect(misfit("web:2", 100 * MEBIBYTE, disk(556 * MEBIBYTE))).toBeNull();
  const refusal = misfit("web:2", 100 * MEBIBYTE, disk(555 * MEBIBYTE));
  expect(refusal).toContain("web:2 does not fit: 100 MB to fetch need about 300 MB");
  expect(refusal).toContain("555 MB of 8192 MB are free and 256 MB are kept back");
});

test("[N160] layers that are there cost nothing, and an image of only such ones fits on a full disk", () => {
  const layers = [
    { id: "sha256:a", bytes: 5 },
    { id: null, bytes: 7 },
    { id: "sha256:b", bytes: 11 },
  ];
  expect(sentBytes(layers, new Set())).toBe(23);
  expect(sentBytes(layers, new Set(["sha256:a"]))).toBe(18);
  expect(misfit("web:2", 0, { freeBytes: 0, totalBytes: GIBIBYTE })).toBeNull();
});
