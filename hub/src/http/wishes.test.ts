// Stop, start, restart, pause, scale, drain and forgetting over HTTP: what is answered, and what is shown of it afterwards.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";

let hub: TestHub;
let first: string;
let second: string;
const FILE = `
services:
  web: { image: "web:1", deploy: { replicas: 2, update_config: { parallelism: 0 } } }
  all: { image: "all:1", deploy: { mode: global } }
  db: { image: "db:1", volumes: ["data:/data"] }
volumes: { data: {} }
`;
beforeAll(async () => {
  hub = await startTestHub();
  first = await hub.join("pi-a");
  second = await hub.join("pi-b");
  await hub.apply("shop", FILE);
});
afterAll(() => hub.close());

const view = async (id: string) =>
  (await hub.call("GET", "/v1/workloads?app=shop")).body.items.find((item: { id: string }) => item.id === id);

test("[A70] a stop says what it is about and who is not heard; it is shown with since when, by whom and why", async () => {
  const stopped = await hub.call("POST", "/v1/apps/shop/stop", { service: "web", reason: "noise" });
  expect(stopped.body).toMatchObject({ target: "shop/web", changed: true, waitingFor: [] });
  expect(stopped.body.workloads).toEqual(["shop/web/1", "shop/web/2"]);
  const shown = await view("shop/web/1");
  expect(shown.stop).toMatchObject({ target: "shop/web", by: "admin", reason: "noise" });
  expect(shown.stop.atMs).toBeGreaterThan(0);
  expect(shown.hint).toContain("skerry start shop/web");
  const app = await hub.call("GET", "/v1/apps/shop");
  expect(app.body.services.map((one: { name: string; stop: unknown }) => [one.name, one.stop !== null])).toEqual([
    ["all", false],
    ["db", false],
    ["web", true],
  ]);
  const again = await hub.call("POST", "/v1/apps/shop/stop", { service: "web", reason: "other" });
  expect(again.body.changed).toBe(false);
  const events = await hub.call("GET", "/v1/events?app=shop");
  expect(events.body.items.map(({ text }: { text: string }) => text)).toContain("shop/web stopped by admin: noise");
});

test("[A70] what stands stopped as it should is good, and says why; before that it is on its way", async () => {
  for (const node of [first, second]) await hub.reportAll(node as never, { kind: "running", health: "none" });
  expect(await view("shop/web/1")).toMatchObject({ good: false, reason: expect.stringContaining("to be stopped") });
  for (const node of [first, second]) await hub.reportAll(node as never, { kind: "stopped" });
  expect(await view("shop/web/1")).toMatchObject({
    good: true,
    state: "stopped",
    reason: "shop/web stopped by admin: noise",
  });
  expect((await hub.call("POST", "/v1/apps/shop/start", {})).body).toMatchObject({ target: "shop", changed: true });
  expect(await view("shop/web/1")).toMatchObject({ stop: null });
});

test("[A70] a global copy is named by its node; what does not exist is refused by name", async () => {
  const one = await hub.call("POST", "/v1/apps/shop/restart", { service: "all", slot: "pi-b" });
  expect(one.body).toMatchObject({ target: "shop/all/pi-b", workloads: [`shop/all/${second}`] });
  const call = (app: string, body: object) => hub.call("POST", `/v1/apps/${app}/stop`, body);
  expect(await call("nobody", {})).toMatchObject({ status: 404, body: { code: "app-not-found" } });
  expect(await call("shop", { service: "cache" })).toMatchObject({ status: 422, body: { path: "service" } });
  expect(await call("shop", { service: "web", slot: "9" })).toMatchObject({ status: 422, body: { path: "slot" } });
  expect(await call("shop", { slot: "1" })).toMatchObject({ status: 400, body: { path: "service" } });
  expect(await call("shop", { reason: "x".repeat(257) })).toMatchObject({ status: 400 });
});

test("[A71] a pause is shown with the app until it ends", async () => {
  await hub.call("POST", "/v1/apps/shop/pause", { reason: "a wedding" });
  expect((await hub.call("GET", "/v1/apps/shop")).body.paused).toMatchObject({ by: "admin", reason: "a wedding" });
  expect((await hub.call("GET", "/v1/apps")).body.items[0].paused).toMatchObject({ reason: "a wedding" });
  await hub.call("POST", "/v1/apps/shop/unpause", {});
  expect((await hub.call("GET", "/v1/apps/shop")).body.paused).toBe(null);
});

test("[A71] scaling answers with the number before and the new revision; its file is that of the one before", async () => {
  const before = (await hub.call("GET", "/v1/apps/shop")).body.revision;
  const scaled = await hub.call("POST", "/v1/apps/shop/scale", { service: "web", replicas: 3 });
  expect(scaled.body).toMatchObject({ from: 2, replicas: 3, revision: before + 1, changed: true });
  expect((await hub.call("GET", `/v1/apps/shop/revisions/${before + 1}`)).body.source).toBe(FILE);
  const stale = await hub.call("POST", "/v1/apps/shop/scale", { service: "web", replicas: 4, ifRevision: before });
  expect(stale).toMatchObject({ status: 409, body: { code: "revision-conflict" } });
  const global = await hub.call("POST", "/v1/apps/shop/scale", { service: "all", replicas: 4 });
  expect(global).toMatchObject({ status: 422, body: { message: expect.stringContaining("global") } });
});

describe("a drained node", () => {
  test("[A72] shows since when, by whom and why, what stays and why, and what is leaving", async () => {
    for (const node of [first, second]) await hub.reportAll(node as never, { kind: "running", health: "none" });
    const host = (await view("shop/db/1")).node.name;
    const body = { availability: "draining", reason: "new card", deadlineMs: 60_000 };
    expect((await hub.call("PUT", `/v1/nodes/${host}/availability`, body)).body).toMatchObject({
      availability: "draining",
    });
    const { body: node } = await hub.call("GET", `/v1/nodes/${host}`);
    expect(node.availabilitySaid).toMatchObject({ by: "admin", reason: "new card" });
    expect(node.drain).toMatchObject({ overSinceMs: null, done: false });
    const kinds = node.drain.stays.map((one: { workload: string; kind: string }) => [
      one.workload.split("/")[1],
      one.kind,
    ]);
    expect(kinds).toEqual([
      ["all", "global"],
      ["db", "bound"],
    ]);
    expect(node.drain.leaving.length).toBeGreaterThan(0);
    expect(node.drain.leaving.every((id: string) => id.startsWith("shop/web/"))).toBe(true);
    const again = async (more: object) =>
      (await hub.call("PUT", `/v1/nodes/${host}/availability`, { availability: "draining", ...more })).body.changed;
    expect([await again({}), await again({ deadlineMs: 60_000 })]).toEqual([false, true]);
    const bad = await hub.call("PUT", `/v1/nodes/${host}/availability`, { availability: "cordoned", deadlineMs: 5 });
    expect(bad).toMatchObject({ status: 422, body: { path: "deadlineMs" } });
  });

  test("[A72] past its deadline what is left is to be stopped, and says so", async () => {
    const { name } = (await view("shop/db/1")).node;
    hub.advance(61_000);
    // Anything that makes the hub look: its own timer would, half a minute later at the latest.
    await hub.call("PATCH", "/v1/nodes/pi-a", { setLabels: { looked: "yes" } });
    expect((await hub.call("GET", `/v1/nodes/${name}`)).body.drain.overSinceMs).toBeGreaterThan(0);
    const shown = await view("shop/db/1");
    expect(shown.stop).toMatchObject({ target: `node/${name}`, by: "admin" });
    expect(shown.hint).toContain(`skerry uncordon ${name}`);
    await hub.call("PUT", `/v1/nodes/${name}/availability`, { availability: "active" });
    expect(await view("shop/db/1")).toMatchObject({ stop: null });
    expect((await hub.call("GET", `/v1/nodes/${name}`)).body.drain).toBe(null);
  });
});

test("[A73] forgetting a node says what moves, what finds no other node and which volumes stay; a dry run changes nothing", async () => {
  const { name, id } = (await view("shop/db/1")).node;
  const dry = await hub.call("DELETE", `/v1/nodes/${name}?dryRun=true`);
  expect(dry.body).toMatchObject({ dryRun: true, volumesKept: ["shop_data"] });
  expect(dry.body.moves.map(({ workload }: { workload: string }) => workload)).toContain("shop/db/1");
  expect((await hub.call("GET", `/v1/nodes/${name}`)).status).toBe(200);
  const gone = await hub.call("DELETE", `/v1/nodes/${name}`);
  expect(gone.body).toMatchObject({ dryRun: false, moves: dry.body.moves });
  for (const { workload, to } of dry.body.moves) expect((await view(workload)).node?.id ?? null).toBe(to?.id ?? null);
  expect((await hub.call("GET", `/v1/nodes/${id}`)).status).toBe(404);
});

test("[A74] nothing is removed by a file without services, an empty name or an empty list", async () => {
  const before = (await hub.call("GET", "/v1/workloads?app=shop")).body.items.length;
  expect((await hub.apply("shop", "services: {}")).status).toBe(422);
  expect((await hub.apply("shop", "{}")).status).toBe(422);
  for (const url of ["/v1/apps/", "/v1/apps", "/v1/nodes/", "/v1/nodes", "/v1/nodes/%20"])
    expect((await hub.call("DELETE", url)).status, url).toBeGreaterThanOrEqual(400);
  expect((await hub.call("GET", "/v1/workloads?app=shop")).body.items).toHaveLength(before);
});

test("[A75] a dry run names the copies of other apps that would lose their room, and where they would go", async () => {
  const low = `
services:
  web: { image: "low:1", deploy: { replicas: 1, resources: { reservations: { memory: 3G } } } }
`;
  const high = `
services:
  web:
    image: "high:1"
    deploy: { resources: { reservations: { memory: 3G } } }
    x-skerry: { priority: 10 }
`;
  await hub.apply("low", low);
  const placed = (await hub.call("GET", "/v1/workloads?app=low")).body.items[0];
  expect(placed.node).not.toBe(null);
  const plan = await hub.apply("high", high, { dryRun: true });
  expect(plan.body.pushesOut).toMatchObject([{ workload: "low/web/1", node: placed.node, to: null }]);
  expect((await hub.call("GET", "/v1/workloads?app=low")).body.items[0].node).toEqual(placed.node);
  await hub.apply("high", high);
  expect((await hub.call("GET", "/v1/workloads?app=low")).body.items[0]).toMatchObject({
    node: null,
    state: "unplaced",
  });
  const events = (await hub.call("GET", "/v1/events?app=low")).body.items.map(({ text }: { text: string }) => text);
  expect(events).toContainEqual(expect.stringContaining("high/web/1 has the higher priority"));
});
