// API tokens, own roles, and what somebody who is bound to one app and some nodes sees of the rest: nothing.
import { type ClientRequest, request } from "node:http";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { LogItem } from "@skerry/shared/protocol/streams.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import { silentLog } from "@skerry/shared/runtime/log.ts";
import type { FastifyRequest } from "fastify";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";
import { handClock } from "../../../test/unit/hub/hand-clock.ts";
import { MAX_AUDIT_ENTRIES } from "../store/limits.ts";
import { type Store, StoreError } from "../store/store.ts";
import { MAX_REFUSED_PER_DAY } from "./audit.ts";
import { CHANGES_PER_MINUTE, createChangeRate, MAX_CHANGES_AT_ONCE } from "./change-rate.ts";
import { USE_SAVED_EVERY_MS } from "./identity.ts";
import { createOpenStreams, LOOK_MS } from "./open-streams.ts";

const WEB = "services:\n  web:\n    image: web:1\n    deploy:\n      mode: global\n";
const PORT = `services:\n  web:\n    image: web:1\n    ports: ["80:80"]\n    deploy: { replicas: 3 }\n`;

let hub: TestHub;
let refuseUses = false;
const uses: number[] = [];
beforeEach(async () => {
  refuseUses = false;
  uses.length = 0;
  hub = await startTestHub({
    store: (store: Store) => ({
      ...store,
      saveApiTokenUse: (id, atMs) => {
        if (refuseUses) throw new StoreError("full", "ENOSPC");
        uses.push(atMs);
        store.saveApiTokenUse(id, atMs);
      },
    }),
    logs: {
      isHeard: () => true,
      async *read(_node, _ask, signal): AsyncGenerator<LogItem> {
        yield { kind: "line", stream: "stdout", at: "2026-11-21T12:00:00.000000000Z", text: "hello", more: false };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    },
  });
});
afterEach(async () => {
  for (const call of open.splice(0)) call.destroy();
  await hub.close();
});

async function made(body: object): Promise<string> {
  const answer = await hub.call("POST", "/v1/api-tokens", { name: "ci", role: "viewer", ...body });
  expect([answer.status, answer.text]).toEqual([200, expect.stringContaining("skt1.")]);
  return answer.body.token;
}
const as = (token: string) => ({
  get: (url: string) => hub.call("GET", url, undefined, { token }),
  call: (method: "PUT" | "POST" | "DELETE" | "PATCH", url: string, body?: unknown) =>
    hub.call(method, url, body, { token }),
});

describe("API tokens", () => {
  test("[A114] the secret is in one answer, and its hash at rest; the token is listed and removed, by id or name", async () => {
    const answer = await hub.call("POST", "/v1/api-tokens", { name: "ci", role: "deployer", apps: ["shop"] });
    const { token, id } = answer.body;
    expect(token).toMatch(/^skt1\.[0-9a-f]{12}\.[0-9a-f]{64}$/);
    expect(answer.body).toMatchObject({
      name: "ci",
      role: "deployer",
      apps: ["shop"],
      nodeLabels: [],
      createdBy: "admin",
    });
    expect(answer.body.expiresInMs).toBeGreaterThan(89 * 86_400_000);
    const secret = token.split(".")[2];
    expect(hub.store.apiToken(id)?.secretHash).toBe(sha256Hex(secret));
    const list = await hub.call("GET", "/v1/api-tokens");
    expect(list.body.items).toMatchObject([{ id, name: "ci", lastUsedAtMs: null }]);
    expect(list.text + JSON.stringify(hub.store.watch(0, 100))).not.toContain(secret);
    expect((await as(token).get("/v1/apps/shop")).body.code).toBe("app-not-found");
    expect((await hub.call("DELETE", "/v1/api-tokens/ci")).body).toEqual({ id, name: "ci" });
    expect(await as(token).get("/v1/apps")).toMatchObject({ status: 401, body: { code: "not-authenticated" } });
    const again = await hub.call("POST", "/v1/api-tokens", { name: "ci", role: "viewer" });
    expect((await hub.call("DELETE", `/v1/api-tokens/${again.body.id}`)).status).toBe(200);
    const events = (await hub.call("GET", "/v1/events")).body.items.map(({ text }: { text: string }) => text);
    expect(events).toContain(`API token ci (${id}) with role deployer made by admin`);
    expect(events).toContain(`API token ci (${id}) removed by admin`);
  });

  test("[A114] the same request under its key gives the same token, and a removed one does not come back", async () => {
    const headers = { "idempotency-key": "k1" };
    const ask = () => hub.call("POST", "/v1/api-tokens", { name: "ci", role: "viewer" }, { headers });
    const [one, two] = [await ask(), await ask()];
    expect(two.body.token).toBe(one.body.token);
    expect((await as(one.body.token).get("/v1/apps")).status).toBe(200);
    await hub.call("DELETE", "/v1/api-tokens/ci");
    expect(await ask()).toMatchObject({ status: 422, body: { code: "idempotency-mismatch" } });
  });

  test("[A137] a token of the same name as one before it is answered nothing of that one", async () => {
    const apply = (token: string) =>
      hub.call("PUT", "/v1/apps/shop", { compose: WEB }, { token, headers: { "idempotency-key": "k1" } });
    expect((await apply(await made({ role: "deployer" }))).status).toBe(200);
    await hub.call("DELETE", "/v1/apps/shop");
    await hub.call("DELETE", "/v1/api-tokens/ci");
    expect((await apply(await made({ role: "deployer" }))).body).toMatchObject({ revision: 2, changed: true });
    expect((await hub.call("GET", "/v1/apps/shop")).status).toBe(200);
  });

  test("[A114] what is wrong with a token to be made is said", async () => {
    await made({});
    const refused = async (body: object): Promise<string> =>
      (await hub.call("POST", "/v1/api-tokens", { name: "x", role: "viewer", ...body })).body.message;
    expect(await refused({ name: "ci" })).toMatch(/There is an API token ci already/);
    expect(await refused({ name: "No Name" })).toMatch(/small letters/);
    expect(await refused({ role: "king" })).toMatch(/There is no role king/);
    expect(await refused({ nodeLabels: ["farm"] })).toMatch(/a label as KEY=VALUE/);
    expect(await refused({ expiresInMs: 400 * 86_400_000 })).toMatch(/not valid/);
  });

  test("[A114] a wrong secret, an unknown id and another kind's prefix let nobody in", async () => {
    const token = await made({});
    const [, id = "", secret = ""] = token.split(".");
    const wrong = secret.replace(/^./, secret.startsWith("0") ? "1" : "0");
    for (const bad of [
      `skt1.${id}.${wrong}`,
      `skt1.${"0".repeat(12)}.${secret}`,
      `skj1.plain.${id}.${secret}`,
      `ska1.${secret}`,
    ])
      expect((await as(bad).get("/v1/apps")).status).toBe(401);
  });

  test("[A115] an expired token is refused with what to do, by the hub's clock", async () => {
    const token = await made({ expiresInMs: 60_000 });
    expect((await as(token).get("/v1/apps")).status).toBe(200);
    hub.advance(60_000);
    expect(await as(token).get("/v1/apps")).toMatchObject({
      status: 401,
      body: {
        code: "token-expired",
        message: "The API token ci has expired.",
        hint: expect.stringContaining("create"),
      },
    });
    expect((await hub.call("GET", "/v1/api-tokens")).body.items[0].expiresInMs).toBeLessThanOrEqual(0);
  });

  test("[A116] the last use is kept, at most once a minute, and a full disk keeps nobody out", async () => {
    const token = await made({});
    for (let count = 0; count < 5; count += 1) await as(token).get("/v1/apps");
    expect(uses).toHaveLength(1);
    expect((await hub.call("GET", "/v1/api-tokens")).body.items[0].lastUsedAtMs).toBe(uses[0]);
    hub.advance(USE_SAVED_EVERY_MS);
    await as(token).get("/v1/apps");
    expect(uses).toHaveLength(2);
    // A refused one is no use of it.
    await as(`${token.slice(0, -1)}${token.endsWith("0") ? "1" : "0"}`).get("/v1/apps");
    expect(uses).toHaveLength(2);
    refuseUses = true;
    hub.advance(USE_SAVED_EVERY_MS);
    expect((await as(token).get("/v1/apps")).status).toBe(200);
  });

  test("[A113] what is done with a token carries its name", async () => {
    const token = await made({ name: "anna", role: "deployer" });
    await as(token).call("PUT", "/v1/apps/shop", { compose: WEB });
    expect((await hub.call("GET", "/v1/apps/shop")).body.appliedBy).toBe("token anna");
  });
});

describe("roles", () => {
  const permissions = ["app:read", "app:operate"];
  test("[A113] an own role is a set of permissions, and counts from the next request on", async () => {
    const role = await hub.call("PUT", "/v1/roles/till-staff", { permissions });
    expect(role.body).toEqual({
      name: "till-staff",
      builtin: false,
      permissions: permissions.toSorted(),
      changed: true,
    });
    expect((await hub.call("PUT", "/v1/roles/till-staff", { permissions })).body.changed).toBe(false);
    await hub.apply("shop", WEB);
    const token = await made({ role: "till-staff" });
    const stop = () => as(token).call("POST", "/v1/apps/shop/stop", {});
    expect((await stop()).status).toBe(200);
    expect((await as(token).get("/v1/nodes")).status).toBe(403);
    await hub.call("PUT", "/v1/roles/till-staff", { permissions: ["app:read"] });
    expect((await stop()).body.message).toContain("app:operate");
    const roles = (await hub.call("GET", "/v1/roles")).body.items;
    expect(roles.map(({ name }: { name: string }) => name)).toEqual([
      "viewer",
      "operator",
      "deployer",
      "admin",
      "till-staff",
    ]);
  });

  test("[A113] built-in roles stay as they are, and one that somebody holds is not removed", async () => {
    await hub.call("PUT", "/v1/roles/mine", { permissions });
    await made({ role: "mine" });
    expect((await hub.call("PUT", "/v1/roles/viewer", { permissions })).body.message).toMatch(/built in/);
    expect((await hub.call("DELETE", "/v1/roles/viewer")).body.message).toMatch(/built in/);
    expect((await hub.call("PUT", "/v1/roles/mine", { permissions: ["app:fly"] })).status).toBe(400);
    expect((await hub.call("DELETE", "/v1/roles/mine")).body.message).toMatch(/held by API token ci/);
    await hub.call("DELETE", "/v1/api-tokens/ci");
    expect((await hub.call("DELETE", "/v1/roles/mine")).status).toBe(200);
    expect((await hub.call("DELETE", "/v1/roles/mine")).status).toBe(404);
  });

  test("[A130] nobody gives what he does not hold on everything himself", async () => {
    await hub.call("PUT", "/v1/roles/clerk", {
      permissions: ["app:read", "node:read", "event:read", "metrics:read", "api-token:manage", "role:manage"],
    });
    const clerk = as(await made({ name: "clerk", role: "clerk" }));
    const give = (role: string) => clerk.call("POST", "/v1/api-tokens", { name: `a-${role}`, role });
    expect((await give("viewer")).status).toBe(200);
    for (const role of ["operator", "deployer", "admin"]) {
      expect(await give(role)).toMatchObject({
        status: 403,
        body: { message: expect.stringMatching(/cannot give \w+:/) },
      });
    }
    const raised = await clerk.call("PUT", "/v1/roles/clerk", { permissions: ["app:read", "app:deploy"] });
    expect(raised).toMatchObject({ status: 403, body: { message: expect.stringContaining("app:deploy") } });
    expect((await clerk.call("PUT", "/v1/roles/other", { permissions: ["app:read"] })).status).toBe(200);
    // Who is an admin of some apps is none of the hub.
    const some = as(await made({ name: "some", role: "admin", apps: ["shop"] }));
    expect((await some.call("POST", "/v1/api-tokens", { name: "y", role: "viewer" })).status).toBe(403);
  });
});

describe("scope", () => {
  /** shop and blog both on pi-farm and pi-town. */
  async function two(): Promise<void> {
    for (const [name, site] of [
      ["pi-farm", "farm"],
      ["pi-town", "town"],
    ] as const)
      await hub.join(name, { labels: { site } });
    for (const app of ["shop", "blog"]) expect((await hub.apply(app, WEB)).status).toBe(200);
  }
  const ids = (items: readonly { id?: string; name?: string }[]): string[] =>
    items.map(({ name, id }) => name ?? id ?? "");

  test("[A118] lists, counts and pages of nodes hold what is in reach and nothing else", async () => {
    await two();
    const mine = as(await made({ apps: ["shop"], nodeLabels: ["site=farm"] }));
    expect(ids((await mine.get("/v1/apps")).body.items)).toEqual(["shop"]);
    expect(ids((await mine.get("/v1/nodes")).body.items)).toEqual(["pi-farm"]);
    const workloads = (await mine.get("/v1/workloads")).body.items;
    expect(workloads.map(({ app }: { app: string }) => app)).toEqual(["shop", "shop"]);
    const page = await mine.get(`/v1/workloads?limit=1&after=${encodeURIComponent(workloads[0].id)}`);
    expect(page.body).toMatchObject({ items: [{ id: workloads[1].id }], next: null });
    const node = (await mine.get("/v1/nodes/pi-farm")).body;
    expect(node.placements.map(({ app }: { app: string }) => app)).toEqual(["shop"]);
    const everybody = (await hub.call("GET", "/v1/nodes/pi-farm")).body;
    // Numbers of a node are told as they are: whoever drains it must not take it for empty.
    expect([node.workloads, everybody.workloads.wanted]).toEqual([everybody.workloads, 2]);
    expect((await mine.get("/v1/apps/shop")).body.services[0].counts.wanted).toBe(2);
    // Only apps: no node is in reach, though a copy is shown with its own.
    const onlyApp = as(await made({ name: "b", apps: ["shop"] }));
    expect((await onlyApp.get("/v1/nodes")).body.items).toEqual([]);
    expect((await onlyApp.get("/v1/workloads")).body.items[0].node.name).toMatch(/^pi-/);
    const onlyNode = as(await made({ name: "c", nodeLabels: ["site=farm"] }));
    expect((await onlyNode.get("/v1/apps")).body.items).toEqual([]);
    expect((await onlyNode.get("/v1/nodes/pi-farm")).body.placements).toEqual([]);
  });

  test("[A118] [A134] filters and questions by name find nothing out of reach, in the words for what is not there", async () => {
    await two();
    const mine = as(await made({ role: "operator", apps: ["shop"], nodeLabels: ["site=farm"] }));
    for (const [url, ghost] of [
      ["/v1/workloads?app=blog", "/v1/workloads?app=ghost"],
      ["/v1/workloads?node=pi-town", "/v1/workloads?node=ghost"],
      ["/v1/events?node=pi-town", "/v1/events?node=ghost"],
      ["/v1/events?app=blog", "/v1/events?app=ghost"],
      ["/v1/watch?node=pi-town", "/v1/watch?node=ghost"],
      ["/v1/why/blog", "/v1/why/ghost"],
      ["/v1/why/blog/web", "/v1/why/ghost/web"],
      ["/v1/why/pi-town", "/v1/why/ghost"],
      ["/v1/why/node/pi-town", "/v1/why/node/ghost"],
    ] as const) {
      const [out, none] = [await mine.get(url), await mine.get(ghost)];
      expect([url, out.status, out.text.replaceAll(/blog|pi-town/g, "ghost")]).toEqual([url, none.status, none.text]);
    }
    const stop = (slot: string) => mine.call("POST", "/v1/apps/shop/stop", { service: "web", slot });
    // A copy is named by its node, also one that is out of reach; a node without one is nothing.
    expect((await stop("pi-town")).body.workloads).toHaveLength(1);
    await hub.call("POST", "/v1/apps/shop/pause", {});
    const bare = await hub.join("pi-new");
    const [out, none] = [await stop("pi-new"), await stop("pi-none")];
    expect([out.status, out.text.replaceAll("pi-new", "pi-none")]).toEqual([none.status, none.text]);
    expect((await stop(bare)).text).not.toContain("pi-new");
    expect((await mine.get("/v1/why/shop")).status).toBe(200);
    expect((await mine.get("/v1/why/pi-farm")).text).not.toContain("blog");
  });

  test("[A118] whether a node is drained and what `why` says of it count copies that are not named", async () => {
    // It could move, and there is no other node: it is not drained.
    const node = await hub.join("pi-farm", { labels: { site: "farm" } });
    await hub.apply("blog", "services:\n  web:\n    image: web:1\n");
    await hub.reportAll(node, { kind: "running", health: "none" });
    const mine = as(await made({ role: "operator", nodeLabels: ["site=farm"] }));
    await mine.call("PUT", "/v1/nodes/pi-farm/availability", { availability: "draining", reason: "" });
    const [seen, whole] = [await mine.get("/v1/nodes/pi-farm"), await hub.call("GET", "/v1/nodes/pi-farm")];
    expect([whole.body.drain.done, whole.body.drain.stays.length]).toEqual([false, 1]);
    expect([seen.body.drain.done, seen.body.drain.stays]).toEqual([false, []]);
    const why = (await mine.get("/v1/why/pi-farm")).body;
    expect([why.good, why.answer]).toEqual([false, (await hub.call("GET", "/v1/why/pi-farm")).body.answer]);
    expect(why.lines.at(-1).text).toBe("1 more workload of apps that you may not see is placed on it");
    expect(JSON.stringify([why, seen.body])).not.toContain("blog");
  });

  test("[A118] a node names no container and no workload of apps out of reach, also when they leave or it is forgotten", async () => {
    const node = await hub.join("pi-farm", { labels: { site: "farm" } });
    const town = await hub.join("pi-town");
    await hub.apply("blog", "services:\n  web:\n    image: web:1\n    deploy: { replicas: 2 }\n");
    for (const each of [node, town]) await hub.reportAll(each, { kind: "running", health: "none" });
    const port = { port: 80, protocol: "tcp", hostIp: "0.0.0.0", managed: true } as const;
    const [mine] = [...(hub.loop.world.placementsByNode.get(node) ?? [])];
    const name = `blog-web-${mine?.split("/")[2]}`;
    await hub.report(node, {
      ports: [
        { ...port, container: name },
        { ...port, port: 81, managed: false, container: "other" },
      ],
    });
    const admin = as(await made({ role: "admin", nodeLabels: ["site=farm"] }));
    const forgotten = await admin.call("DELETE", "/v1/nodes/pi-farm?dryRun=true");
    expect(forgotten.body).toMatchObject({ workloads: 1, moves: [], volumesKept: [] });
    expect((await hub.call("DELETE", "/v1/nodes/pi-farm?dryRun=true")).body.moves).toHaveLength(1);
    await admin.call("PUT", "/v1/nodes/pi-farm/availability", { availability: "draining" });
    await hub.call("DELETE", "/v1/apps/blog");
    const [seen, whole] = [await admin.get("/v1/nodes/pi-farm"), await hub.call("GET", "/v1/nodes/pi-farm")];
    expect(whole.text).toContain(name);
    expect(whole.body.drain).toMatchObject({ done: false, leaving: [mine] });
    expect(seen.body).toMatchObject({
      drain: { done: false, leaving: [] },
      ports: [{ container: "" }, { container: "other" }],
    });
    expect(seen.text).not.toContain("blog");
  });

  test("[A118] events are those of apps and nodes in reach, and pages of them are full", async () => {
    await two();
    for (let turn = 0; turn < 3; turn += 1) {
      await hub.call("PATCH", "/v1/nodes/pi-town", { setLabels: { turn: String(turn) } });
      await hub.call("PATCH", "/v1/nodes/pi-farm", { setLabels: { turn: String(turn) } });
    }
    const mine = as(await made({ apps: ["shop"], nodeLabels: ["site=farm"] }));
    const events = (await mine.get("/v1/events")).body.items;
    expect(new Set(events.map(({ app, node }: { app: string; node: { name: string } }) => app ?? node.name))).toEqual(
      new Set(["shop", "pi-farm"]),
    );
    expect((await mine.get("/v1/events?limit=4")).body.items).toEqual(events.slice(-4));
    const first = (await mine.get("/v1/events?limit=2&after=0")).body;
    expect(first.items).toEqual(events.slice(0, 2));
    expect((await mine.get(`/v1/events?limit=2&after=${first.next}`)).body.items).toEqual(events.slice(2, 4));
  });

  test("[A118] reasons do not name apps out of reach: who holds a port, and who took the room", async () => {
    await hub.join("pi-farm");
    await hub.apply("blog", PORT);
    await hub.apply("shop", PORT);
    const mine = as(await made({ role: "deployer", apps: ["shop"] }));
    const seen = [
      await mine.get("/v1/why/shop"),
      await mine.get("/v1/why/shop/web/1"),
      await mine.get("/v1/workloads"),
      await mine.get("/v1/apps/shop"),
      await mine.get("/v1/events"),
      await mine.call("PUT", "/v1/apps/shop", { compose: PORT.replace("3", "4"), dryRun: true }),
    ];
    for (const { status, text } of seen) expect([status, text]).toEqual([200, expect.not.stringContaining("blog")]);
    expect(seen[1]?.text).toContain("held by another app");
    expect(seen[4]?.text).toContain("held by another app");
    expect((await hub.call("GET", "/v1/why/shop/web/1")).text).toContain("blog/web");
    // A file with a higher priority pushes others out; whom is told to who may know of them.
    const rude = `${PORT.replace("80:80", "81:80").replace("replicas: 3", "replicas: 1, resources: { reservations: { memory: 4G } }")}    x-skerry: { priority: 9 }\n`;
    const big = PORT.replace("80:80", "82:80").replace(
      "replicas: 3",
      "replicas: 1, resources: { reservations: { memory: 1G } }",
    );
    await hub.apply("blog", big);
    const planned = (await hub.apply("shop", rude, { dryRun: true })).body;
    expect(planned.pushesOut).toMatchObject([{ workload: "blog/web/1" }]);
    const plan = await mine.call("PUT", "/v1/apps/shop", { compose: rude, dryRun: true });
    expect([plan.body.pushesOut, plan.text.includes("blog")]).toEqual([[], false]);
    await hub.apply("shop", rude);
    const after = [await mine.get("/v1/events"), await mine.get("/v1/why/shop")];
    for (const { text } of after) expect(text).not.toContain("blog");
  });

  test("[A133] `why` shows what a container wrote only to who may read logs", async () => {
    const node = await hub.join("pi-farm");
    await hub.apply("shop", WEB);
    await hub.reportAll(node, { kind: "starting" });
    // The id of the one copy, by sight.
    const workload = `shop/web/${node}` as WorkloadId;
    const exit = { code: 1, oom: false, error: "", ranMs: 5 };
    const tail = ["card 4711 refused"];
    const said = { kind: "container-exited", workload, containerId: "c1", exit, words: "", tail } as const;
    await hub.frame(node, { type: "events", items: [{ seq: 1, bootId: "b", ageMs: 1, event: said }] });
    const output = async (role: string): Promise<unknown> =>
      (await as(await made({ name: role, role })).get(`/v1/why/shop/web/${node}`)).body.output;
    expect(await output("operator")).toEqual(["card 4711 refused"]);
    expect(await output("viewer")).toEqual([]);
  });
});

describe("questions about oneself", () => {
  test("[A132] whoami says who, with which roles, and until when", async () => {
    const mine = as(await made({ role: "viewer", apps: ["shop"] }));
    expect((await mine.get("/v1/auth/whoami")).body).toMatchObject({
      name: "token ci",
      credential: expect.stringMatching(/^api-token\/[0-9a-f]{12}$/),
      roles: [{ role: "viewer", apps: ["shop"], nodeLabels: [] }],
      // Bound to an app, it reaches neither nodes nor the hub's metrics.
      permissions: ["app:read", "event:read"],
      expiresInMs: expect.any(Number),
    });
    const admin = (await hub.call("GET", "/v1/auth/whoami")).body;
    expect(admin).toMatchObject({ name: "admin", roles: [{ role: "admin", apps: [] }], expiresInMs: null });
  });

  test("[A132] can-i answers as the door would, and says why", async () => {
    await hub.join("pi-farm", { labels: { site: "farm" } });
    await hub.join("pi-town");
    const mine = as(await made({ role: "operator", apps: ["shop"], nodeLabels: ["site=farm"] }));
    const can = async (permission: string, name?: string): Promise<boolean> =>
      (await mine.get(`/v1/auth/can-i?permission=${permission}${name === undefined ? "" : `&name=${name}`}`)).body
        .allowed;
    expect([await can("app:operate"), await can("app:operate", "shop"), await can("app:operate", "blog")]).toEqual([
      true,
      true,
      false,
    ]);
    expect([await can("logs:read", "shop"), await can("app:deploy", "shop")]).toEqual([true, false]);
    expect([
      await can("node:operate", "pi-farm"),
      await can("node:operate", "pi-town"),
      await can("node:operate", "x"),
    ]).toEqual([true, false, false]);
    // It is held, and reaches only so far.
    expect([await can("metrics:read"), await can("event:read"), await can("node:read")]).toEqual([false, true, true]);
    const onlyApp = as(await made({ name: "b", role: "operator", apps: ["shop"] }));
    expect((await onlyApp.get("/v1/auth/can-i?permission=node:operate")).body.allowed).toBe(false);
    const why = (await mine.get("/v1/auth/can-i?permission=app:deploy")).body;
    expect(why).toMatchObject({
      reason: "your role is operator for app shop and nodes with site=farm, which does not give app:deploy",
      hint: expect.stringContaining("hold it: deployer, admin."),
    });
    expect((await mine.get("/v1/auth/can-i?permission=metrics:read&name=x")).status).toBe(400);
    expect((await mine.get("/v1/auth/can-i?permission=app:fly")).status).toBe(400);
  });
});

// --- streams, over real sockets

const open: ClientRequest[] = [];
interface Stream {
  text: string;
  readonly status: number;
  readonly ended: Promise<void>;
}
async function stream(path: string, token: string): Promise<Stream> {
  const port = await hub.listen().catch(() => (hub.http.app.server.address() as { port: number }).port);
  return new Promise((resolve, reject) => {
    const call = request({ port, path, headers: { authorization: `Bearer ${token}` } }, (response) => {
      const { promise: ended, resolve: end } = Promise.withResolvers<void>();
      const result: Stream = { text: "", status: response.statusCode ?? 0, ended };
      response.on("data", (data) => {
        result.text += String(data);
      });
      response.on("close", end);
      response.on("error", () => end());
      resolve(result);
    });
    call.on("error", reject);
    call.end();
    open.push(call);
  });
}
async function until(fits: () => boolean): Promise<void> {
  await expect.poll(fits, { timeout: 5_000 }).toBe(true);
}

describe("changes without end", () => {
  /** Operates shop as a script would, by a token that may make `left` more changes now. */
  async function script(left: number) {
    await hub.apply("shop", WEB);
    const mine = await made({ role: "operator", apps: ["shop"] });
    const { id } = (await hub.call("GET", "/v1/api-tokens")).body.items[0];
    for (let count = left; count < MAX_CHANGES_AT_ONCE; count += 1) hub.http.app.changeRate.take(`api-token/${id}`);
    return (what: "pause" | "unpause", key: string) =>
      hub.call("POST", `/v1/apps/shop/${what}`, {}, { token: mine, headers: { "idempotency-key": key } });
  }

  test("[A138] an API token that makes changes without end is slowed down, and told how long to wait", async () => {
    const call = await script(2);
    expect((await call("pause", "k1")).status).toBe(200);
    // What changes nothing does not count.
    for (const key of ["k2", "k3", "k4"]) expect((await call("pause", key)).status).toBe(200);
    expect((await call("unpause", "k5")).status).toBe(200);
    const refused = await call("pause", "k6");
    expect([refused.status, refused.body.code]).toEqual([429, "too-many-changes"]);
    expect(Number(refused.headers["retry-after"])).toBeLessThanOrEqual(6);
    expect((await hub.call("GET", "/v1/audit")).body.items[0]).toMatchObject({
      actor: "token ci",
      target: "app/shop",
      code: "too-many-changes",
    });
    // Repeating what was done, reading, and others go on.
    expect((await call("unpause", "k5")).status).toBe(200);
    expect((await hub.call("POST", "/v1/apps/shop/pause", {})).status).toBe(200);
    hub.advance(Number(refused.headers["retry-after"]) * 1_000);
    expect((await call("unpause", "k7")).status).toBe(200);
    expect((await call("pause", "k8")).status).toBe(429);
  });

  test("[A138] the admin token and join tokens are not slowed down", async () => {
    const { token } = (await hub.call("POST", "/v1/tokens", { uses: 3 })).body;
    for (let count = 0; count < MAX_CHANGES_AT_ONCE; count += 1)
      hub.http.app.changeRate.take(`join-token/${token.split(".")[1]}`);
    const join = await hub.call("POST", "/v1/nodes/join", { publicKey: "c".repeat(64), name: "pi" }, { token });
    expect(join.status).toBe(200);
    const { credential } = (await hub.call("GET", "/v1/auth/whoami")).body;
    for (let count = 0; count < MAX_CHANGES_AT_ONCE; count += 1) hub.http.app.changeRate.take(credential);
    expect((await hub.apply("shop", WEB)).status).toBe(200);
  });

  test("[A138] the audit log reaches back six days at least, whatever one token does", () => {
    const clock = handClock();
    const rate = createChangeRate(clock);
    let changes = 0;
    for (let ms = 0; ms < 6 * 86_400_000; ms += 1_000, clock.run(1_000)) {
      for (; rate.waitMs("a") === 0; changes += 1) rate.take("a");
      if (ms === 0) expect(changes).toBe(MAX_CHANGES_AT_ONCE);
    }
    expect(changes).toBe(MAX_CHANGES_AT_ONCE + 6 * 24 * 60 * CHANGES_PER_MINUTE - 1);
    expect(changes + 6 * MAX_REFUSED_PER_DAY).toBeLessThan(MAX_AUDIT_ENTRIES);
    expect(rate.waitMs("b")).toBe(0);
  });
});

describe("a body that takes its time", () => {
  /** Sends all but the end of the body, and is there when the hub has let the request in. What is returned sends the rest. */
  async function slowly(token: string, method: string, path: string, body: object): Promise<() => Promise<string>> {
    const port = await hub.listen().catch(() => (hub.http.app.server.address() as { port: number }).port);
    const text = JSON.stringify(body);
    const { promise: answer, resolve, reject } = Promise.withResolvers<string>();
    const headers = {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      "content-length": text.length,
      expect: "100-continue",
    };
    const call = request({ port, method, path, headers }, async (response) => {
      let all = `${response.statusCode} `;
      for await (const piece of response) all += String(piece);
      resolve(all);
    });
    open.push(call);
    call.on("error", reject);
    // Node's server says so, and gives the request to the hub in the same turn.
    await new Promise((go) => call.once("continue", go).write(text.slice(0, 10)));
    return () => {
      call.end(text.slice(10));
      return answer;
    };
  }

  test("[A135] a token that is removed while its request is on the way changes nothing more", async () => {
    const lost = await made({ name: "lost", role: "admin" });
    const finish = await slowly(lost, "POST", "/v1/api-tokens", { name: "fresh", role: "admin" });
    await hub.call("DELETE", "/v1/api-tokens/lost");
    expect(await finish()).toMatch(/^401 .*not-authenticated/);
    expect((await hub.call("GET", "/v1/api-tokens")).body.items).toEqual([]);
    const refused = (await hub.call("GET", "/v1/audit")).body.items[0];
    expect(refused).toMatchObject({ actor: "token lost", outcome: "refused", code: "not-authenticated" });
  });

  test("[A135] a role that loses a permission while a request is on the way does not lend it any more", async () => {
    await hub.call("PUT", "/v1/roles/mine", { permissions: ["app:read", "app:deploy"] });
    const mine = await made({ role: "mine" });
    const finish = await slowly(mine, "PUT", "/v1/apps/shop", { compose: WEB });
    await hub.call("PUT", "/v1/roles/mine", { permissions: ["app:read"] });
    expect(await finish()).toMatch(/^403 .*app:deploy/);
    expect((await hub.call("GET", "/v1/apps/shop")).status).toBe(404);
  });
});

describe("streams", () => {
  test("[A118] a watch tells of what is in reach and of nothing else", async () => {
    const farm = await hub.join("pi-farm", { labels: { site: "farm" } });
    const town = await hub.join("pi-town", { labels: { site: "town" } });
    const watch = await stream("/v1/watch?since=0", await made({ apps: ["shop"], nodeLabels: ["site=farm"] }));
    await hub.apply("blog", WEB);
    await hub.apply("shop", WEB);
    for (const node of [farm, town]) await hub.reportAll(node, { kind: "running", health: "none" });
    await hub.call("PATCH", "/v1/nodes/pi-town", { setLabels: { a: "b" } });
    await hub.call("DELETE", "/v1/apps/blog");
    await hub.call("PATCH", "/v1/nodes/pi-farm", { setLabels: { last: "one" } });
    await until(() => watch.text.includes("last=one") && watch.text.includes('"kind":"workloads"'));
    expect(watch.text).toContain('"kind":"app","app":"shop"');
    expect(watch.text).not.toContain("blog");
    // The other node is named where a copy of shop stands on it, and nowhere else.
    expect(watch.text).not.toContain(`"kind":"node","node":{"id":"${town}`);
    expect(watch.text).not.toContain("api-token-created");
  });

  test("[A131] open streams end when their token is removed or their role no longer lets them in", async () => {
    await hub.join("pi-farm");
    await hub.apply("shop", WEB);
    await hub.call("PUT", "/v1/roles/mine", { permissions: ["app:read", "event:read", "logs:read"] });
    const [one, two] = [await made({ name: "one", role: "mine" }), await made({ name: "two", role: "mine" })];
    const streams = [
      await stream("/v1/watch", one),
      await stream("/v1/apps/shop/logs?follow=true", one),
      await stream("/v1/watch", two),
      await stream("/v1/apps/shop/logs?follow=true", two),
    ];
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    await hub.call("DELETE", "/v1/api-tokens/one");
    await Promise.all([streams[0]?.ended, streams[1]?.ended]);
    expect([hub.http.watch.size(), hub.http.logs.size()]).toEqual([1, 1]);
    await hub.call("PUT", "/v1/roles/mine", { permissions: ["app:read", "event:read"] });
    await streams[3]?.ended;
    expect([hub.http.watch.size(), hub.http.logs.size()]).toEqual([1, 0]);
  });

  test("[A131] what ends by the clock ends an open stream within a quarter of a minute", () => {
    const clock = handClock();
    let isLetIn = true;
    const door = { stillOpen: () => isLetIn };
    const streams = createOpenStreams({ loop: hub.loop, clock, log: silentLog }, door);
    let ended = 0;
    // Only known by which one it is.
    const one = {} as FastifyRequest;
    const forget = streams.add(one, () => {
      ended += 1;
    });
    clock.run(LOOK_MS);
    expect(ended).toBe(0);
    isLetIn = false;
    clock.run(LOOK_MS - 1);
    expect(ended).toBe(0);
    clock.run(1);
    expect(ended).toBe(1);
    forget();
    clock.run(LOOK_MS);
    expect(ended).toBe(1);
    streams.stop();
  });
});
