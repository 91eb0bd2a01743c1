// A checker counts only if it has been seen to fire: for each, a bug is planted and must be found; without the bug nothing is.
import { describe, expect, test } from "vitest";
import { dependsOnClocks } from "./checkers/clocks.ts";
import type { Bug } from "./mutants.ts";
import { PLANTED, type Planted } from "./planted.ts";
import { runSeed } from "./run.ts";

const found = async ({ invariant, seed, options }: Planted, bug: Bug | null) =>
  invariant === "I24"
    ? await dependsOnClocks(seed, { ...options, bug })
    : (await runSeed(seed, { ...options, bug })).violations;

describe("planted bugs", () => {
  // The keys of the table are its type's members.
  for (const [bug, planted] of Object.entries(PLANTED) as [Bug, Planted][]) {
    test(`[${planted.invariant}] fires when: ${bug}`, async () => {
      const hits = (await found(planted, bug)).filter(
        ({ invariant, message }) => invariant === planted.invariant && (planted.says?.test(message) ?? true),
      );
      expect(hits).not.toEqual([]);
      expect(await found(planted, null)).toEqual([]);
    });
  }
});
