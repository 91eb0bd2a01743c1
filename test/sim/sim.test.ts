// What the simulator holds beside its seeds (seeds.test.ts, regressions.test.ts): that runs repeat, that clocks change nothing.
import { expect, test } from "vitest";
import { dependsOnClocks } from "./checkers/clocks.ts";
import { CLOCK_FAULTS } from "./planted.ts";
import { runSeed } from "./run.ts";

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
