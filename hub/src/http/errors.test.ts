// Every coded error is raised once, and everything that a caller can get wrong is answered with one of them.
import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Answer, startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";
import { type Store, StoreError } from "../store/store.ts";
import { type ErrorCode, errorKinds, errorsPage } from "./errors.ts";
import { MAX_REFUSALS } from "./refusals.ts";
import { MAX_BODY_BYTES } from "./server.ts";

const WEB = "services:\n  web:\n    image: web:1\n";

let hub: TestHub;
/** What the store does instead of committing. */
let failure: (() => never) | null = null;
beforeEach(async () => {
  failure = null;
  const failing = (store: Store): Store => ({
    ...store,
    commit: (commit) => (failure === null ? store.commit(commit) : failure()),
  });
  hub = await startTestHub({ store: failing });
});
afterEach(() => hub.close());

test("[A5] docs/api-errors.md is the catalogue", () => {
  expect(readFileSync(new URL("../../../docs/api-errors.md", import.meta.url), "utf8")).toBe(errorsPage());
});

/** Everything but what needs a raw socket or a bug. */
const raised: Partial<Record<ErrorCode, () => Promise<Answer>>> = {
  "invalid-json": () => hub.call("PUT", "/v1/apps/shop", undefined, { raw: "{" }),
  "invalid-request": () => hub.apply("shop", WEB, { colour: "red" }),
  "not-authenticated": () => hub.call("GET", "/v1/apps", undefined, { token: null }),
  "join-token-refused": () =>
    hub.call("POST", "/v1/nodes/join", {}, { token: `skj1.${"1".repeat(12)}.${"2".repeat(64)}` }),
  "not-permitted": () => hub.call("POST", "/v1/nodes/join", {}),
  "route-not-found": () => hub.call("GET", "/v1/nothing"),
  "app-not-found": () => hub.call("GET", "/v1/apps/nothing"),
  "revision-not-found": async () => {
    await hub.apply("shop", WEB);
    return hub.call("GET", "/v1/apps/shop/revisions/7");
  },
  "node-not-found": () => hub.call("GET", "/v1/nodes/nothing"),
  "token-not-found": () => hub.call("DELETE", "/v1/tokens/0123456789ab"),
  "target-not-found": () => hub.call("GET", "/v1/why/nothing"),
  "revision-conflict": () => hub.apply("shop", WEB, { ifRevision: 5 }),
  "watch-expired": () => hub.call("GET", "/v1/watch?since=999"),
  "body-too-large": () => hub.apply("shop", "#".repeat(MAX_BODY_BYTES)),
  "unsupported-media-type": () =>
    hub.call("PUT", "/v1/apps/shop", undefined, { raw: WEB, headers: { "content-type": "text/plain" } }),
  "invalid-compose": () => hub.apply("shop", "services: 7\n"),
  "change-refused": async () => {
    const labels = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`a${index}`, "x"]));
    await hub.join("pi", { labels });
    const more = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`b${index}`, "x"]));
    return hub.call("PATCH", "/v1/nodes/pi", { setLabels: more });
  },
  "idempotency-mismatch": async () => {
    const headers = { "idempotency-key": "k1" };
    await hub.apply("shop", WEB, {}, { headers });
    return hub.apply("shop", WEB.replace("web:1", "web:2"), {}, { headers });
  },
  "too-many-refusals": async () => {
    for (let count = 0; count < MAX_REFUSALS; count += 1) await hub.call("GET", "/v1/apps", undefined, { token: "x" });
    return hub.call("GET", "/v1/apps", undefined, { token: "x" });
  },
  internal: () => bug(),
  stopping: () => {
    hub.state.stopping = true;
    return hub.apply("shop", WEB);
  },
  "read-only": () => {
    failure = () => {
      throw new StoreError("broken", "EIO");
    };
    return hub.apply("shop", WEB);
  },
  "storage-full": () => {
    failure = () => {
      throw new StoreError("full", "ENOSPC");
    };
    return hub.apply("shop", WEB);
  },
};

/** A read whose store fails in a way that nobody expects. */
async function bug(): Promise<Answer> {
  const broken = await startTestHub({
    store: (store) => ({
      ...store,
      events: () => {
        throw new RangeError("a planted bug");
      },
    }),
  });
  const answer = await broken.call("GET", "/v1/events");
  await broken.close();
  return answer;
}

const RAISED_ELSEWHERE: readonly ErrorCode[] = [
  // Below, over a raw socket.
  "header-too-large",
  // In watch.test.ts.
  "overloaded",
];

test("[A5] every code of the catalogue is raised by a test", () => {
  const tested = [...Object.keys(raised), ...RAISED_ELSEWHERE].toSorted();
  expect(tested).toEqual(Object.keys(errorKinds).toSorted());
});

test.each(Object.keys(raised) as ErrorCode[])("[A5] %s has its status, a message and a hint", async (code) => {
  const answer = await raised[code]?.();
  expect(answer?.body).toMatchObject({
    code,
    message: expect.stringMatching(/^.+[.…?]$/s),
    hint: expect.stringMatching(/\S/),
  });
  expect(answer?.status).toBe(errorKinds[code].status);
  expect(answer?.body).toHaveProperty("path");
  expect(answer?.body).toHaveProperty("problems");
  expect(answer?.text).not.toMatch(/\\n *at /);
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
  expect(server.maxConnections).toBe(12_000);
  expect(server.headersTimeout).toBe(10_000);
  expect(server.requestTimeout).toBe(35_000);
  expect(server.keepAliveTimeout).toBe(65_000);
  expect(server.timeout).toBe(120_000);
});
