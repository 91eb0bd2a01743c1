// Logs over the API: merged with their names, what is missing is said, wrong targets are refused. The nodes' side is a table of lines.
import type { Socket } from "node:net";
import type { LogAsk, LogItem } from "@skerry/shared/protocol/streams.ts";
import { afterEach, expect, test } from "vitest";
import { startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";
import { MAX_LOG_READERS, MAX_LOG_WORKLOADS, READER_IDLE_MS } from "./logs.ts";

const AT = "2026-11-21T12:00:00.000000000Z";
const GLOBAL = "services:\n  web:\n    image: web:1\n    deploy:\n      mode: global\n";

let hub: TestHub | null = null;
let port: number;
afterEach(async () => await hub?.close());

async function start(heard: (name: string) => boolean, asks: LogAsk[] = []): Promise<TestHub> {
  const made: TestHub = await startTestHub({
    logs: {
      isHeard: (node) => heard(made.loop.world.nodes.get(node)?.name ?? ""),
      async *read(_node, ask): AsyncGenerator<LogItem> {
        asks.push(ask);
        yield { kind: "line", stream: "stderr", at: AT, text: "hello\u001b", more: false };
        yield { kind: "skipped", lines: 7 };
      },
    },
  });
  hub = made;
  port = await made.listen();
  for (const name of ["pi-a", "pi-b"]) await made.join(name);
  expect((await made.apply("shop", GLOBAL)).status).toBe(200);
  return made;
}

async function logs(of: TestHub, query: string) {
  const answer = await fetch(`http://127.0.0.1:${port}/v1/apps/${query}`, {
    headers: { authorization: `Bearer ${of.admin}` },
  });
  const text = await answer.text();
  return {
    status: answer.status,
    items: text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  };
}

test("[A53] lines come with copy and node, and what is asked goes to the node", async () => {
  const asks: LogAsk[] = [];
  const { status, items } = await logs(await start(() => true, asks), "shop/logs?tail=5&sinceMs=60000");
  expect(status).toBe(200);
  expect(items).toHaveLength(4);
  expect(new Set(items.map(({ node }) => node.name))).toEqual(new Set(["pi-a", "pi-b"]));
  expect(items.find(({ kind }) => kind === "line")).toMatchObject({ stream: "stderr", text: "hello\u001b", at: AT });
  expect(items.find(({ kind }) => kind === "skipped")).toMatchObject({ lines: 7 });
  expect(asks[0]).toMatchObject({ tail: 5, sinceMs: 60_000, follow: false, after: null });
});

test("[A54] a node that is not heard is said by name, and the others are read; one copy is found by its node's name", async () => {
  const of = await start((name) => name === "pi-a");
  const { items } = await logs(of, "shop/logs");
  const absent = items.filter(({ kind }) => kind === "absent");
  expect(absent).toMatchObject([{ node: { name: "pi-b" }, text: "node pi-b is not heard: its logs are not here" }]);
  expect(items).toHaveLength(3);
});

test("[A92] a reader who stops for minutes, as in a pager, is not cut off at once", async () => {
  const of = await start(() => true);
  const sockets: Socket[] = [];
  of.http.app.server.on("connection", (socket: Socket) => sockets.push(socket));
  const stop = new AbortController();
  const headers = { authorization: `Bearer ${of.admin}` };
  await fetch(`http://127.0.0.1:${port}/v1/apps/shop/logs?follow=true`, { headers, signal: stop.signal });
  expect(sockets.map(({ timeout }) => timeout)).toEqual([READER_IDLE_MS]);
  stop.abort();
});

test("[A55] an app or a copy that is not there is refused, and so is a question out of range", async () => {
  const of = await start(() => true);
  expect((await of.call("GET", "/v1/apps/nothing/logs")).body).toMatchObject({ code: "app-not-found" });
  expect((await of.call("GET", "/v1/apps/shop/logs?slot=9")).body).toMatchObject({ code: "target-not-found" });
  expect((await of.call("GET", "/v1/apps/shop/logs?tail=-1")).status).toBe(400);
});

test("[A90] so many readers at once and no more; who goes makes room", async () => {
  const of = await start(() => true);
  const readers: AbortController[] = [];
  const open = async (): Promise<{ status: number; retry: string | null }> => {
    const stop = new AbortController();
    readers.push(stop);
    const { status, headers } = await fetch(`http://127.0.0.1:${port}/v1/apps/shop/logs?follow=true`, {
      headers: { authorization: `Bearer ${of.admin}` },
      signal: stop.signal,
    });
    return { status, retry: headers.get("retry-after") };
  };
  for (let count = 0; count < MAX_LOG_READERS; count += 1) expect((await open()).status).toBe(200);
  expect(await open()).toEqual({ status: 503, retry: "30" });
  readers[0]?.abort();
  // The hub sees the end of a connection a moment later.
  await expect.poll(async () => (await open()).status).toBe(200);
  for (const one of readers) one.abort();
});

test("[A90] the logs of so many copies at once and no more; fewer of the same app are shown", async () => {
  const of = await start(() => true);
  const web = (replicas: number) => `services:\n  web:\n    image: web:1\n    deploy:\n      replicas: ${replicas}\n`;
  expect((await of.apply("big", web(MAX_LOG_WORKLOADS + 1))).status).toBe(200);
  expect((await of.call("GET", "/v1/apps/big/logs")).body).toMatchObject({
    code: "change-refused",
    message: `These are the logs of ${MAX_LOG_WORKLOADS + 1} copies; ${MAX_LOG_WORKLOADS} is the most.`,
    hint: expect.stringContaining("APP/SERVICE/SLOT"),
  });
  expect((await logs(of, "big/logs?service=web&slot=7")).status).toBe(200);
  expect((await of.apply("big", web(MAX_LOG_WORKLOADS))).status).toBe(200);
  expect((await logs(of, "big/logs")).status).toBe(200);
});
