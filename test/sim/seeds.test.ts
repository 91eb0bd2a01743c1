// The simulator's fixed seeds for every run of the checks, and more of them with SKERRY_SIM_SEEDS. A failure prints the line that
// repeats it. In a file of their own, so that they run beside the simulator's other tests.
import { expect, test } from "vitest";
import { SEED_TIMEOUT_MS, verdict } from "./verdict.ts";

/** Few enough for `npm run check`; `npm test` asks for more. */
const FIXED_SEEDS = 12;
const seeds = Number(process.env["SKERRY_SIM_SEEDS"] ?? FIXED_SEEDS);
/** One test for so many seeds: its name says where to look. */
const BUNDLE = 8;

for (let from = 1; from <= seeds; from += BUNDLE) {
  const until = Math.min(seeds, from + BUNDLE - 1);
  test(
    `[I10] seeds ${from} to ${until}: rough times, then everything heals, settles, rests, and no invariant was broken`,
    async () => {
      for (let seed = from; seed <= until; seed += 1) expect(await verdict(seed)).toBe("");
    },
    BUNDLE * SEED_TIMEOUT_MS,
  );
}
