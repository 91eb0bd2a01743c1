// Somebody on the network who has no token: too much, too slowly, in the wrong shape, and again and again. After each attempt the hub answers as
// before and weighs about as much. What each must end in stands in attempts.ts.
import { once } from "node:events";
import type { Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sleep } from "../lab/wait.ts";
import { hear, isOver, requestText, startTarget, type Target, unharmed, WELL_WITHIN_MS } from "./target.ts";

const MIB = 1_048_576;
let target: Target;
let admin: string;
beforeAll(async () => {
  target = await startTarget();
  admin = `Bearer ${await target.hub.token()}`;
});
afterAll(() => target?.[Symbol.asyncDispose]());

const json = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  Authorization: admin,
  "Content-Type": "application/json",
  ...more,
});

test("(H01) a body of 1 GiB is refused by its length before it is sent, and by its size when it says none", async () => {
  const said = requestText("PUT", "/v1/apps/shop", json({ "Content-Length": String(1_024 * MIB) }));
  const refused = await target.raw(said);
  expect(refused).toMatchObject({ status: 413, closed: true });
  expect(refused.tookMs).toBeLessThan(WELL_WITHIN_MS);

  const socket = await target.dial();
  const heard = hear(socket, 30_000);
  socket.write(requestText("PUT", "/v1/apps/shop", json({ "Transfer-Encoding": "chunked" })));
  const sent = await flood(socket, `10000\r\n${" ".repeat(65_536)}\r\n`, 1_024 * MIB);
  const { status, closed } = await heard;
  expect(closed).toBe(true);
  // Who goes on sending may lose the answer to the reset that his unread bytes cause.
  expect([413, 0]).toContain(status);
  // What the kernel holds between two processes comes on top of the 2 MiB that the door takes.
  expect(sent).toBeLessThan(64 * MIB);
  await unharmed(target);
});

test("(H01) nobody's body is read at all", async () => {
  const refused = await target.raw(
    requestText("PUT", "/v1/apps/shop", { "Content-Type": "application/json", "Content-Length": String(1_024 * MIB) }),
  );
  expect(refused.status).toBe(401);
  await unharmed(target);
});

test("(H07) JSON 100,000 levels deep is refused as wrong", async () => {
  for (const [open, close] of [
    ["[", "]"],
    ['{"a":', "}"],
  ] as const) {
    const deep = open.repeat(100_000) + (open === "[" ? "" : "1") + close.repeat(100_000);
    for (const body of [deep, `{"compose":${deep}}`, `{"compose":"services: {}","files":${deep}}`]) {
      const answer = await put(body);
      expect(answer.status).toBe(400);
      expect(answer.text).toMatch(/"code":"invalid-(request|json)"/);
    }
  }
  await unharmed(target);
});

test.each([
  '{"__proto__": {"dryRun": true}, "compose": "services: {}"}',
  '{"compose": "services: {}", "constructor": {"prototype": {"dryRun": true}}}',
  '{"compose": "services: {}", "files": {"__proto__": "x"}}',
  '{"compose": "services: {}", "variables": {"\\u005f_proto__": "x"}}',
])("(H08) %s is refused", async (body) => {
  const answer = await put(body);
  expect(answer.status).toBe(400);
});

test("(H08) a Compose file cannot reach for prototypes either", async () => {
  const compose = "services:\n  web:\n    image: web:1\n    __proto__: { privileged: true }\n";
  expect((await put(JSON.stringify({ compose }))).status).toBe(422);
  const named = "services:\n  __proto__:\n    image: web:1\n";
  expect((await put(JSON.stringify({ compose: named }))).status).toBe(422);
  expect(({} as { privileged?: unknown }).privileged).toBeUndefined();
});

test("(H09) numbers beyond 2^53 are refused, and of a key that stands twice one value is checked, done and audited", async () => {
  for (const number of ["9007199254740993", "1e400", "-9007199254740993", "1.5"]) {
    expect((await put(`{"compose": "services: {}", "ifRevision": ${number}}`)).status).toBe(400);
  }
  const compose = JSON.stringify("services:\n  web:\n    image: web:1\n");
  const twice = await put(`{"compose": 7, "compose": ${compose}, "dryRun": false, "dryRun": true}`);
  expect(twice.status).toBe(200);
  expect(JSON.parse(twice.text.slice(twice.text.indexOf("\r\n\r\n")))).toMatchObject({ dryRun: true });
  expect((await target.call("GET", "/v1/apps/shop")).status).toBe(404);
});

test.each([
  "application/json\ta",
  "application/json garbage",
  "application/json\t; charset=utf-8x",
  "application/jsonx",
  "text/plain",
  "multipart/form-data; boundary=x",
  "application/x-www-form-urlencoded",
  "application/json, text/plain",
  "",
])("(H10) content type %j lets no body past its check", async (type) => {
  const body = '{"compose": 7, "unknown": true}';
  const headers = json({ "Content-Type": type, "Content-Length": String(body.length), Connection: "close" });
  const answer = await target.raw(requestText("PUT", "/v1/apps/shop", headers, body));
  expect([400, 415]).toContain(answer.status);
});

test.each([
  ["both lengths", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nG"],
  ["two lengths", "Content-Length: 2\r\nContent-Length: 6\r\n", "{}GET /"],
  ["a hidden encoding", "Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n", "{}"],
  ["two encodings", "Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"],
  ["a space before the colon", "Transfer-Encoding : chunked\r\nContent-Length: 2\r\n", "{}"],
  ["a folded header", "Content-Length:\r\n 2\r\n", "{}"],
  ["a negative length", "Content-Length: -2\r\n", "{}"],
  ["a bare line feed", "X: y\nContent-Length: 2\r\n", "{}"],
  ["a size that overflows", "Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n{}\r\n0\r\n\r\n"],
])("(H13) %s ends the connection, so that nothing can hide behind it", async (_what, headers, body) => {
  const smuggled = requestText("GET", "/healthz", {});
  const text = `POST /v1/tokens HTTP/1.1\r\nHost: hub\r\nAuthorization: ${admin}\r\nContent-Type: application/json\r\n${headers}\r\n${body}${smuggled}`;
  const heard = await target.raw(text);
  expect(heard).toMatchObject({ status: 400, closed: true });
  expect(heard.text.match(/^HTTP\/1\.1 /gm)).toHaveLength(1);
});

/** Texts on which a careless pattern takes for ever. */
const EVIL = ["a".repeat(7_000), "a-".repeat(3_500), "a.a/".repeat(1_750), "0".repeat(7_000), "=,".repeat(3_500)].map(
  (text) => `${text}!`,
);

test("(H14) no text in an address, a filter, a header or a token costs a pattern its time", async () => {
  for (const evil of EVIL) {
    const word = encodeURIComponent(evil);
    for (const path of [
      `/v1/apps/${word}`,
      `/v1/nodes/${word}`,
      `/v1/why/${word}`,
      `/v1/tokens/${word}`,
      `/v1/workloads?app=${word}`,
      `/v1/workloads?node=${word}`,
      `/v1/events?app=${word}&node=${word}`.slice(0, 15_000),
      `/v1/audit?actor=${word}`,
      `/v1/audit?target=${word}`,
      `/v1/auth/can-i?permission=${word}`,
      `/v1/apps/shop/logs?since=${word}`,
    ]) {
      const answer = await target.raw(requestText("GET", path, { Authorization: admin, Connection: "close" }));
      expect(answer.tookMs, path.slice(0, 40)).toBeLessThan(WELL_WITHIN_MS);
      expect(answer.status, path.slice(0, 40)).toBeLessThan(500);
    }
    for (const headers of [
      { Authorization: `Bearer ${evil}` },
      { Authorization: admin, "Idempotency-Key": evil },
      { Authorization: admin, "If-None-Match": evil, "User-Agent": evil.slice(0, 4_000) },
    ]) {
      const answer = await target.raw(requestText("GET", "/v1/nodes", { ...headers, Connection: "close" }));
      expect(answer.tookMs).toBeLessThan(WELL_WITHIN_MS);
    }
  }
});

test("(H14) nor does one in a Compose file", async () => {
  for (const evil of EVIL.map((text) => text.repeat(4))) {
    const quoted = JSON.stringify(evil);
    const compose = `services:
  web:
    image: ${quoted}
    ports: [${quoted}]
    volumes: [${quoted}]
    cpus: ${quoted}
    mem_limit: ${quoted}
    stop_grace_period: ${quoted}
    environment: [${quoted}]
    labels: [${quoted}]
    command: ${quoted}
    user: ${quoted}
`;
    const from = performance.now();
    expect((await put(JSON.stringify({ compose, dryRun: true }))).status).toBe(422);
    expect(performance.now() - from).toBeLessThan(WELL_WITHIN_MS);
  }
});

async function put(body: string): Promise<{ status: number; text: string }> {
  const headers = json({ "Content-Length": String(Buffer.byteLength(body)), Connection: "close" });
  return target.raw(requestText("PUT", "/v1/apps/shop", headers, body));
}

/** Writes as fast as the other side takes it, until it hangs up; gives how many bytes that were. */
async function flood(socket: Socket, piece: string, most: number): Promise<number> {
  let sent = 0;
  while (sent < most && !isOver(socket) && socket.writable) {
    sent += piece.length;
    if (socket.write(piece)) continue;
    const noLonger = new AbortController();
    const told = ["drain", "close"].map((event) => once(socket, event, { signal: noLonger.signal }));
    // An error instead of either is the hub that hangs up; what comes too late is of no interest.
    await Promise.race([...told.map((event) => event.catch(() => undefined)), sleep(2_000)]);
    noLonger.abort();
  }
  return sent;
}
