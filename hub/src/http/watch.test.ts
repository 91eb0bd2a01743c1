// The watch over real sockets: nothing lost, nothing twice, nothing secret, and no client that costs the others.
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";
import { MAX_BUFFERED_BYTES } from "./event-stream.ts";
import type { WatchNews } from "./schemas/events.ts";
import { MAX_WATCHERS } from "./watch.ts";

const WEB = "services:\n  web:\n    image: web:1\n";
const webAt = (version: number): string => WEB.replace("web:1", `web:${version}`);

let hub: TestHub;
let port: number;
const open: ClientRequest[] = [];
beforeEach(async () => {
  hub = await startTestHub();
  port = await hub.listen();
});
afterEach(async () => {
  for (const call of open.splice(0)) call.destroy();
  await hub.close();
});

interface Message {
  readonly id: string | null;
  readonly news: WatchNews;
}
interface Client {
  readonly status: number;
  readonly response: IncomingMessage;
  readonly messages: Message[];
  text: string;
  readonly closed: Promise<void>;
  /** The messages up to the first that fits. */
  until(what: string, fits: (message: Message) => boolean): Promise<Message>;
}

function watch(query = "", headers: Record<string, string> = {}): Promise<Client> {
  return new Promise((resolve, reject) => {
    const call = request(
      { port, path: `/v1/watch${query}`, headers: { authorization: `Bearer ${hub.admin}`, ...headers } },
      (response) => resolve(client(response)),
    );
    call.on("error", reject);
    call.end();
    open.push(call);
  });
}

function client(response: IncomingMessage): Client {
  const messages: Message[] = [];
  const waiting = new Set<() => void>();
  const result: Client = {
    status: response.statusCode ?? 0,
    response,
    messages,
    text: "",
    closed: new Promise((resolve) => {
      response.on("close", resolve);
      response.on("error", () => {});
    }),
    until: (what, fits) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = messages.find(fits);
          if (found === undefined) return;
          waiting.delete(look);
          clearTimeout(deadline);
          resolve(found);
        };
        const deadline = setTimeout(() => reject(new Error(`no ${what}; got ${JSON.stringify(messages)}`)), 5_000);
        waiting.add(look);
        look();
      }),
  };
  let rest = "";
  response.on("data", (chunk) => {
    result.text += String(chunk);
    const parts = (rest + String(chunk)).split("\n\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const data = /^data: (.*)$/m.exec(part)?.[1];
      const id = /^id: (.*)$/m.exec(part)?.[1] ?? null;
      if (data !== undefined) messages.push({ id, news: JSON.parse(data) });
    }
    for (const look of [...waiting]) look();
  });
  return result;
}

const isApp = (revision: number) => (message: Message) =>
  message.news.kind === "app" && message.news.revision === revision;

test("[A30] a watch tells every change after `since`, in order, each with an id", async () => {
  const { seq } = (await hub.apply("shop", WEB)).body;
  const watching = await watch(`?since=${seq}`);
  expect(watching.status).toBe(200);
  expect(watching.response.headers["content-type"]).toMatch(/^text\/event-stream/);
  await watching.until("revision 1", isApp(1));
  await hub.apply("shop", webAt(2));
  await watching.until("revision 2", isApp(2));
  expect(watching.messages[0]?.news).toMatchObject({ kind: "hello" });
  const ids = watching.messages.flatMap(({ id }) => id ?? []);
  const order = ids.slice(1).map((id) => id.split(".").map(Number));
  expect(order).toEqual(order.toSorted(([a = 0, b = 0], [c = 0, d = 0]) => a - c || b - d));
  expect(new Set(ids).size).toBe(ids.length);
});

test("[A30] without `since` it tells only what comes", async () => {
  await hub.apply("shop", WEB);
  const watching = await watch();
  await hub.apply("shop", webAt(2));
  await watching.until("revision 2", isApp(2));
  expect(watching.messages.some(isApp(1))).toBe(false);
});

test("[A31] a watch resumed after any message misses nothing and repeats nothing", async () => {
  await hub.join("pi-a");
  const { seq } = hub.loop.world;
  for (let version = 1; version <= 4; version += 1) await hub.apply("shop", webAt(version));
  const whole = await watch(`?since=${seq}`);
  await whole.until("the last revision", isApp(4));
  const durable = whole.messages.filter(({ id }) => id?.includes("."));
  expect(durable.length).toBeGreaterThan(8);
  for (const [index, { id }] of durable.entries()) {
    const rest = await watch("", { "last-event-id": id ?? "" });
    if (index + 1 < durable.length) {
      const last = durable.at(-1)?.id;
      await rest.until(`message ${last}`, (message) => message.id === last);
    }
    expect(rest.messages.filter((message) => message.id?.includes(".") && message.news.kind !== "hello")).toEqual(
      durable.slice(index + 1),
    );
  }
});

test("[A32] what is no longer kept, or does not exist yet, is answered with watch-expired", async () => {
  const future = await hub.call("GET", "/v1/watch?since=9999");
  expect(future).toMatchObject({ status: 410, body: { code: "watch-expired", hint: expect.stringContaining("anew") } });
  const trimmed = await startTestHub({
    store: (store) => ({ ...store, watch: (since, limit) => (since < 2 ? null : store.watch(since, limit)) }),
  });
  for (let version = 1; version <= 3; version += 1) await trimmed.apply("shop", webAt(version));
  expect((await trimmed.call("GET", "/v1/watch?since=1")).body.code).toBe("watch-expired");
  await trimmed.close();
});

test("[A32] a wrong Last-Event-ID is refused", async () => {
  const answer = await hub.call("GET", "/v1/watch", undefined, { headers: { "last-event-id": "x" } });
  expect(answer).toMatchObject({ status: 400, body: { path: "Last-Event-ID" } });
});

test("[A33] hashes of secrets are never told", async () => {
  const watching = await watch("?since=0");
  await hub.join("pi-a");
  await watching.until("the node", ({ news }) => news.kind === "node");
  await watching.until(
    "the event",
    ({ news }) => news.kind === "events" && news.items.some((item) => item.kind === "node-joined"),
  );
  expect(watching.text).not.toMatch(/[0-9a-f]{64}/);
  expect(watching.text).not.toContain("publicKey");
});

test("[A34] passing news of workloads and nodes comes without an id, as the state then is", async () => {
  const node = await hub.join("pi-a");
  await hub.apply("shop", WEB);
  const watching = await watch();
  await hub.reportAll(node, { kind: "running", health: "none" });
  const told = await watching.until(
    "running",
    ({ news }) => news.kind === "workloads" && news.items.some(({ state }) => state === "running"),
  );
  expect(told.id).toBeNull();
  hub.loop.disconnected(node);
  await watching.until(
    "the lost link",
    ({ id, news }) => id === null && news.kind === "reachability" && !news.reachability.connected,
  );
});

test("[A34] a burst of reports becomes few messages", async () => {
  const node = await hub.join("pi-a");
  await hub.apply("shop", WEB);
  const watching = await watch();
  for (let done = 0; done <= 50; done += 1) {
    await hub.reportAll(node, { kind: "pulling", doneBytes: done, totalBytes: 50, doneLayers: 0, totalLayers: 1 });
  }
  await watching.until(
    "the last one",
    ({ news }) => news.kind === "workloads" && news.items.some(({ reason }) => reason.includes("are here")),
  );
  expect(watching.messages.filter(({ news }) => news.kind === "workloads").length).toBeLessThan(25);
});

test("[A35] a watch of one app is told of it alone, and moves on all the same", async () => {
  const watching = await watch("?app=shop");
  await hub.apply("zoo", WEB);
  await hub.apply("shop", WEB);
  await watching.until("shop", isApp(1));
  expect(watching.text).not.toContain("zoo");
  const ofNode = await watch(`?node=${await hub.join("pi-a")}`);
  await hub.join("pi-b");
  await hub.call("PATCH", "/v1/nodes/pi-a", { setLabels: { a: "b" } });
  await ofNode.until("pi-a", ({ news }) => news.kind === "node" && news.node.name === "pi-a");
  expect(ofNode.text).not.toContain("pi-b");
  expect((await hub.call("GET", "/v1/watch?node=nowhere")).body.code).toBe("node-not-found");
});

test("[A36] a client that does not read costs a bounded buffer, and the others nothing", async () => {
  const quick = await watch();
  const slow = await watch();
  slow.response.pause();
  const source = "#".repeat(100_000);
  for (let version = 1; version <= 30; version += 1) await hub.apply("shop", `${source}\n${webAt(version)}`);
  // Events of a node are the largest messages: 100 in one.
  const node = await hub.join("pi-a");
  for (let round = 0; round < 20; round += 1) {
    const items = Array.from({ length: 100 }, (_, index) => ({
      seq: round * 100 + index + 1,
      bootId: "b1",
      ageMs: 0,
      event: { kind: "drift", workload: "shop/web/1", what: "x".repeat(2_000) } as never,
    }));
    await hub.frame(node, { type: "events", items });
  }
  await hub.apply("shop", webAt(99));
  await quick.until("the last revision", ({ news }) => news.kind === "app" && news.revision === 31);
  expect(hub.http.watch.size()).toBe(2);
  expect(hub.http.watch.bufferedBytes()).toBeLessThan(2 * MAX_BUFFERED_BYTES + 4_000_000);
  slow.response.resume();
  await slow.until("the last revision", ({ news }) => news.kind === "app" && news.revision === 31);
});

test("[A36] there is a most of watchers, and a stopped hub ends them all", async () => {
  const clients = await Promise.all(Array.from({ length: MAX_WATCHERS }, () => watch()));
  expect(hub.http.watch.size()).toBe(MAX_WATCHERS);
  const more = await hub.call("GET", "/v1/watch");
  expect(more).toMatchObject({ status: 503, body: { code: "overloaded" } });
  expect(more.headers["retry-after"]).toBe("30");
  hub.http.watch.stop();
  await Promise.all(clients.map(({ closed }) => closed));
  expect(hub.http.watch.size()).toBe(0);
  expect((await hub.call("GET", "/v1/watch")).body.code).toBe("stopping");
});

test("[A36] a client that goes away is forgotten", async () => {
  const gone = await watch();
  expect(hub.http.watch.size()).toBe(1);
  gone.response.destroy();
  await expect.poll(() => hub.http.watch.size()).toBe(0);
});
