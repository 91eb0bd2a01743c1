// What a hub says of API tokens and roles is text of somebody else: it cannot control the terminal.
import { expect, test } from "vitest";
import { runWords, startTableHub } from "./testing.ts";

const ESC = "\u001b[2J";
const token = {
  ...{ id: `1a2b${ESC}`, name: `ci${ESC}`, role: `king${ESC}`, apps: [], nodeLabels: [`site=${ESC}`] },
  ...{ expiresAtMs: 0, expiresInMs: 1_000, lastUsedAtMs: null, createdAtMs: 0, createdBy: `admin${ESC}` },
};
const role = { name: `till${ESC}`, builtin: false, permissions: ["app:read"] };

test.each([
  ["role ls", { items: [role] }],
  ["role set till app:read", { ...role, changed: true }],
  ["role rm till", { name: role.name }],
  ["api-token create --name ci --role viewer", { ...token, token: `skt1.${ESC}` }],
  ["api-token ls", { items: [token], next: null }],
  ["api-token rm ci", { id: token.id, name: token.name }],
])("[U4] `skerry %s` shows control characters as escapes", async (words, body) => {
  await using hub = await startTableHub(() => ({ status: 200, body }));
  const env = { SKERRY_HUB: hub.url, SKERRY_TOKEN: "ska1.test" };
  const { code, out, err } = await runWords(words.split(" "), { env });
  expect([code, err]).toEqual([0, ""]);
  expect(out).not.toContain("\u001b");
  expect(out).toContain("\\x1b[2J");
});
