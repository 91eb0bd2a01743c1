// What users of other systems complain of for years, each as a rough time of its own. Every checker looks on; the name says whose story it is.
import { expect, test } from "vitest";
import { type RunOptions, runSeed } from "./run.ts";

const steered = { kinds: ["steady", "job"], roughMs: 120_000 } as const;

async function holds(seeds: readonly number[], options: RunOptions): Promise<void> {
  for (const seed of seeds) expect((await runSeed(seed, options)).violations, `seed ${seed}`).toEqual([]);
}

test("[I10] updates reach what comes back from a partition (nomad #14925)", async () => {
  await holds([1, 2, 3], {
    faults: ["link cut", "link cut", "all links cut", "link forgets"],
    epilogue: null,
    wishes: { ...steered, policies: ["keep"] },
  });
});

test("[I40] what an operator stopped stands stopped after a reboot, also without the hub (balena-supervisor #1668)", async () => {
  await holds([1, 4, 8], {
    faults: ["node power cut", "agent killed", "link cut"],
    epilogue: "offlineReboot",
    wishes: { ...steered, policies: ["keep"] },
  });
});

test("[I11] nothing is replaced for ever, whatever moved in the middle of a rollout (balena-supervisor #3876)", async () => {
  await holds([1, 2, 3], { faults: [], epilogue: "sameSpecs", wishes: { ...steered, policies: ["fence", "replace"] } });
});

test("[I42] a bad target is tried once and its app goes back, while other apps go on (balena-supervisor #1743, #1632)", async () => {
  await holds([1, 2, 28], { faults: [], epilogue: null, wishes: { ...steered, policies: ["keep"] } });
});
