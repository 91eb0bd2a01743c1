// Everything that a caller can get wrong is answered with a coded error. One hub for all: none of it may leave a trace there.
import { createConnection } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
});
afterAll(async () => {
  expect(hub.loop.world.seq).toBe(0);
  await hub.close();
});

test("[A6] what fails in the schema is told with every field's path", async () => {
  const answer = await hub.call("PUT", "/v1/apps/shop", { compose: 7, ifRevision: "x", dryRun: "no", colour: 1 });
  expect(answer.body.code).toBe("invalid-request");
  const paths = answer.body.problems.map((problem: { path: string }) => problem.path);
  expect(paths.toSorted()).toEqual(["colour", "compose", "dryRun", "ifRevision"]);
});

test.each([
  ["not JSON", { raw: "{compose" }, 400, "invalid-json"],
  ["an empty body", { raw: "" }, 400, "invalid-json"],
  ["a list", { raw: "[]" }, 400, "invalid-request"],
  ["a number", { raw: "7" }, 400, "invalid-request"],
  ["null", { raw: "null" }, 400, "invalid-request"],
  ["a __proto__ key", { raw: '{"compose":"x","__proto__":{"admin":true}}' }, 400, "invalid-json"],
  ["a nested __proto__ key", { raw: '{"compose":"x","files":{"__proto__":"y"}}' }, 400, "invalid-json"],
  ["a constructor.prototype key", { raw: '{"compose":"x","constructor":{"prototype":{}}}' }, 400, "invalid-json"],
  ["a NUL in a name", { raw: '{"compose":"x","profiles":[7]}' }, 400, "invalid-request"],
  ["text", { raw: "x", headers: { "content-type": "text/plain" } }, 415, "unsupported-media-type"],
  [
    "a form",
    { raw: "a=b", headers: { "content-type": "application/x-www-form-urlencoded" } },
    415,
    "unsupported-media-type",
  ],
  ["XML", { raw: "<a/>", headers: { "content-type": "application/xml" } }, 415, "unsupported-media-type"],
] as const)("[A6] a body that is %s is refused", async (_what, options, status, code) => {
  const answer = await hub.call("PUT", "/v1/apps/shop", undefined, options);
  expect(answer).toMatchObject({ status, body: { code } });
  expect(Object.prototype).not.toHaveProperty("admin");
});

test.each([
  ["/v1/apps/Shop!"],
  ["/v1/apps/__proto__"],
  ["/v1/apps/-x"],
  [`/v1/apps/${"x".repeat(64)}`],
  ["/v1/apps/shop/revisions/0"],
  ["/v1/apps/shop/revisions/1e99"],
  ["/v1/apps?limit=0"],
  ["/v1/apps?limit=100000"],
  ["/v1/apps?colour=red"],
  ["/v1/events?after=-1"],
  ["/v1/nodes/n%00"],
  ["/v1/watch?since=x"],
  ["/v1/apps/%"],
])("[A6] the address %s is refused", async (url) => {
  const answer = await hub.call("GET", url);
  expect(answer.status).toBe(400);
  expect(answer.body.code).toBe("invalid-request");
});

test("[A7] a caller's words come back only as JSON, cut short", async () => {
  const answer = await hub.call("GET", `/v1/${"<script>alert(1)</script>".repeat(20)}`);
  expect(answer.headers["content-type"]).toMatch(/^application\/json/);
  expect(answer.headers["x-content-type-options"]).toBe("nosniff");
  expect(answer.headers["content-security-policy"]).toContain("default-src 'none'");
  expect(answer.headers["cache-control"]).toBe("no-store");
  expect(answer.body.message.length).toBeLessThan(150);
});

test("[A8] headers that are too large, or no HTTP at all, get a coded answer and a closed connection", async () => {
  const port = await hub.listen();
  const huge = await rawAnswer(port, `GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: ${"y".repeat(20_000)}\r\n\r\n`);
  expect(huge).toMatch(/^HTTP\/1.1 431 /);
  expect(huge).toContain('"code":"header-too-large"');
  const noise = await rawAnswer(port, "\u0016\u0003\u0001 hello\r\n\r\n");
  expect(noise).toMatch(/^HTTP\/1.1 400 /);
  expect(noise).toContain('"code":"invalid-request"');
});

function rawAnswer(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, "127.0.0.1", () => socket.write(text));
    let got = "";
    socket.on("data", (chunk) => {
      got += String(chunk);
    });
    socket.on("close", () => resolve(got));
    socket.on("error", reject);
  });
}

test("[A8] connections, headers, requests and sockets have limits in time and number", () => {
  const { server } = hub.http.app;
  expect(server.maxConnections).toBe(13_000);
  expect(server.headersTimeout).toBe(10_000);
  expect(server.requestTimeout).toBe(35_000);
  expect(server.keepAliveTimeout).toBe(65_000);
  expect(server.timeout).toBe(120_000);
});
