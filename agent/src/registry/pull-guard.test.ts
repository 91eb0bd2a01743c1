// The guard of pulls over this machine's own disk.
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { type EngineInside, pullGuard } from "./pull-guard.ts";

const inside = (dataRoot: string): EngineInside => ({
  dataRoot,
  platform: "linux/amd64",
  insecure: [],
  layers: () => Promise.resolve(new Set()),
});
const PEBIBYTE = 2 ** 50;

test("[N162] a pull is refused once its totals outgrow the disk, and not before", () => {
  const refusal = pullGuard.during("web:2", inside(tmpdir()));
  expect(refusal(0)).toBeNull();
  expect(refusal(PEBIBYTE)).toContain("web:2 does not fit");
});

test("[N162] a disk that cannot be looked at refuses nothing", async () => {
  const elsewhere = inside("/nowhere/of/this/machine");
  expect(pullGuard.during("web:2", elsewhere)(PEBIBYTE)).toBeNull();
  expect(await pullGuard.before("web:2", null, null, elsewhere, new AbortController().signal)).toBeNull();
});
