// Idempotency keys, join tokens, joining, and changes to nodes.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";

const WEB = "services:\n  web:\n    image: web:1\n";
let hub: TestHub;
beforeEach(async () => {
  hub = await startTestHub();
});
afterEach(() => hub.close());

const keyed = (key: string) => ({ headers: { "idempotency-key": key } });

test("[A9] a repeated request under one key is done once and answered the same", async () => {
  const first = await hub.apply("shop", WEB, {}, keyed("k1"));
  await hub.apply("shop", WEB.replace("web:1", "web:2"));
  const again = await hub.apply("shop", WEB, {}, keyed("k1"));
  expect(again.body).toEqual(first.body);
  expect((await hub.call("GET", "/v1/apps/shop")).body.revision).toBe(2);
});

test("[A9] a key that stood for a change that changed nothing is kept, too", async () => {
  await hub.apply("shop", WEB);
  await hub.apply("shop", WEB, {}, keyed("k1"));
  await hub.apply("shop", WEB.replace("web:1", "web:2"));
  expect((await hub.apply("shop", WEB, {}, keyed("k1"))).body).toMatchObject({ revision: 1, changed: false });
  expect((await hub.call("GET", "/v1/apps/shop")).body.revision).toBe(2);
});

test("[A9] the same key with another request is refused", async () => {
  await hub.apply("shop", WEB, {}, keyed("k1"));
  const other = await hub.apply("shop", WEB.replace("web:1", "web:2"), {}, keyed("k1"));
  expect(other).toMatchObject({ status: 422, body: { code: "idempotency-mismatch" } });
  expect((await hub.call("DELETE", "/v1/apps/shop", undefined, keyed("k1"))).status).toBe(422);
});

test("[A9] two at once under one key are one", async () => {
  const body = { uses: 3 };
  const [a, b] = await Promise.all([
    hub.call("POST", "/v1/tokens", body, keyed("k1")),
    hub.call("POST", "/v1/tokens", body, keyed("k1")),
  ]);
  expect(a.body).toEqual(b.body);
  expect((await hub.call("GET", "/v1/tokens")).body.items).toHaveLength(1);
});

test("[A9] a refused request leaves its key free", async () => {
  expect((await hub.apply("shop", WEB, { ifRevision: 4 }, keyed("k1"))).status).toBe(409);
  expect((await hub.apply("shop", WEB, {}, keyed("k1"))).status).toBe(200);
});

test.each(["", " ", "x".repeat(129), "a b", "ä"])("[A9] %j is no key", async (key) => {
  const answer = await hub.apply("shop", WEB, {}, keyed(key));
  expect([400, 200]).toContain(answer.status);
  if (answer.status === 400) expect(answer.body.path).toBe("Idempotency-Key");
});

test("[A17] a join token's secret is in one answer, and neither stored nor listed", async () => {
  const made = (await hub.call("POST", "/v1/tokens", { uses: 2, labels: { site: "shop" } }, keyed("k1"))).body;
  expect(made).toMatchObject({ usesLeft: 2, labels: { site: "shop" }, createdBy: "admin" });
  expect(made.token).toMatch(/^skj1\.b{64}\.[0-9a-f]+\.[0-9a-f]{64}$/);
  const secret = made.token.split(".")[3];
  const list = await hub.call("GET", "/v1/tokens");
  expect(list.body.items[0].id).toBe(made.id);
  expect(list.text).not.toContain(secret);
  expect((await hub.call("GET", "/v1/events")).text).not.toContain(secret);
  const stored = hub.store.idempotent(`admin-token/${sha256Hex(hub.admin).slice(0, 12)} k1`)?.body;
  expect(stored).toContain(made.id);
  expect(stored).not.toContain(secret);
  // Repeated, it is worked out again.
  const again = (await hub.call("POST", "/v1/tokens", { uses: 2, labels: { site: "shop" } }, keyed("k1"))).body;
  expect(again.token).toBe(made.token);
  await hub.call("DELETE", `/v1/tokens/${made.id}`);
  expect((await hub.call("POST", "/v1/tokens", { uses: 2, labels: { site: "shop" } }, keyed("k1"))).status).toBe(422);
});

test("[A18] joining again with one key is the same node and costs no use", async () => {
  const { token } = (await hub.call("POST", "/v1/tokens", { uses: 1, labels: { site: "shop" } })).body;
  const body = {
    publicKey: "c".repeat(64),
    name: "pi",
    labels: { site: "home", rack: "1" },
    later: "a newer agent's field",
  };
  const first = await hub.call("POST", "/v1/nodes/join", body, { token });
  expect(first).toMatchObject({ status: 200, body: { name: "pi", installation: "i0123456789abcdef" } });
  const again = await hub.call("POST", "/v1/nodes/join", body, { token });
  expect(again.body).toEqual(first.body);
  const other = await hub.call("POST", "/v1/nodes/join", { ...body, publicKey: "d".repeat(64) }, { token });
  expect(other).toMatchObject({
    status: 401,
    body: { code: "join-token-refused", hint: expect.stringContaining("token create") },
  });
  const node = (await hub.call("GET", "/v1/nodes/pi")).body;
  expect(node.labels).toEqual({ site: "shop", rack: "1" });
});

test("[A18] an expired join token is refused", async () => {
  const { token } = (await hub.call("POST", "/v1/tokens", { expiresInMs: 60_000 })).body;
  hub.advance(60_001);
  const answer = await hub.call("POST", "/v1/nodes/join", { publicKey: "c".repeat(64), name: "pi" }, { token });
  expect(answer).toMatchObject({
    status: 401,
    body: { code: "join-token-refused", message: expect.stringContaining("expired") },
  });
});

test("[A19] a node is shown by id and by name, with why it is as it is", async () => {
  const id = await hub.join("pi-a", { labels: { site: "shop" } });
  for (const key of [id, "pi-a"]) {
    const node = (await hub.call("GET", `/v1/nodes/${key}`)).body;
    expect(node).toMatchObject({ id, name: "pi-a", labels: { site: "shop" }, availability: "active" });
    expect(node.reachability).toMatchObject({ kind: "ready", connected: true, reason: "connected" });
    expect(node.facts).toMatchObject({ arch: "arm64", cores: 4 });
  }
  hub.loop.disconnected(id);
  expect((await hub.call("GET", "/v1/nodes/pi-a")).body.reachability).toMatchObject({
    kind: "ready",
    connected: false,
  });
});

/** Moves time to each moment at which something is due, as if nothing had slept in between. */
async function untilJudged(node: NodeId): Promise<void> {
  for (let turn = 0; turn < 50 && hub.loop.world.reachability.get(node)?.kind !== "unreachable"; turn += 1) {
    hub.advanceTo((hub.loop.world.dueMs ?? 0) + 1);
    await hub.call("PATCH", `/v1/nodes/${node}`, { setLabels: { turn: String(turn) } });
  }
}

test("[A19] a silent node's workloads are unknown, with what it last said", async () => {
  const node = await hub.join("pi-a");
  await hub.apply("shop", `${WEB}    x-skerry: {disconnect: {policy: keep}}\n`);
  await hub.reportAll(node, { kind: "running", health: "none" });
  hub.loop.disconnected(node);
  await untilJudged(node);
  const [workload] = (await hub.call("GET", "/v1/workloads?app=shop")).body.items;
  expect(workload).toMatchObject({ state: "unknown", good: false, last: "running", seenRevision: 1 });
  expect(workload.reason).toContain("not heard from");
  expect((await hub.call("GET", "/v1/apps/shop")).body).toMatchObject({ condition: "unknown", converged: false });
});

test("[A19] labels are set and unset, and the availability is set, each by its own request", async () => {
  await hub.join("pi-a", { labels: { site: "shop", old: "1" } });
  const labelled = await hub.call("PATCH", "/v1/nodes/pi-a", { setLabels: { rack: "2" }, unsetLabels: ["old"] });
  expect(labelled.body).toMatchObject({ changed: true, labels: { site: "shop", rack: "2" } });
  expect((await hub.call("PATCH", "/v1/nodes/pi-a", { setLabels: { rack: "2" } })).body.changed).toBe(false);
  const cordoned = await hub.call("PUT", "/v1/nodes/pi-a/availability", { availability: "cordoned" });
  expect(cordoned.body).toMatchObject({ changed: true, availability: "cordoned" });
  expect((await hub.call("PATCH", "/v1/nodes/pi-a", {})).status).toBe(400);
  const both = await hub.call("PATCH", "/v1/nodes/pi-a", { setLabels: { a: "b" }, availability: "active" });
  expect(both).toMatchObject({ status: 400, body: { problems: [{ path: "availability" }] } });
  expect((await hub.call("PUT", "/v1/nodes/pi-a/availability", { availability: "asleep" })).status).toBe(400);
});

test("[A19] a node is forgotten without a word about its containers", async () => {
  const node = await hub.join("pi-a");
  await hub.apply("shop", WEB);
  const removed = await hub.call("DELETE", "/v1/nodes/pi-a");
  expect(removed.body).toMatchObject({ node: { id: node, name: "pi-a" }, workloads: 1 });
  expect((await hub.call("GET", `/v1/nodes/${node}`)).status).toBe(404);
});
