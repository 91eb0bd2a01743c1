// `skerry node roll-key`: which nodes are meant, and that one which is refused keeps none of the others back.
import { expect, test } from "vitest";
import { type Answering, type Asked, runWords, startTableHub } from "./testing.ts";

const ref = (name: string) => ({ id: "n0123456789abcdef", name });
const keyRoll = { state: "asked", atMs: 1_795_255_227_102, by: "admin" };
const summary = (name: string, labels: Record<string, string>) => ({
  ...{ ...ref(name), labels, availability: "active", standing: "member", joinedAtMs: 0, facts: null },
  ...{ availabilitySaid: null, conditions: [], workloads: { wanted: 0, good: 0, unknown: 0 }, keyRoll: null },
  reachability: { kind: "ready", connected: true, silentForMs: 0, reason: "heard" },
});
const nameIn = ({ url }: Asked): string => url.split("/")[3] ?? "";

async function rolled(words: readonly string[], more: { answer?: Answering } = {}) {
  const items = [summary("a", { site: "shop", floor: "1" }), summary("b", { site: "shop" }), summary("c", {})];
  await using hub = await startTableHub((asked) => {
    if (asked.method === "GET") return { status: 200, body: { items, next: null, seq: 1 } };
    const own = more.answer?.(asked);
    return own ?? { status: 200, body: { node: ref(nameIn(asked)), keyRoll, changed: true, seq: 1 } };
  });
  const env = { SKERRY_HUB: hub.url, SKERRY_TOKEN: "ska1.test" };
  const ran = await runWords(["node", "roll-key", ...words], { env });
  return { ...ran, asked: hub.asked.filter(({ method }) => method === "POST").map(({ url }) => url) };
}

test("[U350] nodes by name, by labels that all fit, or all of them", async () => {
  const urls = (names: string): readonly string[] => [...names].map((name) => `/v1/nodes/${name}/roll-key`);
  expect((await rolled(["c", "a"])).asked).toEqual(urls("ca"));
  expect((await rolled(["--label", "site=shop"])).asked).toEqual(urls("ab"));
  expect((await rolled(["--label", "site=shop", "--label", "floor=1"])).asked).toEqual(urls("a"));
  const all = await rolled(["--all"]);
  expect([all.code, all.asked]).toEqual([0, urls("abc")]);
  expect(all.out).toContain("a makes itself another key at once, or when it is next connected.\n");
});

test.each([[[]], [["a", "--all"]], [["--all", "--label", "site=shop"]], [["--label", "site"]]])(
  "[U350] `skerry node roll-key %s` is no order, and says which there are",
  async (words) => {
    const { code, asked, err } = await rolled(words);
    expect([code, asked]).toEqual([2, []]);
    expect(err).toContain("KEY=VALUE");
  },
);

test("[U350] labels that no node has are told", async () => {
  expect(await rolled(["--label", "site=moon"])).toMatchObject({ code: 1, asked: [] });
});

test("[U350] what was asked for already is said, and what it waits for", async () => {
  const answer: Answering = (asked) => {
    const state = nameIn(asked) === "b" ? "named" : "asked";
    return { status: 200, body: { node: ref(nameIn(asked)), keyRoll: { ...keyRoll, state }, changed: false, seq: 1 } };
  };
  const { out } = await rolled(["a", "b"], { answer });
  expect(out).toBe(
    "a was asked already: it makes itself another key at once, or when it is next connected.\n" +
      "b was asked already: it has named its next key, and goes over to it when it connects.\n",
  );
});

test("[U350] one that is refused keeps none of the others back, and the exit code says so", async () => {
  const refusal = { code: "change-refused", message: "node a is frozen", hint: "", path: null, problems: [] };
  const answer: Answering = (asked) => (nameIn(asked) === "a" ? { status: 422, body: refusal } : null);
  const answered: Answering = (asked) =>
    answer(asked) ?? { status: 200, body: { node: ref(nameIn(asked)), keyRoll, changed: true, seq: 1 } };
  const { code, out, err, asked } = await rolled(["--all"], { answer: answered });
  expect([code, asked.length]).toEqual([1, 3]);
  expect(err).toContain("a: node a is frozen");
  expect(out).toContain("b makes itself");
});
