// Apps over the API: applying, dry runs, states, revisions, removal, and the lists of apps and workloads.
import { afterEach, beforeEach, expect, test } from "vitest";
import { startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";

const WEB = "services:\n  web:\n    image: web:1\n";
const RUNNING = { kind: "running", health: "none" } as const;

let hub: TestHub;
beforeEach(async () => {
  hub = await startTestHub();
});
afterEach(() => hub.close());

test("[A10] applying makes a revision; the same content makes none", async () => {
  const first = await hub.apply("shop", WEB);
  expect(first).toMatchObject({ status: 200, body: { dryRun: false, app: "shop", revision: 1, changed: true } });
  expect(first.body.services).toEqual([{ service: "web", change: "added" }]);
  const same = await hub.apply("shop", `# a remark\n${WEB}`);
  expect(same.body).toMatchObject({ revision: 1, changed: false });
  const next = await hub.apply("shop", WEB.replace("web:1", "web:2"));
  expect(next.body).toMatchObject({ revision: 2, changed: true, services: [{ service: "web", change: "recreated" }] });
});

test("[A11] ifRevision applies only over that revision, and 0 only over nothing", async () => {
  expect((await hub.apply("shop", WEB, { ifRevision: 0 })).status).toBe(200);
  const again = await hub.apply("shop", WEB.replace("web:1", "web:2"), { ifRevision: 0 });
  expect(again).toMatchObject({ status: 409, body: { code: "revision-conflict", path: "ifRevision" } });
  expect((await hub.apply("shop", WEB.replace("web:1", "web:2"), { ifRevision: 1 })).status).toBe(200);
  expect((await hub.call("DELETE", "/v1/apps/shop?ifRevision=1")).status).toBe(409);
  expect((await hub.call("DELETE", "/v1/apps/shop?ifRevision=2")).status).toBe(200);
});

test("[A12] a wrong Compose file is refused with every problem and its place", async () => {
  const answer = await hub.apply("shop", "services:\n  web:\n    image: web:1\n    imag: x\n    portz: []\n");
  expect(answer).toMatchObject({ status: 422, body: { code: "invalid-compose", path: "compose" } });
  expect(answer.body.problems.length).toBeGreaterThanOrEqual(2);
  expect(answer.body.problems[0]).toMatchObject({ line: 4, path: expect.stringContaining("services.web.imag") });
  expect((await hub.call("GET", "/v1/apps")).body.items).toEqual([]);
});

test("[A13] a dry run says per node what would change and why, and changes nothing", async () => {
  await hub.join("pi-a");
  await hub.join("pi-b");
  const { seq } = hub.loop.world;
  const fresh = await hub.apply("shop", `${WEB}    deploy: {mode: global}\n`, { dryRun: true });
  expect(fresh.body).toMatchObject({ dryRun: true, revision: 1, changed: true });
  expect(fresh.body.nodes.map((item: { node: { name: string } }) => item.node.name)).toEqual(["pi-a", "pi-b"]);
  expect(fresh.body.nodes[0].steps[0]).toMatchObject({ step: "start" });
  expect(hub.loop.world.seq).toBe(seq);
  expect(hub.loop.world.apps.size).toBe(0);
  await hub.apply("shop", `${WEB}    deploy: {mode: global}\n`);
  const newer = await hub.apply("shop", `${WEB.replace("web:1", "web:2")}    deploy: {mode: global}\n`, {
    dryRun: true,
  });
  expect(newer.body.nodes[0].steps[0]).toMatchObject({
    step: "replace",
    why: expect.stringContaining("web:1 → web:2"),
  });
  const gone = await hub.apply("shop", "services:\n  other:\n    image: o\n", { dryRun: true });
  expect(JSON.stringify(gone.body.nodes)).toContain("no longer has this service");
});

test("[A13] a dry run tells the batches to come in their order, what comes between them, and whose turn is later", async () => {
  const nodes = [await hub.join("pi-a"), await hub.join("pi-b"), await hub.join("pi-c"), await hub.join("pi-d")];
  const file = (image: string) => `services:
  web:
    image: ${image}
    deploy: {mode: global, update_config: {parallelism: 2, delay: 1m}}
    x-skerry: {rollout: {canary: 1}}
`;
  await hub.apply("shop", file("web:1"));
  for (const node of nodes) await hub.reportAll(node, { kind: "running", health: "none" });
  const { body } = await hub.apply("shop", file("web:2"), { dryRun: true });
  const [web] = body.rollout;
  const named = web.batches.map(({ slots }: { slots: { node: { name: string } }[] }) =>
    slots.map(({ node }) => node.name),
  );
  expect(named).toEqual([["pi-a"], ["pi-b", "pi-c"], ["pi-d"]]);
  expect(web.batches.map(({ canary, next }: { canary: boolean; next: string }) => [canary, next])).toEqual([
    [true, "goes on with skerry rollout resume shop"],
    [false, "the next one 60 s later"],
    [false, ""],
  ]);
  const steps = body.nodes.map(({ steps: [step] }: { steps: { step: string; why: string }[] }) => [
    step?.step,
    step?.why,
  ]);
  expect(steps).toEqual([
    ["replace", "image web:1 → web:2"],
    ["replace", "image web:1 → web:2, in its turn"],
    ["replace", "image web:1 → web:2, in its turn"],
    ["replace", "image web:1 → web:2, in its turn"],
  ]);
  const same = await hub.apply("shop", file("web:1"), { dryRun: true });
  expect(same.body.rollout).toEqual([]);
});

test("[A13] a dry run says why a slot would have no node", async () => {
  await hub.join("pi-a");
  const far = `${WEB}    deploy: {placement: {constraints: ["node.labels.site == moon"]}}\n`;
  const answer = await hub.apply("shop", far, { dryRun: true });
  expect(answer.body.unplaced).toEqual([{ workload: "shop/web/1", why: expect.stringContaining("site=moon") }]);
});

test("[A14] an app is shown with every slot's state, reason and age, and is good only when nodes say so", async () => {
  const node = await hub.join("pi-a");
  await hub.apply("shop", WEB);
  const before = (await hub.call("GET", "/v1/apps/shop")).body;
  expect(before).toMatchObject({ condition: "working", converged: false });
  expect(before.services[0].workloads[0]).toMatchObject({
    id: "shop/web/1",
    state: "assigned",
    good: false,
    seenRevision: null,
  });
  await hub.reportAll(node, RUNNING);
  hub.advance(1_000);
  const after = (await hub.call("GET", "/v1/apps/shop")).body;
  expect(after).toMatchObject({ condition: "good", converged: true, reason: "everything that should run does" });
  const [workload] = after.services[0].workloads;
  expect(workload).toMatchObject({ state: "running", good: true, node: { name: "pi-a" }, seenRevision: 1 });
  expect(workload.forMs).toBeGreaterThanOrEqual(1_000);
  expect(workload.seenAgoMs).toBeGreaterThanOrEqual(1_000);
});

test("[A14] an app is shown with how its rollout gets on, and a running workload with whether it is ready", async () => {
  const node = await hub.join("pi-a");
  await hub.apply("shop", WEB);
  const shown = async () => (await hub.call("GET", "/v1/apps/shop")).body;
  expect((await shown()).rollout).toMatchObject({ revision: 1, kind: "first", counts: { total: 1, passed: 0 } });
  await hub.reportAll(node, RUNNING);
  const plain = await shown();
  expect(plain.rollout).toMatchObject({ state: { kind: "done" }, summary: "done", counts: { total: 1, passed: 1 } });
  expect(plain.services[0].workloads[0]).toMatchObject({ state: "running", ready: null });
  const [placement] = hub.loop.world.placements.values();
  const seen = placement && hub.loop.world.observations.get(node)?.workloads.get(placement.workload)?.status;
  if (seen === undefined) throw new Error("nothing was reported");
  await hub.report(node, { workloads: [{ ...seen, ready: false }] });
  expect((await shown()).services[0].workloads[0]).toMatchObject({ state: "running", ready: false, good: false });
});

test("[A14] a failing workload makes its app troubled, with its words", async () => {
  const node = await hub.join("pi-a");
  await hub.apply("shop", WEB);
  await hub.reportAll(node, {
    kind: "backing-off",
    during: "run",
    reason: "its command was not found (exit 127)",
    exit: { code: 127, oom: false, error: "", ranMs: 10 },
    attempt: 2,
    nextTryInMs: 4_000,
  });
  const app = (await hub.call("GET", "/v1/apps/shop")).body;
  expect(app).toMatchObject({ condition: "troubled", converged: false });
  expect(app.reason).toContain("its command was not found");
  const list = (await hub.call("GET", "/v1/apps")).body;
  expect(list.items[0]).toMatchObject({ name: "shop", condition: "troubled", workloads: { wanted: 1, good: 0 } });
});

test("[A14] an app that runs nowhere is not good", async () => {
  await hub.apply("shop", `${WEB}    deploy: {mode: global}\n`);
  const app = (await hub.call("GET", "/v1/apps/shop")).body;
  expect(app).toMatchObject({ condition: "troubled", converged: false, reason: expect.stringContaining("no nodes") });
});

test("[A15] removing an app says what goes, what waits and which volumes stay", async () => {
  const node = await hub.join("pi-a");
  await hub.apply("shop", `${WEB}    volumes: ["data:/data"]\nvolumes: {data: {}}\n`);
  await hub.reportAll(node, RUNNING);
  const removed = await hub.call("DELETE", "/v1/apps/shop");
  expect(removed).toMatchObject({
    status: 200,
    body: { app: "shop", workloads: 1, waitingFor: [], volumesKept: ["shop_data"] },
  });
  expect((await hub.call("GET", "/v1/apps/shop")).body.code).toBe("app-not-found");
});

test("[A16] revisions are listed newest first, and each gives back its file", async () => {
  for (const number of [1, 2, 3]) await hub.apply("shop", WEB.replace("web:1", `web:${number}`));
  const page = (await hub.call("GET", "/v1/apps/shop/revisions?limit=2")).body;
  expect(page.items.map((item: { revision: number }) => item.revision)).toEqual([3, 2]);
  expect(page.items[0]).toMatchObject({ current: true, appliedBy: "admin" });
  const rest = (await hub.call("GET", `/v1/apps/shop/revisions?limit=2&after=${page.next}`)).body;
  expect(rest).toMatchObject({ items: [{ revision: 1, current: false }], next: null });
  const second = await hub.call("GET", "/v1/apps/shop/revisions/2");
  expect(second.body).toMatchObject({ app: "shop", revision: 2, source: WEB.replace("web:1", "web:2") });
  expect((await hub.call("GET", "/v1/apps/shop/revisions/9")).body.code).toBe("revision-not-found");
});

test("[A20] lists are paged in a stable order without loss or repetition", async () => {
  for (const name of ["b", "a", "d", "c", "e"]) await hub.apply(name, WEB);
  const names: string[] = [];
  let after = "";
  for (let turn = 0; turn < 5; turn += 1) {
    const { body } = await hub.call("GET", `/v1/apps?limit=2${after}`);
    names.push(...body.items.map((item: { name: string }) => item.name));
    if (body.next === null) break;
    after = `&after=${body.next}`;
  }
  expect(names).toEqual(["a", "b", "c", "d", "e"]);
});

test("[A21] workloads are listed by id and filtered by app, service and node", async () => {
  const a = await hub.join("pi-a");
  await hub.join("pi-b");
  await hub.apply("shop", "services:\n  web: {image: w, deploy: {mode: global}}\n  db: {image: d}\n");
  await hub.apply("zoo", WEB);
  const ids = async (query: string): Promise<string[]> =>
    (await hub.call("GET", `/v1/workloads${query}`)).body.items.map((item: { id: string }) => item.id);
  expect(await ids("")).toHaveLength(4);
  expect((await ids("")).toSorted()).toEqual(await ids(""));
  expect(await ids("?app=zoo")).toEqual(["zoo/web/1"]);
  expect(await ids("?app=shop&service=db")).toEqual(["shop/db/1"]);
  expect(await ids("?app=shop&service=web&node=pi-a")).toEqual([`shop/web/${a}`]);
  expect((await hub.call("GET", "/v1/workloads?node=nowhere")).body.code).toBe("node-not-found");
});

test("[A14] of a large service those that are not good are told first, and how many are left out", async () => {
  await hub.apply("shop", "services:\n  web: {image: w, deploy: {replicas: 300}}\n");
  const [first] = await Promise.all([hub.join("pi-a"), hub.join("pi-b"), hub.join("pi-c")]);
  await expect.poll(() => hub.loop.world.placements.size).toBe(300);
  for (const node of hub.loop.world.nodes.keys()) if (node !== first) await hub.reportAll(node, RUNNING);
  const [service] = (await hub.call("GET", "/v1/apps/shop")).body.services;
  expect(service.counts.wanted).toBe(300);
  expect(service.workloads).toHaveLength(200);
  expect(service.more).toBe(100);
  const bad = service.counts.wanted - service.counts.good;
  expect(service.workloads.filter((each: { good: boolean }) => !each.good)).toHaveLength(bad);
  const slots = service.workloads.map((each: { slot: string }) => Number(each.slot));
  expect(slots).toEqual(slots.toSorted((a: number, b: number) => a - b));
});
