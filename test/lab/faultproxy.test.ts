// The fault proxies against a plain echo server and a plain HTTP server: a fault that does not happen proves nothing.

import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EngineApi } from "./api.ts";
import { type EngineProxy, startEngineProxy } from "./engineproxy.ts";
import { bind, type FaultProxy, type Place, startFaultProxy } from "./faultproxy.ts";
import { until } from "./wait.ts";

const WITHIN_MS = 5_000;
/** Long enough to be told from none on a busy machine, short enough for a unit test. */
const LATENCY_MS = 150;
/** Timers of Node may fire up to a millisecond early. */
const TIMER_SLACK_MS = 2;

let stack: AsyncDisposableStack;
let folder: string;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  folder = await mkdtemp(join(tmpdir(), "proxy-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
});
afterEach(() => stack.disposeAsync());

async function echoAt(place: Place): Promise<Place> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.pipe(socket);
  });
  const at = await bind(server, place);
  stack.defer(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return at;
}

interface Client {
  readonly socket: Socket;
  readonly chunks: string[];
  readonly text: () => string;
  closed: string | null;
}

function dial(at: Place): Client {
  const socket = connect("path" in at ? { path: at.path } : { host: at.host, port: at.port });
  const chunks: string[] = [];
  const client: Client = { socket, chunks, text: () => chunks.join(""), closed: null };
  socket.setEncoding("utf8").on("data", (chunk: string) => chunks.push(chunk));
  socket.on("error", (error: NodeJS.ErrnoException) => {
    client.closed = error.code ?? error.message;
  });
  socket.on("close", () => {
    client.closed ??= "closed";
  });
  stack.defer(() => void socket.destroy());
  return client;
}

describe.each([
  ["TCP", () => ({ host: "127.0.0.1", port: 0 }), () => ({ host: "127.0.0.1", port: 0 })],
  ["unix", () => ({ path: join(folder, "in") }), () => ({ path: join(folder, "out") })],
] as const)("a fault proxy over %s", (kind, listen, target) => {
  let proxy: FaultProxy;

  beforeEach(async () => {
    proxy = stack.use(await startFaultProxy(listen(), await echoAt(target())));
  });

  test("passes bytes on, counts them, and passes on the end of a stream", async () => {
    const client = dial(proxy.at);
    client.socket.end("hello");
    await until("the echo comes back and the connection ends", () => client.closed, WITHIN_MS);
    expect(client.text()).toBe("hello");
    expect(proxy.bytes).toEqual({ "to-target": 5, "to-client": 5 });
    await until("no connection is left", () => proxy.connections === 0, WITHIN_MS);
  });

  test("adds latency each way and keeps the order", async () => {
    proxy.set({ latencyMs: LATENCY_MS });
    const client = dial(proxy.at);
    const startedAt = performance.now();
    for (const word of ["a", "b", "c"]) client.socket.write(word);
    await until("the echo comes back", () => client.text() === "abc", WITHIN_MS);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(2 * LATENCY_MS - TIMER_SLACK_MS);
  });

  test.each(["to-target", "to-client", "both"] as const)(
    "swallows %s without closing, and passes new bytes after healing",
    async (blackhole) => {
      const client = dial(proxy.at);
      client.socket.write("1");
      await until("the first echo", () => client.text() === "1", WITHIN_MS);
      proxy.set({ blackhole });
      client.socket.write("2");
      await until(
        "it is swallowed",
        () => proxy.swallowed["to-target"] + proxy.swallowed["to-client"] === 1,
        WITHIN_MS,
      );
      proxy.heal();
      client.socket.write("3");
      await until("what came after healing is echoed", () => client.text().endsWith("3"), WITHIN_MS);
      expect(client.closed).toBeNull();
      expect(client.text()).toBe("13");
    },
  );

  test("slices into single bytes", async () => {
    proxy.set({ sliceBytes: 1 });
    const client = dial(proxy.at);
    client.socket.write("abcdef");
    await until("the echo comes back", () => client.text() === "abcdef", WITHIN_MS);
    expect(client.chunks.length).toBeGreaterThan(1);
  });

  test("resets in mid-message", async () => {
    proxy.set({ resetAfterBytes: 3 });
    const client = dial(proxy.at);
    client.socket.write("abcdef");
    expect(await until("the connection breaks", () => client.closed, WITHIN_MS)).toBe(
      kind === "TCP" ? "ECONNRESET" : "closed",
    );
    expect(client.text().length).toBeLessThanOrEqual(3);
  });

  test("refuses, resets all, and limits the rate", async () => {
    proxy.set({ refuse: true });
    const refused = dial(proxy.at);
    await until("the refused one is closed", () => refused.closed, WITHIN_MS);

    proxy.heal();
    const client = dial(proxy.at);
    client.socket.write("x");
    await until("the echo comes back", () => client.text() === "x", WITHIN_MS);
    proxy.set({ bytesPerSecond: 10_000 });
    const startedAt = performance.now();
    client.socket.write("y".repeat(2_000));
    await until("all of it comes back", () => client.text().length === 2_001, WITHIN_MS);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(200 - TIMER_SLACK_MS);

    proxy.resetAll();
    await until("the open one is closed", () => client.closed, WITHIN_MS);
    expect(proxy.connections).toBe(0);
  });
});

describe("an engine proxy", () => {
  let proxy: EngineProxy;
  let api: EngineApi;
  let seen: string[];

  beforeEach(async () => {
    seen = [];
    const server = createHttpServer((incoming, outgoing) => {
      seen.push(`${incoming.method} ${incoming.url}`);
      incoming.resume();
      outgoing.writeHead(200, { "content-type": "application/json" });
      outgoing.end('{"Id":"abc"}');
    });
    await bind(server, { path: join(folder, "engine") });
    stack.defer(() => void server.close());
    proxy = stack.use(await startEngineProxy(join(folder, "proxy"), join(folder, "engine")));
    api = new EngineApi(proxy.socketPath);
  });

  test("passes calls on and lists them without the version", async () => {
    expect(await api.call("POST", "/containers/create?name=x", {})).toEqual({ Id: "abc" });
    await api.call("GET", "/containers/json");
    expect(seen).toEqual(["POST /v1.41/containers/create?name=x", "GET /v1.41/containers/json"]);
    expect(proxy.calls.map(({ path, status }) => [path, status])).toEqual([
      ["/containers/create?name=x", 200],
      ["/containers/json", 200],
    ]);
    expect(proxy.mutations().map(({ method }) => method)).toEqual(["POST"]);
    expect(proxy.mutations(proxy.calls.length)).toEqual([]);
  });

  test("fails, hangs, waits and breaks off the calls that match, as often as said", async () => {
    proxy.on("POST", /^\/containers\/create/, { kind: "fail", status: 500, message: "no space left" }, 1);
    await expect(api.call("POST", "/containers/create", {})).rejects.toThrow("500 no space left");
    await api.call("POST", "/containers/create", {});
    expect(seen).toHaveLength(1);

    proxy.on("GET", /^\/info/, { kind: "hang" });
    await expect(api.call("GET", "/info", undefined, 200)).rejects.toThrow("no answer from the engine");
    const hanging = api.call("GET", "/info").catch((error: Error) => error.message);
    await until(
      "the call has arrived",
      () => proxy.calls.filter(({ path }) => path === "/info").length === 2,
      WITHIN_MS,
    );
    proxy.heal();
    expect(await hanging).toMatch(/hang up|reset/);

    proxy.on("POST", /^\/stop/, { kind: "break-answer" }, 1);
    await expect(api.call("POST", "/stop")).rejects.toThrow();
    expect(seen.at(-1)).toBe("POST /v1.41/stop");

    const startedAt = performance.now();
    proxy.on("GET", /^\/slow/, { kind: "delay", ms: LATENCY_MS });
    await api.call("GET", "/slow");
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(LATENCY_MS - TIMER_SLACK_MS);
  });
});
