// Events, why, health, metrics, the OpenAPI document and the version.

import type { NodeEvent } from "@skerry/shared/model/event.ts";
import { PROTOCOL_MINIMUM, PROTOCOL_VERSION } from "@skerry/shared/protocol/version.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { facts, startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";
import { type Store, StoreError } from "../store/store.ts";
import { api } from "./api.ts";
import { routes } from "./routes.ts";

const WEB = "services:\n  web:\n    image: web:1\n";
let hub: TestHub;
let failure: StoreError | null = null;
beforeEach(async () => {
  failure = null;
  hub = await startTestHub({
    store: (store: Store): Store => ({
      ...store,
      commit: (commit) => {
        if (failure !== null) throw failure;
        return store.commit(commit);
      },
    }),
  });
});
afterEach(() => hub.close());

test("[A40] events are told in words, filtered, and paged by id without loss", async () => {
  const node = await hub.join("pi-a");
  await hub.apply("shop", WEB);
  await hub.apply("zoo", WEB);
  await hub.frame(node, {
    type: "events",
    items: [{ seq: 1, bootId: "b", ageMs: 0, event: { kind: "link-lost", reason: "no route" } }],
  });
  const all = (await hub.call("GET", "/v1/events")).body;
  const kinds = all.items.map((item: { kind: string }) => item.kind);
  expect(kinds).toEqual(expect.arrayContaining(["token-created", "node-joined", "app-applied", "placed", "link-lost"]));
  expect(all.items.every((item: { text: string }) => item.text.length > 0)).toBe(true);
  const ids = all.items.map((item: { id: number }) => item.id);
  expect(ids).toEqual(ids.toSorted((a: number, b: number) => a - b));
  const paged: number[] = [];
  for (let after = 0; ; ) {
    const { body } = await hub.call("GET", `/v1/events?limit=2&after=${after}`);
    if (body.items.length === 0) break;
    paged.push(...body.items.map((item: { id: number }) => item.id));
    after = body.next;
  }
  expect(paged).toEqual(ids);
  const ofShop = (await hub.call("GET", "/v1/events?app=shop")).body.items;
  expect(ofShop.every((item: { app: string }) => item.app === "shop")).toBe(true);
  const ofNode = (await hub.call("GET", "/v1/events?node=pi-a")).body.items;
  expect(ofNode.some((item: { text: string }) => item.text.includes("no route"))).toBe(true);
});

test("[A41] why answers for an app, a service, a workload and a node", async () => {
  await hub.join("pi-a");
  await hub.apply("shop", `${WEB}    deploy: {placement: {constraints: ["node.labels.site == moon"]}}\n`);
  const app = (await hub.call("GET", "/v1/why/shop")).body;
  expect(app).toMatchObject({ kind: "app", good: false, target: "shop" });
  expect(app.lines[0]).toMatchObject({ subject: "shop/web/1", text: expect.stringContaining("site=moon") });
  expect((await hub.call("GET", "/v1/why/shop/web")).body).toMatchObject({ kind: "service", good: false });
  const workload = (await hub.call("GET", "/v1/why/shop/web/1")).body;
  expect(workload).toMatchObject({ kind: "workload", good: false });
  expect(JSON.stringify(workload.lines)).toContain("pi-a");
  for (const target of ["pi-a", "node/pi-a"]) {
    expect((await hub.call("GET", `/v1/why/${target}`)).body).toMatchObject({ kind: "node", good: true });
  }
  await hub.call("PUT", "/v1/nodes/pi-a/availability", { availability: "cordoned" });
  const cordoned = (await hub.call("GET", "/v1/why/pi-a")).body;
  expect(cordoned.lines[0]).toMatchObject({ hint: expect.stringContaining("uncordon") });
  for (const nothing of ["nothing", "shop/nothing", "shop/web/9", "shop/web/1/2", "node/nothing"]) {
    expect((await hub.call("GET", `/v1/why/${nothing}`)).body.code).toBe("target-not-found");
  }
});

test("[A41] why names what to do, and the events of the service that is asked for", async () => {
  const node = await hub.join("pi-a");
  await hub.apply("shop", `${WEB}  db:\n    image: db:1\n`);
  await hub.reportAll(node, {
    kind: "backing-off",
    during: "run",
    reason: "killed by the kernel at its memory limit of 16 MB (exit 137)",
    exit: { code: 137, oom: true, error: "", ranMs: 10 },
    attempt: 2,
    nextTryInMs: 4_000,
  });
  const { answer, lines, events } = (await hub.call("GET", "/v1/why/shop/web")).body;
  expect(answer).toBe("shop/web: 0 of 1 workload is good.");
  expect(lines[0].text).toMatch(/killed by the kernel .* of 16 MB \(exit 137\); try 2 in/);
  expect(lines[0].hint).toContain("limits.memory");
  expect(events.length).toBeGreaterThan(0);
  expect(new Set(events.map((event: { workload: string }) => event.workload))).toEqual(new Set(["shop/web/1"]));
  expect((await hub.call("GET", "/v1/why/pi-a")).body.answer).toContain("0 of 2 workloads are good");
  await hub.reportAll(node, { kind: "running", health: "none" });
  expect((await hub.call("GET", "/v1/why/shop/web")).body.answer).toBe("shop/web: its one copy is good.");
});

test("[A41] why of a workload that is not good shows the last lines that its container wrote", async () => {
  const node = await hub.join("pi-a");
  await hub.apply("shop", WEB);
  const exit = { code: 3, oom: false, error: "", ranMs: 10 };
  const tail = ["starting", "no such table: prices"];
  const said = {
    kind: "container-exited",
    workload: "shop/web/1",
    containerId: "c",
    exit,
    words: "ended (exit 3)",
    tail,
  };
  await hub.frame(node, { type: "events", items: [{ seq: 1, bootId: "b", ageMs: 0, event: said as NodeEvent }] });
  const state = {
    kind: "backing-off",
    during: "run",
    reason: "ended (exit 3)",
    exit,
    attempt: 1,
    nextTryInMs: 500,
  } as const;
  await hub.reportAll(node, state);
  expect((await hub.call("GET", "/v1/why/shop/web/1")).body).toMatchObject({ good: false, output: tail });
  await hub.reportAll(node, { kind: "running", health: "none" });
  expect((await hub.call("GET", "/v1/why/shop/web/1")).body).toMatchObject({ good: true, output: [] });
});

test("[A91] of a metered node the lines of the first of equal ends are shown, and none of another end", async () => {
  const node = await hub.join("pi-a");
  await hub.apply("shop", WEB);
  let seq = 0;
  const ends = async (code: number, ...tail: string[]): Promise<string[]> => {
    seq += 1;
    const exit = { code, oom: false, error: "", ranMs: 10 };
    const event = { kind: "container-exited", workload: "shop/web/1", containerId: "c", exit, words: "ended", tail };
    await hub.frame(node, { type: "events", items: [{ seq, bootId: "b", ageMs: 0, event: event as NodeEvent }] });
    return (await hub.call("GET", "/v1/why/shop/web/1")).body.output;
  };
  expect(await ends(3, "no such table")).toEqual(["no such table"]);
  // It wrote nothing, and says so.
  expect(await ends(3)).toEqual([]);
  await hub.report(node, { facts: { ...facts("pi-a", 1_073_741_824), metered: true } });
  expect(await ends(3, "no such table")).toEqual(["no such table"]);
  for (let again = 0; again < 40; again += 1) await ends(3);
  expect(await ends(3)).toEqual(["no such table"]);
  expect(await ends(4)).toEqual([]);
});

test("[A42] /healthz is 200 while the hub takes changes, and says why when it does not", async () => {
  const nobody = { token: null };
  expect(await hub.call("GET", "/healthz", undefined, nobody)).toMatchObject({ status: 200, body: { status: "ok" } });
  failure = new StoreError("full", "ENOSPC");
  await hub.apply("shop", WEB);
  const full = await hub.call("GET", "/healthz", undefined, nobody);
  expect(full).toMatchObject({
    status: 503,
    body: { status: "full", reason: expect.stringContaining("Free some space") },
  });
  expect((await hub.call("GET", "/v1/apps")).status).toBe(200);
  failure = null;
  expect((await hub.apply("shop", WEB)).status).toBe(200);
  expect((await hub.call("GET", "/healthz", undefined, nobody)).status).toBe(200);
  failure = new StoreError("broken", "EIO");
  await hub.apply("shop", WEB.replace("web:1", "web:2"));
  expect((await hub.call("GET", "/healthz", undefined, nobody)).body.status).toBe("read-only");
  expect((await hub.call("GET", "/v1/apps/shop")).body.revision).toBe(1);
});

test("[A43] metrics count nodes, workloads and requests, with closed label sets", async () => {
  const node = await hub.join("pi-a");
  await hub.apply("shop", WEB);
  await hub.reportAll(node, { kind: "running", health: "none" });
  const metrics = await hub.call("GET", "/metrics");
  expect(metrics.headers["content-type"]).toMatch(/^text\/plain/);
  expect(metrics.text).toContain('skerry_nodes{reachability="ready"} 1');
  expect(metrics.text).toContain("skerry_workloads_placed 1");
  expect(metrics.text).toContain('skerry_workloads_seen{state="running"} 1');
  expect(metrics.text).toMatch(
    /skerry_hub_request_seconds_count\{method="PUT",route="\/v1\/apps\/:app",status="2xx"\} 1/,
  );
  expect(metrics.text).not.toContain("pi-a");
});

test("[A44] the OpenAPI document has every route with its shapes and errors", async () => {
  const document = (await hub.call("GET", "/v1/openapi.json")).body;
  expect(document.openapi).toBe("3.1.0");
  for (const [name, route] of Object.entries(routes)) {
    const path = route.url.replaceAll(/:([a-z]+)/g, "{$1}").replace("*", "{target}");
    const operation = document.paths[path]?.[route.method.toLowerCase()];
    expect([name, operation?.operationId]).toEqual([name, name]);
    expect(operation.summary).toBe(route.summary);
    if ("body" in api[name as keyof typeof api]) expect(operation.requestBody).toBeDefined();
    if (name !== "getHealth") expect(operation.responses["401"]).toBeDefined();
  }
  const body = document.paths["/v1/apps/{app}"].put.requestBody.content["application/json"].schema;
  expect(body.required).toEqual(["compose"]);
  expect(body.additionalProperties).toBe(false);
});

test("[A45] the version names the program, the protocol and the installation", async () => {
  expect((await hub.call("GET", "/v1/version")).body).toMatchObject({
    version: "0.0.0-test",
    api: "v1",
    protocol: { version: PROTOCOL_VERSION, minimum: PROTOCOL_MINIMUM },
    installation: "i0123456789abcdef",
    epoch: 1,
  });
});

test("[A14] what a node saw before its engine fell silent is shown as unknown, not as good", async () => {
  const node = await hub.join("pi-a");
  await hub.apply("shop", WEB);
  await hub.reportAll(node, { kind: "running", health: "none" });
  const shown = async () => (await hub.call("GET", "/v1/workloads?app=shop")).body.items[0];
  expect(await shown()).toMatchObject({ state: "running", good: true });
  await hub.report(node, { conditions: [{ kind: "engine-unreachable", message: "the engine does not answer" }] });
  expect(await shown()).toMatchObject({ state: "unknown", good: false, last: "running" });
  expect((await shown()).reason).toContain("the engine does not answer");
  await hub.report(node, { conditions: [] });
  expect(await shown()).toMatchObject({ state: "running", good: true });
});

test("[A14] what a node said on an earlier connection, or before the hub stood still, is shown as unknown, with why", async () => {
  const node = await hub.join("pi-a");
  await hub.apply("shop", WEB);
  await hub.reportAll(node, { kind: "running", health: "none" });
  const shown = async () => (await hub.call("GET", "/v1/workloads?app=shop")).body.items[0];
  await hub.greet(node);
  expect(await shown()).toMatchObject({ state: "unknown", good: false, last: "running" });
  expect((await shown()).reason).toBe("node pi-a: it has connected anew and not yet reported; it last said: running");
  await hub.reportAll(node, { kind: "running", health: "none" });
  expect(await shown()).toMatchObject({ state: "running", good: true });
  hub.advance(600_000);
  await hub.frame(node, { type: "beat", n: 1 });
  await expect.poll(shown).toMatchObject({ state: "unknown", good: false, last: "running" });
  expect((await shown()).reason).toContain("this hub stood still and waits for its next word");
  hub.advance(3_000);
  await hub.frame(node, { type: "beat", n: 2 });
  expect(await shown()).toMatchObject({ state: "running", good: true });
});
