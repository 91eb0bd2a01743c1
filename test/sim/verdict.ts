// What a test says of one seed: nothing, or what was broken and the line that repeats it.
import { runSeed } from "./run.ts";

/** On a machine that is busy with other tests a seed may take a second or two. */
export const SEED_TIMEOUT_MS = 15_000;

/** "": no invariant was broken. */
export async function verdict(seed: number): Promise<string> {
  const { violations } = await runSeed(seed);
  if (violations.length === 0) return "";
  const lines = violations.slice(0, 5).map(({ invariant, message }) => `[${invariant}] ${message}`);
  return [`npm run sim -- --seeds 1 --from ${seed}`, ...lines].join("\n");
}
