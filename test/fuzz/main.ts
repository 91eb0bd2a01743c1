// npm run fuzz -- [--minutes N] [--seed S]: every decoder in turn, a part of the time each. Says its seed first; the same seed finds the same again.
import { parseArgs } from "node:util";
import { err, ok, type Result } from "@skerry/shared/runtime/result.ts";
import { DECODERS } from "./decoders.ts";

const USAGE = "npm run fuzz -- [--minutes N] [--seed S]";

export function readWords(
  args: readonly string[],
): Result<{ readonly minutes: number; readonly seed: number }, string> {
  try {
    const options = { minutes: { type: "string" }, seed: { type: "string" } } as const;
    const { values } = parseArgs({ args: [...args], options, strict: true });
    const minutes = Number(values.minutes ?? "1");
    const seed = Number(values.seed ?? Date.now() % 2 ** 31);
    if (!(minutes > 0) || !Number.isInteger(seed))
      return err(`--minutes takes a number above 0, --seed a whole one. ${USAGE}`);
    return ok({ minutes, seed });
  } catch (error) {
    return err(`${error instanceof Error ? error.message : String(error)} ${USAGE}`);
  }
}

async function main(): Promise<number> {
  const read = readWords(process.argv.slice(2));
  if (!read.ok) {
    console.error(read.error);
    return 2;
  }
  const { minutes, seed } = read.value;
  console.log(
    `seed ${seed}, ${minutes} min for ${DECODERS.length} decoders; to repeat: npm run fuzz -- --minutes ${minutes} --seed ${seed}`,
  );
  let failed = 0;
  for (const { name, run } of DECODERS) {
    try {
      await run({ seed, ms: (minutes * 60_000) / DECODERS.length });
      console.log(`ok      ${name}`);
    } catch (error) {
      failed += 1;
      console.error(`FAILED  ${name}\n${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) process.exit(await main());
