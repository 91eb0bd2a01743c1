// npm run sim -- --seeds N --from S [--trace] [--faults NAME,NAME] [--policy keep|replace|fence] [--epilogue NAME] [--bug NAME]
// Runs seeds, prints what failed and the line that repeats it.
import { parseArgs } from "node:util";
import type { Bug } from "./mutants.ts";
import { runSeed } from "./run.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    trace: { type: "boolean", default: false },
    bug: { type: "string" },
    epilogue: { type: "string" },
    faults: { type: "string" },
    policy: { type: "string" },
    quiet: { type: "boolean", default: false },
  },
});
const count = Number(values.seeds);
const from = Number(values.from);
if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(from) || from < 0) {
  console.error(
    "usage: npm run sim -- [--seeds N] [--from S] [--trace] [--faults NAME,NAME] [--policy NAME] [--epilogue NAME] [--bug NAME]",
  );
  process.exit(2);
}

const policies = (["keep", "replace", "fence"] as const)
  .filter((one) => one === values.policy)
  .map((one) => [one])
  .at(0);

const startedMs = performance.now();
const failed = new Map<string, number[]>();
let simulatedMs = 0;
let bad = 0;
for (let seed = from; seed < from + count; seed += 1) {
  // An unknown name plants nothing.
  const result = await runSeed(seed, {
    keepTrace: values.trace,
    bug: (values.bug as Bug | undefined) ?? null,
    ...(values.epilogue === undefined ? {} : { epilogue: values.epilogue }),
    ...(values.faults === undefined ? {} : { faults: values.faults.split(",") }),
    ...(policies === undefined ? {} : { wishes: { policies } }),
  });
  simulatedMs += result.simulatedMs;
  for (const line of result.lines) console.log(line);
  if (result.violations.length > 0) {
    bad += 1;
    const [first] = result.violations;
    console.log(`seed ${seed} FAILED: npm run sim -- --seeds 1 --from ${seed}`);
    for (const { invariant, atMs, message } of result.violations.slice(0, 8)) {
      console.log(`  [${invariant}] at ${(atMs / 1_000).toFixed(3)} s: ${message}`);
    }
    if (first !== undefined) failed.set(first.invariant, [...(failed.get(first.invariant) ?? []), seed]);
  }
  const done = seed - from + 1;
  if (!values.quiet && done % 50 === 0) console.error(`${done} of ${count} seeds, ${bad} failed`);
}
const seconds = (performance.now() - startedMs) / 1_000;
console.log(
  `${count} seeds in ${seconds.toFixed(1)} s (${(count / seconds).toFixed(1)} a second), ${(simulatedMs / 3_600_000).toFixed(1)} h simulated, ${bad} failed`,
);
for (const [invariant, seeds] of [...failed].sort()) console.log(`  ${invariant}: ${seeds.slice(0, 20).join(" ")}`);
process.exitCode = bad > 0 ? 1 : 0;
