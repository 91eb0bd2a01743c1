// Each decoder for a part of a second, from another seed each time: ten seconds in all. `npm run fuzz -- --minutes 30` goes on for longer.
import { expect, test } from "vitest";
import { DECODERS } from "./decoders.ts";
import { readWords } from "./main.ts";

/** All of them together stay below ten seconds. */
const EACH_MS = 700;
const seed = Number(process.env["SKERRY_FUZZ_SEED"] ?? Date.now() % 2 ** 31);

test.each(DECODERS.map((decoder) => [decoder.name, decoder] as const))(
  `(H33) %s: any text is answered (SKERRY_FUZZ_SEED=${seed})`,
  async (_name, decoder) => {
    await decoder.run({ seed, ms: EACH_MS });
  },
);

test("its command line takes minutes and a seed, and nothing else", () => {
  expect(readWords([])).toMatchObject({ ok: true, value: { minutes: 1 } });
  expect(readWords(["--minutes", "30", "--seed", "7"])).toEqual({ ok: true, value: { minutes: 30, seed: 7 } });
  expect(readWords(["--minutes", "soon"])).toMatchObject({ ok: false });
  expect(readWords(["--hours", "1"])).toMatchObject({ ok: false });
});
