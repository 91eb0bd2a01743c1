// The command line and a hub's key: nothing is said to a server before its key is known, and login never trusts one in silence.
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pinOf } from "@skerry/shared/protocol/pin.ts";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { makeCertificate } from "../tls/certificate.ts";
import { runWords } from "./testing.ts";

const OTHER = "e".repeat(64);
const VERSION = {
  version: "1",
  api: "v1",
  installation: "i1",
  epoch: 1,
  node: "v24",
  protocol: { version: 3, minimum: 3 },
};
let server: Server;
let pin: string;
let url: string;
let home: string;
const heard: string[] = [];

beforeAll(async () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = String(privateKey.export({ type: "pkcs8", format: "pem" }));
  pin = pinOf(createPublicKey(privateKey));
  server = createServer(
    { key, cert: await makeCertificate(key, [], "01"), minVersion: "TLSv1.3" },
    (request, response) => {
      heard.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(VERSION));
    },
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "skerry-pin-"));
  heard.length = 0;
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const kept = () => Object.values(JSON.parse(readFileSync(join(home, ".config/skerry/contexts.json"), "utf8")).contexts);
const login = (words: readonly string[], io = {}) =>
  runWords(["login", url, ...words], { homeDir: home, readInput: async () => "ska1.t\n", ...io });

test("[U200] a hub with another key than the pinned one gets nothing, and without a pin its certificate must be trusted", async () => {
  const env = { SKERRY_HUB: url, SKERRY_TOKEN: "ska1.t" };
  const wrong = await runWords(["version"], { homeDir: home, env: { ...env, SKERRY_PIN: OTHER } });
  expect(wrong.out + wrong.err).toContain("its key is another one");
  const none = await runWords(["apps"], { homeDir: home, env });
  expect([none.code, none.err]).toEqual([1, expect.stringMatching(/is not trusted .*--pin PIN/s)]);
  expect((await runWords(["apps"], { homeDir: home, env: { ...env, SKERRY_PIN: "x" } })).code).toBe(2);
  expect(heard).toEqual([]);
});

test("[U201] login keeps the pin that it was given, and it is used from then on", async () => {
  expect((await login(["--pin", OTHER])).err).toContain("its key is another one");
  expect((await login(["--pin", "short"])).code).toBe(2);
  expect(heard).toEqual([]);
  expect((await login(["--pin", pin])).code).toBe(0);
  expect(kept()).toEqual([{ url, token: "ska1.t", pin }]);
  await runWords(["version"], { homeDir: home });
  // Also for a token from elsewhere, when the address is the same.
  await runWords(["version"], { homeDir: home, env: { SKERRY_HUB: url, SKERRY_TOKEN: "skt1.x" } });
  expect(heard).toHaveLength(3);
  expect((await runWords(["login", "http://127.0.0.1:1", "--pin", pin], { homeDir: home })).code).toBe(2);
});

test("[U201] a key that nobody vouches for is shown and asked about on a terminal, and refused elsewhere", async () => {
  const silent = await login([]);
  expect([silent.code, silent.err]).toEqual([1, expect.stringContaining(pin)]);
  const answer = (words: string) =>
    login([], {
      inIsTerminal: true,
      ask: async (question: string) => (question.startsWith("Token") ? "ska1.t" : words),
    });
  expect((await answer("no")).code).toBe(1);
  expect(heard).toEqual([]);
  const said = await answer("yes");
  expect([said.code, said.err]).toEqual([0, expect.stringContaining(pin)]);
  expect(kept()).toEqual([{ url, token: "ska1.t", pin }]);
  // Known since then.
  expect((await login([])).code).toBe(0);
});
