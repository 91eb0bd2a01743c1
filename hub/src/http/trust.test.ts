// Approval, freezing and revocation through the API, as an operator meets them.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import { publicKeyOf } from "@skerry/shared/runtime/signature.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";

const GLOBAL = "services:\n  web:\n    image: web:1\n    deploy: { mode: global }\n";
const KEY = publicKeyOf("7".repeat(64));
let hub: TestHub;
beforeEach(async () => {
  hub = await startTestHub();
});
afterEach(() => hub.close());

async function join(approval: boolean, publicKey = KEY, name = "van-7") {
  const { token } = (await hub.call("POST", "/v1/tokens", { approval })).body;
  return hub.call("POST", "/v1/nodes/join", { publicKey, name }, { token });
}

test("[A340] a machine that joins is told the hub's signing key, also when it asks again", async () => {
  const first = await join(false);
  expect(first.body.hubKey).toMatch(/^[0-9a-f]{64}$/);
  expect((await join(false)).body).toEqual(first.body);
});

test("[H340] [H341] a node that needs approval is shown as pending, and gets its copies once it is approved", async () => {
  await hub.apply("shop", GLOBAL);
  await join(true);
  expect((await hub.call("GET", "/v1/nodes/van-7")).body).toMatchObject({ standing: "pending", placements: [] });
  expect((await hub.call("GET", "/v1/why/van-7")).text).toContain("skerry node approve van-7");
  expect((await hub.call("POST", "/v1/nodes/van-7/approve")).body).toMatchObject({ standing: "member", changed: true });
  expect((await hub.call("POST", "/v1/nodes/van-7/approve")).body).toMatchObject({ changed: false });
  expect((await hub.call("GET", "/v1/nodes/van-7")).body).toMatchObject({ standing: "member", placements: [{}] });
});

test("[H340] who was frozen before being approved still waits for approval when that ends", async () => {
  await hub.apply("shop", GLOBAL);
  const { node }: { node: NodeId } = (await join(true)).body;
  hub.loop.freeze(node);
  expect((await hub.call("POST", "/v1/nodes/van-7/unfreeze")).body).toMatchObject({
    standing: "pending",
    changed: true,
  });
  expect((await hub.call("GET", "/v1/nodes/van-7")).body).toMatchObject({ standing: "pending", placements: [] });
});

test("[A342] a dry run of a revocation changes nothing, and both name what moves and which secrets it had", async () => {
  await join(false);
  await hub.apply("shop", GLOBAL);
  const planned = await hub.call("POST", "/v1/nodes/van-7/revoke?dryRun=true");
  expect(planned.body).toMatchObject({ dryRun: true, workloads: 1, moves: [], volumesKept: [], secrets: [] });
  expect((await hub.call("GET", "/v1/nodes/van-7")).status).toBe(200);
  const revoked = await hub.call("POST", "/v1/nodes/van-7/revoke");
  expect(revoked.body).toMatchObject({ dryRun: false, node: { name: "van-7" }, secrets: [] });
  expect((await hub.call("GET", "/v1/nodes/van-7")).status).toBe(404);
});

test("[H343] its key joins no more, while that of a node that was removed does", async () => {
  await join(false);
  await hub.call("POST", "/v1/nodes/van-7/revoke");
  const refused = await join(false);
  expect(refused).toMatchObject({ status: 403, body: { code: "key-revoked", path: "publicKey" } });
  expect(refused.body.message).toContain("van-7");
  const other = publicKeyOf("8".repeat(64));
  await join(false, other, "van-8");
  await hub.call("DELETE", "/v1/nodes/van-8");
  expect((await join(false, other, "van-8")).status).toBe(200);
});

test("[A350] another key is asked for with node:manage, shown until it is there, audited once, and told by events", async () => {
  const { node }: { node: NodeId } = (await join(false)).body;
  const { token } = (await hub.call("POST", "/v1/api-tokens", { name: "op", role: "operator" })).body;
  expect((await hub.call("POST", "/v1/nodes/van-7/roll-key", undefined, { token })).body).toMatchObject({
    code: "not-permitted",
    message: expect.stringContaining("node:manage"),
  });
  const asked = await hub.call("POST", "/v1/nodes/van-7/roll-key");
  expect(asked.body).toMatchObject({ changed: true, keyRoll: { state: "asked", by: "admin" } });
  expect((await hub.call("POST", "/v1/nodes/van-7/roll-key")).body).toMatchObject({ changed: false });
  for (const path of ["/v1/nodes/van-7", "/v1/nodes"])
    expect((await hub.call("GET", path)).text).toContain('"keyRoll":{"state":"asked"');
  const { items } = (await hub.call("GET", "/v1/audit?limit=100")).body;
  const entries = items.filter(
    ({ what, outcome }: Record<string, string>) => what === "rollNodeKey" && outcome === "done",
  );
  expect(entries).toMatchObject([{ target: "node/van-7", targetId: node, after: "another key asked for" }]);
  expect((await hub.call("GET", "/v1/events")).text).toContain("is to get another key (admin)");
  hub.loop.freeze(node);
  expect((await hub.call("POST", "/v1/nodes/van-7/roll-key")).body).toMatchObject({
    code: "change-refused",
    hint: expect.stringContaining("skerry why van-7"),
  });
});

test("[A341] they need node:manage, and a wrong turn is refused with what to do", async () => {
  const { node }: { node: NodeId } = (await join(true)).body;
  const { token } = (await hub.call("POST", "/v1/api-tokens", { name: "op", role: "operator" })).body;
  for (const turn of ["approve", "unfreeze", "revoke"])
    expect((await hub.call("POST", `/v1/nodes/van-7/${turn}`, undefined, { token })).body).toMatchObject({
      code: "not-permitted",
      message: expect.stringContaining("node:manage"),
    });
  expect((await hub.call("POST", "/v1/nodes/van-7/unfreeze")).body).toMatchObject({
    code: "change-refused",
    hint: expect.stringContaining("skerry node approve van-7"),
  });
  hub.loop.freeze(node);
  expect((await hub.call("POST", "/v1/nodes/van-7/approve")).status).toBe(422);
  expect((await hub.call("GET", "/v1/why/van-7")).text).toContain("skerry node unfreeze van-7");
});
