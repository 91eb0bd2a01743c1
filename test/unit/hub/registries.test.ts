// Registry credentials through the hub's API: who may set them, whose images are pulled by them, which nodes' assignments name them, and that
// nothing shows them.
import { join } from "node:path";
import type { NodeId } from "@skerry/shared/model/ids.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import { boxContext } from "@skerry/shared/model/value-names.ts";
import { boxKeyText } from "@skerry/shared/protocol/proof.ts";
import { jsonLog } from "@skerry/shared/runtime/log.ts";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { boxKeyOf, boxPublicKeyOf, openBox } from "@skerry/shared/runtime/sealed-box.ts";
import { publicKeyOf, signText } from "@skerry/shared/runtime/signature.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { buildAssignment } from "../../../hub/src/core/assign.ts";
import { openKeyring } from "../../../hub/src/keyring/keyring.ts";
import { Contents } from "../../../hub/src/values/contents.ts";
import { giveValues } from "../../../hub/src/values/give.ts";
import { filesWith, showsIn } from "../canary.ts";
import { startTestHub, type TestHub } from "../http-hub.ts";

const CANARY = "canary-51f0/registry+password?x=1";
const OTHER = "canary-9b7e/other+password&more";
const R = "r.test:5000";

let hub: TestHub;
const said: string[] = [];
const log = jsonLog(
  (line) => said.push(line),
  () => 0,
  "debug",
);
beforeEach(async () => {
  said.length = 0;
  hub = await startTestHub({ log });
});
afterEach(() => hub.close());

const login = (password: string, more: object = {}, registry = R, token?: string) =>
  hub.call(
    "PUT",
    `/v1/registries/${encodeURIComponent(registry)}`,
    { user: "farm", password, ...more },
    token === undefined ? {} : { token },
  );
const logout = (registry = R) => hub.call("DELETE", `/v1/registries/${encodeURIComponent(registry)}`);
const listed = async () => (await hub.call("GET", "/v1/registries")).body.items;
const tokenFor = async (name: string, role: string, apps: readonly string[] = []): Promise<string> =>
  (await hub.call("POST", "/v1/api-tokens", { name, role, apps })).body.token;
const web = (image: string, label: string | null = null): string => {
  const placement = label === null ? {} : { placement: { constraints: [`node.labels.has == ${label}`] } };
  return JSON.stringify({ services: { web: { image, deploy: { mode: "global", ...placement } } } });
};
/** What a node's assignment names, by app. */
const named = (node: NodeId): Record<string, readonly ValueRef[]> =>
  Object.fromEntries(
    (buildAssignment(hub.loop.world, node)?.apps ?? []).map(({ name, registries }) => [name, registries ?? []]),
  );
const names = (node: NodeId) =>
  Object.fromEntries(Object.entries(named(node)).map(([app, refs]) => [app, refs.map(({ name }) => name)]));
const generation = (node: NodeId) => hub.loop.world.nodes.get(node)?.assigned.generation;
const revision = (app: string) => hub.loop.world.apps.get(app as never)?.revision;

describe("setting", () => {
  test("[C271] a credential is set, listed without its password, and removed; setting what it is changes nothing", async () => {
    expect(await login(CANARY)).toMatchObject({
      status: 200,
      body: { registry: R, created: true, changed: true, usedBy: [] },
    });
    expect((await login(CANARY)).body).toMatchObject({ created: false, changed: false });
    expect((await login(OTHER)).body).toMatchObject({ created: false, changed: true });
    expect(await listed()).toMatchObject([{ registry: R, user: "farm", apps: [], setBy: "admin", usedBy: [] }]);
    // Only the newest content is kept: no revision could go back to another.
    expect(hub.store.valueKeys()).toHaveLength(1);
    expect((await logout()).status).toBe(200);
    expect([await listed(), hub.store.valueKeys()]).toEqual([[], []]);
    expect(await logout()).toMatchObject({ status: 404, body: { code: "value-not-found" } });
  });

  test("[C270] a registry has one name, however it is written; what names none is refused", async () => {
    await login(CANARY, {}, "https://index.docker.io/v1/");
    await login(CANARY, {}, "R.test:5000");
    expect((await listed()).map(({ registry }: { registry: string }) => registry)).toEqual(["docker.io", R]);
    for (const wrong of ["r.test/team", "a b", "x".repeat(241), "user@r.test"])
      expect((await login(CANARY, {}, wrong)).status).toBe(400);
    for (const body of [{ user: "a:b" }, { user: "" }, { password: "" }, { password: "x".repeat(6_145) }])
      expect((await login(CANARY, body)).status).toBe(400);
  });

  test("[C271] without apps it stays for whom it was; what would take it from an app that is pulled by it is refused", async () => {
    await login(CANARY, { apps: ["shop"] });
    await hub.apply("shop", web(`${R}/web:1`));
    expect((await login(OTHER)).body).toMatchObject({ changed: true, usedBy: ["shop"] });
    expect(await listed()).toMatchObject([{ apps: ["shop"], usedBy: ["shop"] }]);
    expect(await login(OTHER, { apps: ["till"] })).toMatchObject({
      status: 422,
      body: { path: "apps", message: expect.stringMatching(/^App shop would not be pulled by/) },
    });
    expect((await login(OTHER, { apps: ["shop", "till"] })).status).toBe(200);
  });

  test("[C272] it is set, listed and removed with registry:manage on everything, which of the built-in roles only admin holds", async () => {
    await hub.call("PUT", "/v1/roles/puller", { permissions: ["registry:manage"] });
    const puller = await tokenFor("puller", "puller");
    expect((await login(CANARY, {}, R, puller)).status).toBe(200);
    for (const [name, role, apps] of [
      ["a", "deployer", []],
      ["b", "deployer", ["shop"]],
      ["c", "viewer", []],
    ] as const) {
      const token = await tokenFor(name, role, apps);
      expect((await login(CANARY, {}, R, token)).status).toBe(403);
      for (const method of ["GET", "DELETE"] as const)
        expect((await hub.call(method, "/v1/registries", undefined, { token })).status).not.toBe(200);
      expect((await hub.call("DELETE", `/v1/registries/${encodeURIComponent(R)}`, undefined, { token })).status).toBe(
        403,
      );
    }
  });
});

describe("whose images are pulled by it", () => {
  test("[C272] (H46) one for a named app is for that app; one for none is for apps that somebody applied who may deploy all", async () => {
    const node = await hub.join("pi");
    const token = await tokenFor("ci", "deployer", ["shop"]);
    await login(CANARY);
    await hub.apply("shop", web(`${R}/web:1`), {}, { token });
    await hub.apply("till", web(`${R}/web:1`));
    expect(names(node)).toEqual({ shop: [], till: [R] });
    // The same file applied by somebody who may deploy everything, and by the other one again.
    await hub.apply("shop", web(`${R}/web:1`));
    expect(names(node)).toEqual({ shop: [R], till: [R] });
    await hub.apply("shop", web(`${R}/web:1`), {}, { token });
    expect(names(node)).toEqual({ shop: [], till: [R] });
    await logout();
    await login(CANARY, { apps: ["shop"] });
    expect(names(node)).toEqual({ shop: [R], till: [] });
  });

  test("[C274] a node's assignment names the credentials of its own apps' images, each under its app, and no others", async () => {
    const [here, there] = [
      await hub.join("here", { labels: { has: "a" } }),
      await hub.join("there", { labels: { has: "b" } }),
    ];
    await login(CANARY);
    await login(OTHER, {}, "docker.io");
    await hub.apply("shop", web(`${R}/web:1`, "a"));
    await hub.apply("till", web("till:1", "b"));
    await hub.apply("open", web("q.test/open:1"));
    expect([names(here), names(there)]).toEqual([
      { open: [], shop: [R] },
      { open: [], till: ["docker.io"] },
    ]);
    // In an assignment without any there is no field of it: its hash is the one of before.
    expect(buildAssignment(hub.loop.world, here)?.apps.map((app) => "registries" in app)).toEqual([false, true]);
    const [ref] = named(here)["shop"] ?? [];
    if (ref === undefined) throw new Error("no credential");
    const [own, others] = [ask(here, [ref]), ask(there, [ref])];
    if (own[0]?.type !== "value") throw new Error(JSON.stringify(own));
    const opened = openBox(boxKeyOf(NODE_KEY), boxContext(hub.loop.world.installation, here, ref), own[0].box);
    expect(JSON.parse(opened?.toString() ?? "")).toEqual({ user: "farm", password: CANARY });
    expect(others).toMatchObject([{ type: "value-refused", reason: "this node's assignment does not name it" }]);
  });
});

const NODE_KEY = "5a".repeat(32);
const HUB_KEY = "6b".repeat(32);
function ask(node: NodeId, wanted: readonly ValueRef[]) {
  const { installation } = hub.loop.world;
  const keyring = openKeyring(join(hub.folder, "secret-keys"), systemRandom);
  const contents = new Contents({ installation, store: hub.store, keyring, random: systemRandom });
  const publicKeys = () => [publicKeyOf(NODE_KEY)];
  const boxKey = boxPublicKeyOf(boxKeyOf(NODE_KEY));
  const signature = signText(NODE_KEY, boxKeyText({ installation, node }, boxKey));
  const give = giveValues({
    world: hub.loop.world,
    contents,
    publicKeys,
    sign: (text) => signText(HUB_KEY, text),
    note: (to, value) => hub.store.saveGiven(to, value),
    random: systemRandom,
    log,
  });
  return give(node, { type: "need-values", boxKey, signature, wanted: [...wanted] });
}

describe("a changed one", () => {
  test("[C273] makes no revision: a new position for the nodes whose assignment names it, and for no other", async () => {
    const [here, there] = [
      await hub.join("here", { labels: { has: "a" } }),
      await hub.join("there", { labels: { has: "b" } }),
    ];
    await login(CANARY);
    await hub.apply("shop", web(`${R}/web:1`, "a"));
    await hub.apply("open", web("q.test/open:1", "b"));
    const before = [generation(here) ?? 0, generation(there) ?? 0] as const;
    const [first] = named(here)["shop"] ?? [];
    const hash = hub.loop.world.placementsByNode.get(here);
    await login(OTHER);
    const [second] = named(here)["shop"] ?? [];
    expect(second?.version).not.toBe(first?.version);
    expect([generation(here), generation(there)]).toEqual([before[0] + 1, before[1]]);
    expect([revision("shop"), hub.loop.world.placementsByNode.get(here)]).toEqual([1, hash]);
    // The same again changes nothing anywhere; one that goes is gone from the assignment.
    await login(OTHER);
    expect(generation(here)).toBe(before[0] + 1);
    await logout();
    expect([names(here), generation(here), revision("shop")]).toEqual([{ shop: [] }, before[0] + 2, 1]);
    expect(first === undefined ? [] : ask(here, [first])).toMatchObject([{ type: "value-refused" }]);
  });

  test("[C273] one that is set after its app reaches the nodes too, without anything being applied", async () => {
    const node = await hub.join("pi");
    await hub.apply("shop", web(`${R}/web:1`));
    const before = generation(node) ?? 0;
    await login(CANARY);
    expect([names(node), generation(node), revision("shop")]).toEqual([{ shop: [R] }, before + 1, 1]);
    // What a hub reads when it starts again is what it had.
    expect(hub.store.load().registries).toEqual([...hub.loop.world.registries.values()]);
  });

  test("[C274] the list of a revoked node's secrets names its registries' passwords", async () => {
    await hub.join("pi");
    await login(CANARY);
    await hub.apply("shop", web(`${R}/web:1`));
    expect((await hub.call("POST", "/v1/nodes/pi/revoke")).body.secrets).toEqual([`registry credential ${R}`]);
  });
});

test("[I27] [C275] (H65) no answer, event, audit entry, log or file of the hub holds a registry's password in any writing", async () => {
  const node = await hub.join("pi");
  const answers: string[] = [];
  const take = async (work: Promise<{ text: string }>): Promise<void> => void answers.push((await work).text);
  const key = { headers: { "idempotency-key": "k1" } };
  const put = (registry: string, body: object, more: object = {}) =>
    hub.call("PUT", `/v1/registries/${encodeURIComponent(registry)}`, body, more);
  await take(put(R, { user: "farm", password: CANARY }, key));
  await take(put(R, { user: "farm", password: CANARY }, key));
  await take(put(R, { user: "farm", password: OTHER }));
  // Refused ones: in the wrong field, for no registry, too long, by somebody who may not.
  await take(put("a b", { user: "farm", password: CANARY }));
  await take(put(R, { user: `${CANARY}:x`, password: CANARY }));
  await take(put(R, { user: "farm", password: CANARY.repeat(300) }));
  await take(put(R, { user: "farm", password: CANARY, more: CANARY }));
  await take(put(R, { user: "farm", password: CANARY }, { token: await tokenFor("v", "viewer") }));
  await take(hub.apply("shop", web(`${R}/web:1`)));
  const [ref] = named(node)["shop"] ?? [];
  for (const url of [
    "/v1/registries",
    "/v1/events?limit=500",
    "/v1/audit?limit=500",
    "/v1/apps/shop",
    "/v1/why/shop",
    "/v1/secrets",
  ])
    await take(hub.call("GET", url));
  answers.push(JSON.stringify(ref === undefined ? null : ask(node, [ref])));
  answers.push(JSON.stringify(buildAssignment(hub.loop.world, node)));
  for (const canary of [CANARY, OTHER])
    expect([...answers, ...said].filter((text) => showsIn(canary, text)).map((text) => text.slice(0, 200))).toEqual([]);
  expect(filesWith([CANARY, OTHER], hub.folder)).toEqual([]);
});
