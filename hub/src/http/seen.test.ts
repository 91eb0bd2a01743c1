// What the hub and nodes put into words names no app that is out of the caller's sight: not in reasons that were stored, and not in
// what a node says of its own machine.
import type { AppName, NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Answer, startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";
import type { DurableChange } from "../core/change.ts";
import { EVERYTHING } from "../core/permission.ts";
import type { WatchItem } from "../store/store.ts";
import { Rights, sightOf } from "./access.ts";
import { seenWordsOf } from "./seen-words.ts";
import { durableNews } from "./watch-news.ts";

let hub: TestHub;
beforeEach(async () => {
  hub = await startTestHub();
});
afterEach(() => hub.close());

async function made(body: object): Promise<(url: string) => Promise<Answer>> {
  const token = (await hub.call("POST", "/v1/api-tokens", { name: "ci", role: "viewer", ...body })).body.token;
  return (url) => hub.call("GET", url, undefined, { token });
}

test("[A118] a copy that had to make room does not say for whom while it leaves", async () => {
  const node = await hub.join("pi-farm");
  const file = (memory: string, more = ""): string =>
    `services:\n  web:\n    image: web:1\n    deploy: { resources: { reservations: { memory: ${memory} } } }\n${more}`;
  await hub.apply("shop", file("1G"));
  await hub.reportAll(node, { kind: "running", health: "none" });
  await hub.apply("blog", file("3500M", "    x-skerry: { priority: 9 }\n"));
  expect(hub.loop.world.tombstonesByNode.get(node)).toMatchObject([{ reason: expect.stringContaining("blog/web/1") }]);
  const mine = await made({ apps: ["shop"] });
  const seen = [];
  for (const url of ["/v1/why/shop", "/v1/why/shop/web/1", "/v1/apps/shop", "/v1/workloads", "/v1/events"]) {
    const { status, text } = await mine(url);
    expect([url, status, text]).toEqual([url, 200, expect.not.stringContaining("blog")]);
    seen.push(text);
  }
  expect(seen[2]).toContain("made room for another app");
  expect((await hub.call("GET", "/v1/apps/shop")).text).toContain("made room for blog/web/1");
});

const PORT = `services:\n  web:\n    image: web:1\n    ports: ["80:80"]\n    deploy: { mode: global }\n`;
/** What agents say, word for word, of blog and of a container that is no app's. */
const SAID = {
  port: "port 80/tcp is taken by container blog-web-1",
  program: "port 81/tcp is taken by container nginx-1, which Skerry did not make: stop it or publish another port",
  name: "the name shop-web-1 is still held by a container of blog/web/1",
  left: "containers of this node are neither assigned nor retired, and run on: blog-old-2 (blog/old/2), shop-web-3 (shop/web/3); remove them",
  engine: 'Conflict. The container name "/blog-web-1-previous" is already in use',
};
const ALL = Object.values(SAID).join(" | ");
const SEEN = [
  "port 80/tcp is taken by another app",
  SAID.program,
  "the name shop-web-1 is still held by a container of another app",
  "containers of this node are neither assigned nor retired, and run on: another app (another app), shop-web-3 (shop/web/3); remove them",
  'Conflict. The container name "/another app" is already in use',
].join(" | ");

test("[A118] what a node says of its machine names no container and no workload of apps out of reach", async () => {
  const node = await hub.join("pi-farm", { labels: { site: "farm" } });
  await hub.apply("blog", "services:\n  web:\n    image: web:1\n");
  await hub.apply("shop", PORT);
  await hub.reportAll(node, { kind: "waiting", reason: ALL });
  await hub.report(node, { conditions: [{ kind: "unexplained-container", message: ALL }] });
  const workload = [...hub.loop.world.placements.keys()].find((id) => id.startsWith("shop/"));
  if (workload === undefined) throw new Error("shop is nowhere");
  const told = [
    { kind: "condition-on", condition: "unexplained-container", message: ALL },
    { kind: "workload-failed", workload, reason: ALL },
  ] as const;
  const items = told.map((event, at) => ({ seq: at + 1, bootId: "b", ageMs: 1, event }));
  await hub.frame(node, { type: "events", items });
  const position = hub.loop.world.nodes.get(node)?.assigned ?? { epoch: 1, generation: 0 };
  await hub.frame(node, { type: "refused", position, reason: "invalid", message: ALL, have: null });
  const mine = await made({ apps: ["shop"], nodeLabels: ["site=farm"] });
  const urls = [
    "nodes",
    "nodes/pi-farm",
    "why/pi-farm",
    "why/shop",
    `why/${workload}`,
    "workloads",
    "apps/shop",
    "events",
  ];
  for (const url of urls) {
    const [seen, whole] = [await mine(`/v1/${url}`), await hub.call("GET", `/v1/${url}`)];
    expect([url, seen.status, seen.text]).toEqual([url, 200, expect.not.stringMatching(/blog/)]);
    expect([url, whole.text]).toEqual([url, expect.stringContaining(JSON.stringify(ALL).slice(1, -1))]);
    expect([url, seen.text]).toEqual([url, expect.stringContaining(JSON.stringify(SEEN).slice(1, -1))]);
  }
  const page = (await mine("/v1/nodes/pi-farm")).body;
  expect([page.conditions[0].message, page.refusal.message]).toEqual([SEEN, SEEN]);
  // History outlives what it names.
  await hub.call("DELETE", "/v1/apps/blog");
  await hub.report(node, { gone: ["blog/web/1" as WorkloadId] });
  expect((await mine("/v1/events")).text).not.toContain("container blog");
});

const sight = (...apps: string[]) =>
  // Names of apps by their schema.
  sightOf(new Rights([{ role: "viewer", scope: { apps: apps as AppName[], nodeLabels: ["site=farm"] } }], []));

test("[A118] a watch masks the words of nodes too", async () => {
  const node = await hub.join("pi-farm", { labels: { site: "farm" } });
  await hub.apply("blog", "services:\n  web:\n    image: web:1\n");
  const item = (change: DurableChange): WatchItem => ({ seq: 1, index: 0, wallMs: 0, change });
  const event = { kind: "condition-on", condition: "unexplained-container", message: ALL } as const;
  const texts = (change: DurableChange): unknown =>
    durableNews(hub.loop.world, item(change), { app: null, node: null, sight: () => sight("shop") });
  const said = texts({ kind: "node-events", node, items: [{ seq: 1, bootId: "b", ageMs: 1, event }] });
  expect(said).toMatchObject({ items: [{ text: SEEN }] });
  const refused = { kind: "assignment-refused", node, reason: "fork", message: ALL } as const;
  expect(texts({ kind: "hub-event", event: refused })).toMatchObject({
    items: [{ text: `refuses its assignment (fork): ${SEEN}` }],
  });
});

test("[A118] a name is masked as long as it stands on the node, or an app out of reach could bear it, and else left", async () => {
  const node = await hub.join("pi-farm", { labels: { site: "farm" } });
  for (const [app, service] of [
    ["blog", "web"],
    ["shop", "web"],
    ["shop-web", "a"],
  ])
    await hub.apply(app ?? "", `services:\n  ${service}:\n    image: web:1\n`);
  await hub.reportAll(node, { kind: "running", health: "none" });
  const { world } = hub.loop;
  const words = (text: string, at: NodeId | null = node): string => seenWordsOf(world, sight("shop"))(at)(text);
  for (const [text, seen] of [
    ["blog-web-1", "another app"],
    ["blog-web-12-previous.", "another app."],
    ["by container blog-web-1: no", "by another app: no"],
    ["http://blog-web-1:80/x and /run/blog-web-1/log", "http://another app:80/x and /run/another app/log"],
    ["shop-web-1, shop/web/1, shop-web-a-1", "shop-web-1, shop/web/1, another app"],
    ["is taken by container gone-web-1; try 2 in 5 s", "is taken by another app; try 2 in 5 s"],
    ["is taken by container shop-web-1-previous; try 2", "is taken by container shop-web-1-previous; try 2"],
    ["nginx-1, my-own-thing-1, /usr/lib/python3/1", "nginx-1, my-own-thing-1, /usr/lib/python3/1"],
    ["blog/web/nfedcba9876543210 or blog-webs-1", "another app or blog-webs-1"],
    ["blog", "blog"],
  ] as const)
    expect(words(text)).toBe(seen);
  await hub.call("DELETE", "/v1/apps/blog");
  // It is leaving; then nobody knows the name.
  expect([words("blog-web-1"), words("blog-web-1", null)]).toEqual(["another app", "blog-web-1"]);
  const everything = sightOf(new Rights([{ role: "viewer", scope: EVERYTHING }], []));
  expect(seenWordsOf(world, everything)(node)("shop-web-a-1")).toBe("shop-web-a-1");
});

test("[A118] masking takes a time that grows with the text, and no more", () => {
  const words = seenWordsOf(hub.loop.world, sight("shop"))(null);
  const began = performance.now();
  for (const piece of ["a-", "-", "a/", "a.", "is taken by container a-", "a/a/1 ", "a-1-"])
    expect(words(`${piece.repeat(20_000)}!`).length).toBeGreaterThan(10_000);
  expect(performance.now() - began).toBeLessThan(5_000);
});

test("[A118] a rollout that failed for a container of an app out of reach does not name it", async () => {
  const node = await hub.join("pi-farm", { labels: { site: "farm" } });
  await hub.apply("blog", "services:\n  web:\n    image: web:1\n");
  await hub.apply("shop", PORT);
  await hub.reportAll(node, { kind: "running", health: "none" });
  await hub.apply("shop", PORT.replace("web:1", "web:2"));
  await hub.failGates(node, SAID.port);
  const mine = await made({ apps: ["shop"], nodeLabels: ["site=farm"] });
  for (const url of ["apps/shop/rollout", "apps/shop/rollouts", "why/shop", "apps/shop", "events"]) {
    const [seen, whole] = [await mine(`/v1/${url}`), await hub.call("GET", `/v1/${url}`)];
    expect([url, seen.status, seen.text]).toEqual([url, 200, expect.not.stringContaining("blog")]);
    expect([url, whole.text]).toEqual([url, expect.stringContaining(SAID.port)]);
    expect([url, seen.text]).toEqual([url, expect.stringContaining("taken by another app")]);
  }
});
