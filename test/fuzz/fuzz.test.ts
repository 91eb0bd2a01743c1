// Each decoder for a part of a second, from another seed each time: ten seconds in all. `npm run fuzz -- --minutes 30` goes on for longer.

import { decodeToAgent, decodeToHub } from "@skerry/shared/protocol/codec.ts";
import { toAgentSchema } from "@skerry/shared/protocol/to-agent.ts";
import { toHubSchema } from "@skerry/shared/protocol/to-hub.ts";
import { expect, test } from "vitest";
import { DECODERS } from "./decoders.ts";
import { readWords } from "./main.ts";
import { TO_AGENT, TO_HUB } from "./samples.ts";

/** All of them together stay below ten seconds. */
const EACH_MS = 700;
const seed = Number(process.env["SKERRY_FUZZ_SEED"] ?? Date.now() % 2 ** 31);

test.each(DECODERS.map((decoder) => [decoder.name, decoder] as const))(
  `(H33) %s: any text is answered (SKERRY_FUZZ_SEED=${seed})`,
  async (_name, decoder) => {
    await decoder.run({ seed, ms: EACH_MS });
  },
);

test.each([
  ["to the hub", TO_HUB, toHubSchema, decodeToHub],
  ["to the agent", TO_AGENT, toAgentSchema, decodeToAgent],
] as const)("of each frame %s there is a sample, and each is taken as it stands", (_way, samples, schema, decode) => {
  const kinds = schema.def.options.map((option) => option.def.shape.type.def.values[0]);
  expect(samples.map(({ type }) => type).sort()).toEqual([...kinds].sort());
  for (const sample of samples)
    expect([sample.type, decode(JSON.stringify(sample))]).toMatchObject([sample.type, { ok: true }]);
});

test("its command line takes minutes and a seed, and nothing else", () => {
  expect(readWords([])).toMatchObject({ ok: true, value: { minutes: 1 } });
  expect(readWords(["--minutes", "30", "--seed", "7"])).toEqual({ ok: true, value: { minutes: 30, seed: 7 } });
  expect(readWords(["--minutes", "soon"])).toMatchObject({ ok: false });
  expect(readWords(["--hours", "1"])).toMatchObject({ ok: false });
});
