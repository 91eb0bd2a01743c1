// Logs over the API: merged with their names, what is missing is said, wrong targets are refused. The nodes' side is a table of lines.
import type { LogAsk, LogItem } from "@skerry/shared/protocol/streams.ts";
import { afterEach, expect, test } from "vitest";
import { startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";

const AT = "2026-11-21T12:00:00.000000000Z";
const GLOBAL = "services:\n  web:\n    image: web:1\n    deploy:\n      mode: global\n";

let hub: TestHub | null = null;
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
  for (const name of ["pi-a", "pi-b"]) await made.join(name);
  expect((await made.apply("shop", GLOBAL)).status).toBe(200);
  return made;
}

async function logs(of: TestHub, query: string) {
  const port = await of.listen();
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

test("[A55] an app or a copy that is not there is refused, and so is a question out of range", async () => {
  const of = await start(() => true);
  expect((await of.call("GET", "/v1/apps/nothing/logs")).body).toMatchObject({ code: "app-not-found" });
  expect((await of.call("GET", "/v1/apps/shop/logs?slot=9")).body).toMatchObject({ code: "target-not-found" });
  expect((await of.call("GET", "/v1/apps/shop/logs?tail=-1")).status).toBe(400);
});
