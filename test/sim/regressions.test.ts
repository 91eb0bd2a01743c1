// Seeds that once failed (regressions.ts); of those that showed faults of the simulator itself only before a change lands.
import { expect, test } from "vitest";
import { REGRESSIONS } from "./regressions.ts";
import { SEED_TIMEOUT_MS, verdict } from "./verdict.ts";

const asked = process.env["SKERRY_SIM_SEEDS"];
const regressions = REGRESSIONS.filter(({ of }) => asked !== undefined || of !== "simulator");
test(
  "seeds that once failed do not any more",
  async () => {
    for (const { seed } of regressions) expect(await verdict(seed)).toBe("");
  },
  regressions.length * SEED_TIMEOUT_MS,
);
