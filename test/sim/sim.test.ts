// The simulator's fixed seeds for every run of the checks, and more of them with SKERRY_SIM_SEEDS. A failure prints the line that
// repeats it.
import { expect, test } from "vitest";
import { dependsOnClocks } from "./checkers/clocks.ts";
import { CLOCK_FAULTS } from "./planted.ts";
import { REGRESSIONS } from "./regressions.ts";
import { runSeed } from "./run.ts";

/** Few enough for `npm run check`; `npm test` asks for more. */
const FIXED_SEEDS = 12;
const asked = process.env["SKERRY_SIM_SEEDS"];
const seeds = Number(asked ?? FIXED_SEEDS);
const regressions = REGRESSIONS.filter(({ of }) => asked !== undefined || of !== "simulator");
/** One test for so many seeds: its name says where to look. */
const BUNDLE = 8;
/** On a machine that is busy with other tests a seed may take a second or two. */
const SEED_TIMEOUT_MS = 15_000;

async function verdict(seed: number): Promise<string> {
  const { violations } = await runSeed(seed);
  if (violations.length === 0) return "";
  const lines = violations.slice(0, 5).map(({ invariant, message }) => `[${invariant}] ${message}`);
  return [`npm run sim -- --seeds 1 --from ${seed}`, ...lines].join("\n");
}

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

test(
  "seeds that once failed do not any more",
  async () => {
    for (const { seed } of regressions) expect(await verdict(seed)).toBe("");
  },
  regressions.length * SEED_TIMEOUT_MS,
);

test("the same seed gives the same run, to the last line", async () => {
  for (const seed of [7]) {
    const first = await runSeed(seed);
    const second = await runSeed(seed);
    expect(second.hash).toBe(first.hash);
    expect(second.steps).toBe(first.steps);
  }
});

test("[I24] wall clocks that jump by decades change nothing that is done", async () => {
  const options = {
    faults: CLOCK_FAULTS,
    epilogue: null,
    // A bad revision ends by itself: how long it ran is only known from the engine's own wall-clock stamps.
    wishes: { kinds: ["steady"], policies: ["keep"], roughMs: 60_000, plainUpdates: true },
  } as const;
  for (const seed of [1, 2, 3]) expect(await dependsOnClocks(seed, options)).toEqual([]);
});

test("[I24] wall clocks that jump by decades change nothing in the middle of updates, good ones and bad ones", async () => {
  const options = {
    // A hub that is started goes by its wall clock for what is left of a drain's deadline, and update windows are those of wall clocks.
    faults: CLOCK_FAULTS.filter((fault) => fault !== "hub killed"),
    epilogue: null,
    wishes: { kinds: ["steady"], policies: ["keep"], roughMs: 60_000, timed: false },
  } as const;
  for (const seed of [5, 6, 7, 10, 11]) expect(await dependsOnClocks(seed, options)).toEqual([]);
});

test("[I12] what is done does not hang on messages: with every engine event lost and connections reset all is as it should be", async () => {
  const faults = [
    "engine events lost",
    "engine events lost",
    "link reset",
    "link forgets",
    "container killed",
    "image deleted",
  ];
  for (const seed of [1, 2, 3]) {
    const { violations } = await runSeed(seed, { faults, wishes: { kinds: ["steady", "job"], roughMs: 60_000 } });
    expect(violations).toEqual([]);
  }
});
