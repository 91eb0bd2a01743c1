// Values over the link: when an agent asks, for how many at a time, and when it asks again.
import type { SessionValues } from "@skerry/agent/link/session.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import { valueText } from "@skerry/shared/protocol/hub-word.ts";
import type { ToAgent } from "@skerry/shared/protocol/to-agent.ts";
import { MAX_VALUES_PER_ASK } from "@skerry/shared/protocol/values.ts";
import { signText } from "@skerry/shared/runtime/signature.ts";
import { expect, test } from "vitest";
import { assign, HUB_PRIVATE_KEY, linkKit, sealed, theIdentity } from "./link-kit.ts";

const refs = (count: number): ValueRef[] =>
  Array.from({ length: count }, (_, at) => ({ kind: "secret", app: null, name: `s${at}`, version: "a".repeat(32) }));

const value = (ref: ValueRef, key = HUB_PRIVATE_KEY): ToAgent => {
  const signature = signText(key, valueText(theIdentity, ref, "AAAA"));
  return { type: "value", ref, box: "AAAA", signature };
};

function fake(lacking: ValueRef[]): SessionValues & { readonly taken: string[]; readonly refused: string[] } {
  const [taken, refused]: [string[], string[]] = [[], []];
  return {
    taken,
    refused,
    lacking: () => lacking.filter(({ name }) => !taken.includes(name)),
    proof: () => ({ boxKey: "0".repeat(64), signature: "0".repeat(128) }),
    take: ({ name }) => void taken.push(name),
    refuse: ({ name }, reason) => void refused.push(`${name}: ${reason}`),
  };
}

test("[K260] it asks after the welcome for a few, and for the next when those are answered", async () => {
  const all = refs(MAX_VALUES_PER_ASK + 2);
  const values = fake(all);
  const wire = await linkKit({ values }).connect();
  expect(wire.frames("need-values").map(({ wanted }) => wanted)).toEqual([all.slice(0, MAX_VALUES_PER_ASK)]);
  for (const ref of all.slice(0, MAX_VALUES_PER_ASK)) wire.say(value(ref));
  expect(wire.frames("need-values").map(({ wanted }) => wanted.length)).toEqual([MAX_VALUES_PER_ASK, 2]);
  expect(values.taken).toHaveLength(MAX_VALUES_PER_ASK);
});

test("[K260] it asks after an assignment, and what was refused again after five minutes", async () => {
  const lacking: ValueRef[] = [];
  const values = fake(lacking);
  const kit = linkKit({ values });
  const wire = await kit.connect();
  expect(wire.frames("need-values")).toEqual([]);
  const [ref] = refs(1);
  if (ref === undefined) throw new Error("none");
  lacking.push(ref);
  wire.say(assign(sealed(2)));
  expect(wire.frames("need-values")).toHaveLength(1);
  wire.say({ type: "value-refused", ref, reason: "the key is lost" });
  expect(values.refused).toEqual(["s0: the key is lost"]);
  const beat = async (): Promise<void> => {
    await kit.clock.pass(15_000);
    wire.say({ type: "beat-ack", n: wire.frames("beat").length });
  };
  for (let beats = 0; beats < 19; beats += 1) await beat();
  expect(wire.frames("need-values")).toHaveLength(1);
  for (let beats = 0; beats < 3; beats += 1) await beat();
  expect(wire.frames("need-values")).toHaveLength(2);
});

test("[K354] a value that the hub did not sign is not taken, and that is said", async () => {
  const [ref] = refs(1);
  if (ref === undefined) throw new Error("none");
  const values = fake([ref]);
  const wire = await linkKit({ values }).connect();
  wire.say(value(ref, "cd".repeat(32)));
  expect([values.taken, values.refused]).toEqual([[], ["s0: what came is not signed by this node's hub"]]);
  wire.say(value(ref));
  expect(values.taken).toEqual(["s0"]);
});

test("[K260] where nothing is lacking it never asks", async () => {
  const wire = await linkKit({ values: fake([]) }).connect();
  wire.say(assign(sealed(2)));
  expect(wire.frames("need-values")).toEqual([]);
});
