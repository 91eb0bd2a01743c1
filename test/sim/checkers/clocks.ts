// [I24] The same seed with every wall clock right is the same run: nothing but what is shown to people may hang on a wall clock.
import type { Violation } from "../history.ts";
import { type RunOptions, runSeed } from "../run.ts";

export async function dependsOnClocks(seed: number, options: RunOptions): Promise<readonly Violation[]> {
  const wrong = await runSeed(seed, { ...options, keepTrace: true });
  const right = await runSeed(seed, { ...options, keepTrace: true, wrongClocks: false });
  if (wrong.hash === right.hash) return [];
  const at = wrong.lines.findIndex((line, index) => line !== right.lines[index]);
  const message = `with wrong clocks: ${wrong.lines[at]}; with right ones: ${right.lines[at]}`;
  return [{ invariant: "I24", atMs: 0, message }];
}
