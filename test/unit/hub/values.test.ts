// Secrets and configs through the hub's API and link: who may set and use them, what rolls out, what nodes get, and that nothing shows them.
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeId } from "@skerry/shared/model/ids.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import { boxContext } from "@skerry/shared/model/value-names.ts";
import { valueText } from "@skerry/shared/protocol/hub-word.ts";
import { boxKeyText } from "@skerry/shared/protocol/proof.ts";
import type { NeedValues } from "@skerry/shared/protocol/values.ts";
import { jsonLog } from "@skerry/shared/runtime/log.ts";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { boxKeyOf, boxPublicKeyOf, openBox } from "@skerry/shared/runtime/sealed-box.ts";
import { isSignedBy, publicKeyOf, signText } from "@skerry/shared/runtime/signature.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { valuesOfNode } from "../../../hub/src/core/value.ts";
import { openKeyring } from "../../../hub/src/keyring/keyring.ts";
import { Contents } from "../../../hub/src/values/contents.ts";
import { giveValues } from "../../../hub/src/values/give.ts";
import { filesWith, showsIn } from "../canary.ts";
import { startTestHub, type TestHub } from "../http-hub.ts";

const CANARY = "canary-7f3a/secret+value?with=signs";
const OTHER = "canary-91cc/another+value&more";
const base64 = (text: string): string => Buffer.from(text).toString("base64");

let hub: TestHub;
const said: string[] = [];
beforeEach(async () => {
  said.length = 0;
  hub = await startTestHub({
    log: jsonLog(
      (line) => said.push(line),
      () => 0,
      "debug",
    ),
  });
});
afterEach(() => hub.close());

const set = (name: string, text: string, more: object = {}, token?: string) =>
  hub.call("PUT", `/v1/secrets/${name}`, { value: base64(text), ...more }, token === undefined ? {} : { token });
const tokenFor = async (name: string, role: string, apps: readonly string[] = []): Promise<string> =>
  (await hub.call("POST", "/v1/api-tokens", { name, role, apps })).body.token;
const web = (top: object, service: object = {}): string =>
  JSON.stringify({ services: { web: { image: "web:1", deploy: { mode: "global" }, ...service } }, ...top });
const USES_DB = web({ secrets: { db: { external: true } } }, { secrets: ["db"] });
const OWN = web({ secrets: { db: { file: "./db.txt" } } }, { secrets: ["db"] });
const fileOf = (app = "shop") => {
  const spec = [...hub.loop.world.apps.values()].find(({ name }) => name === app)?.spec;
  return spec?.services[0]?.container.files?.[0]?.value;
};

describe("setting and using", () => {
  test("[A260] a secret is set, listed without what is in it, and removed when no app uses it", async () => {
    const first = await set("db", CANARY);
    expect(first).toMatchObject({ status: 200, body: { name: "db", created: true, changed: true, revised: [] } });
    expect((await set("db", CANARY)).body).toMatchObject({ changed: false, version: first.body.version });
    const { body } = await hub.call("GET", "/v1/secrets");
    expect(body.items).toMatchObject([{ name: "db", app: null, bytes: CANARY.length, usedBy: [], readable: true }]);
    await hub.apply("shop", USES_DB);
    expect(await hub.call("DELETE", "/v1/secrets/db")).toMatchObject({ status: 422, body: { code: "change-refused" } });
    await hub.apply("shop", web({}));
    expect((await hub.call("DELETE", "/v1/secrets/db")).status).toBe(200);
    expect(await hub.call("DELETE", "/v1/secrets/db")).toMatchObject({
      status: 404,
      body: { code: "value-not-found" },
    });
  });

  test("[A260] what is no name, no base64 or too large is refused", async () => {
    for (const name of ["a%2Fb", "-x", "x".repeat(65)]) expect((await set(name, "v")).status).toBe(400);
    expect((await hub.call("PUT", "/v1/secrets/db", { value: "no base64!" })).status).toBe(400);
    expect((await set("db", "x".repeat(512_001))).status).toBe(400);
    expect((await set("db", "x".repeat(512_000))).status).toBe(200);
  });

  test("[A261] a config is shown to who may see an app that it is for; a secret is shown to nobody", async () => {
    await hub.call("PUT", "/v1/configs/page", { value: base64("hello"), apps: ["shop"] });
    await hub.call("PUT", "/v1/configs/all", { value: base64("all") });
    await hub.apply("shop", web({ configs: { own: { content: "mine" } } }, { configs: ["own"] }));
    const [shop, till] = [await tokenFor("a", "viewer", ["shop"]), await tokenFor("b", "viewer", ["till"])];
    expect(
      Buffer.from(
        (await hub.call("GET", "/v1/configs/page", undefined, { token: shop })).body.value,
        "base64",
      ).toString(),
    ).toBe("hello");
    expect((await hub.call("GET", "/v1/configs/own?app=shop", undefined, { token: shop })).status).toBe(200);
    for (const url of ["/v1/configs/page", "/v1/configs/all", "/v1/configs/own?app=shop"])
      expect((await hub.call("GET", url, undefined, { token: till })).status).toBe(404);
    expect((await hub.call("GET", "/v1/configs", undefined, { token: till })).body.items).toEqual([]);
    expect((await hub.call("GET", "/v1/configs", undefined, { token: shop })).body.items).toHaveLength(2);
    expect((await hub.call("GET", "/v1/secrets", undefined, { token: shop })).status).toBe(403);
    expect((await set("x", "y", {}, shop)).status).toBe(403);
  });

  test("[A262] (H46) a scoped deployer uses what is for his app, and nothing else by whatever name", async () => {
    await set("db", CANARY);
    await set("till-db", OTHER, { apps: ["till"] });
    await hub.apply("till", OWN, { values: { "secrets.db": base64(OTHER) } });
    const token = await tokenFor("ci", "deployer", ["shop"]);
    const names = ["db", "till-db", "till_db", "till/db", "db.till", "nothing"];
    for (const name of names) {
      const file = web({ secrets: { db: { external: true, name } } }, { secrets: ["db"] });
      expect((await hub.apply("shop", file, {}, { token })).status).toBe(422);
    }
    const own = web({ secrets: { db: { file: "x", name: "till_db" } } }, { secrets: ["db"] });
    await hub.apply("shop", own, { values: { "secrets.db": base64("mine") } }, { token });
    expect(fileOf()).toMatchObject({ app: "shop", name: "till_db" });
    // Who may deploy everything uses what is for no named app; what is for another app, he neither.
    expect((await hub.apply("shop", USES_DB)).status).toBe(200);
    const till = web({ secrets: { db: { external: true, name: "till-db" } } }, { secrets: ["db"] });
    expect((await hub.apply("shop", till)).status).toBe(422);
    await set("db", CANARY, { apps: ["shop"] });
    expect((await hub.apply("shop", USES_DB, {}, { token })).status).toBe(200);
  });

  test("[A262] an app that a secret is taken from gets neither its next value nor, by an undo, an earlier one", async () => {
    await set("db", CANARY, { apps: ["shop"] });
    await hub.apply("shop", USES_DB);
    const taken = await set("db", OTHER, { apps: ["till"] });
    expect(taken).toMatchObject({
      status: 422,
      body: { path: "apps", message: expect.stringMatching(/^App shop would get/) },
    });
    await hub.apply("shop", web({}, {}));
    expect((await set("db", OTHER, { apps: ["till"] })).status).toBe(200);
    const undone = await hub.call("POST", "/v1/apps/shop/rollout/undo", { to: 1 });
    expect(undone).toMatchObject({ status: 422, body: { message: expect.stringContaining("no longer for this app") } });
  });

  test("[A262] a refusal is the same for one that is not there and one that is not for the app", async () => {
    await set("theirs", CANARY, { apps: ["till"] });
    const refusal = async (name: string) => {
      const file = web({ secrets: { db: { external: true, name } } }, { secrets: ["db"] });
      return (await hub.apply("shop", file)).text.replaceAll(name, "NAME");
    };
    expect(await refusal("theirs")).toBe(await refusal("nobody"));
  });

  test("[A263] what a file or a variable holds comes beside the Compose file, and is the app's own; without it the file is refused", async () => {
    const lacking = await hub.apply("shop", OWN);
    expect(lacking).toMatchObject({
      status: 422,
      body: { code: "invalid-compose", problems: [{ code: "value-missing" }] },
    });
    await hub.apply("shop", OWN, { values: { "secrets.db": base64(CANARY) } });
    const before = fileOf();
    expect((await hub.apply("shop", OWN, { values: { "secrets.db": base64(CANARY) } })).body.changed).toBe(false);
    expect((await hub.apply("shop", OWN, { values: { "secrets.db": base64(OTHER) } })).body).toMatchObject({
      revision: 2,
    });
    expect(fileOf()?.version).not.toBe(before?.version);
    expect(hub.store.values()).toMatchObject([{ app: "shop", name: "db", versions: [{}, {}] }]);
    await hub.call("DELETE", "/v1/apps/shop");
    expect([hub.store.values(), hub.store.valueKeys()]).toEqual([[], []]);
  });

  test("[A263] a dry run keeps nothing", async () => {
    const dry = await hub.apply("shop", OWN, { values: { "secrets.db": base64(CANARY) }, dryRun: true });
    expect(dry.body).toMatchObject({ dryRun: true, changed: true });
    expect([hub.store.values(), hub.keyring.size()]).toEqual([[], null]);
  });
});

describe("a new value", () => {
  test("[H260] is a new revision of each app that uses it, at once, and the answer names them", async () => {
    await set("db", CANARY);
    await hub.apply("shop", USES_DB);
    await hub.apply("till", USES_DB);
    await hub.apply("other", web({}));
    const hash = () => hub.loop.world.apps.get("shop" as never)?.spec.services[0]?.specHash;
    const before = hash();
    const { body } = await set("db", OTHER);
    expect(body.revised).toEqual([
      { app: "shop", revision: 2 },
      { app: "till", revision: 2 },
    ]);
    expect(hash()).not.toBe(before);
    // The same file again is what there is.
    expect((await hub.apply("shop", USES_DB)).body).toMatchObject({ revision: 2, changed: false });
    const rollouts = await hub.call("GET", "/v1/apps/shop/rollouts");
    expect(JSON.stringify(rollouts.body)).toContain("secret db has a new value");
  });

  test("[H261] an undo goes back to the value of then; what is not kept any more is in its way", async () => {
    await set("db", CANARY);
    await hub.apply("shop", USES_DB);
    const first = fileOf();
    await set("db", OTHER);
    await hub.call("POST", "/v1/apps/shop/rollout/undo", { to: 1 });
    expect(fileOf()).toEqual(first);
    for (let turn = 0; turn < 14; turn += 1) await set("db", `value ${turn}`);
    const kept = hub.store.values()[0]?.versions ?? [];
    expect(kept.length).toBeLessThan(14);
    for (const { version } of kept)
      expect(hub.store.sealedValue({ kind: "secret", app: null, name: "db", version })).not.toBeNull();
    expect((await hub.call("POST", "/v1/apps/shop/rollout/undo", { to: 2 })).text).toContain("no longer kept");
  });
});

describe("what a node gets", () => {
  const NODE_KEY = "5a".repeat(32);
  const HUB_KEY = "a5".repeat(32);
  const boxKey = boxKeyOf(NODE_KEY);
  const give = (contents?: Contents) =>
    giveValues({
      world: hub.loop.world,
      contents: contents ?? contentsWith(),
      publicKeys: () => [publicKeyOf(NODE_KEY)],
      sign: (text) => signText(HUB_KEY, text),
      note: (to, value) => hub.store.saveGiven(to, value),
      random: systemRandom,
      log: jsonLog(
        (line) => said.push(line),
        () => 0,
        "debug",
      ),
    });
  const contentsWith = () =>
    new Contents({
      installation: hub.loop.world.installation,
      store: hub.store,
      keyring: openKeyring(join(hub.folder, "secret-keys"), systemRandom),
      random: systemRandom,
    });
  const ask = (node: NodeId, wanted: readonly ValueRef[], key = NODE_KEY): NeedValues => {
    const given = boxPublicKeyOf(boxKey);
    const text = boxKeyText({ installation: hub.loop.world.installation, node }, given);
    return { type: "need-values", boxKey: given, signature: signText(key, text), wanted: [...wanted] };
  };

  async function placed(): Promise<{ node: NodeId; away: NodeId; ref: ValueRef }> {
    await set("db", CANARY);
    const node = await hub.join("pi", { labels: { has: "it" } });
    const away = await hub.join("other");
    await hub.apply(
      "shop",
      web(
        { secrets: { db: { external: true } } },
        { secrets: ["db"], deploy: { mode: "global", placement: { constraints: ["node.labels.has == it"] } } },
      ),
    );
    const ref = fileOf();
    if (ref === undefined) throw new Error("no file");
    return { node, away, ref };
  }

  test("[A342] what it was given is named when it is revoked, also when its app is gone; out of sight it is counted", async () => {
    const { node, away, ref } = await placed();
    give()(away, ask(away, [ref]));
    give()(node, ask(node, [ref]));
    expect((await hub.call("DELETE", "/v1/apps/shop")).status).toBe(200);
    const revoked = async (which: NodeId, token?: string) =>
      (await hub.call("POST", `/v1/nodes/${which}/revoke?dryRun=true`, {}, token === undefined ? {} : { token })).body;
    expect(await revoked(node)).toMatchObject({ secrets: ["db"], moreSecrets: 0 });
    // What was refused was not given.
    expect(await revoked(away)).toMatchObject({ secrets: [], moreSecrets: 0 });
    await hub.call("PUT", "/v1/roles/keeper", { permissions: ["node:read", "node:manage"] });
    const scope = { nodeLabels: ["has=it"] };
    const { token } = (await hub.call("POST", "/v1/api-tokens", { name: "keeper", role: "keeper", ...scope })).body;
    expect(await revoked(node, token)).toMatchObject({ secrets: [], moreSecrets: 1 });
  });

  test("[I27] [L261] [L354] it gets what its assignment names, sealed to it, and nothing else", async () => {
    const { node, away, ref } = await placed();
    expect([valuesOfNode(hub.loop.world, node).size, valuesOfNode(hub.loop.world, away).size]).toEqual([1, 0]);
    const [answer] = give()(node, ask(node, [ref]));
    if (answer?.type !== "value") throw new Error(JSON.stringify(answer));
    const context = boxContext(hub.loop.world.installation, node, ref);
    expect(openBox(boxKey, context, answer.box)?.toString()).toBe(CANARY);
    const signer = { installation: hub.loop.world.installation, node };
    expect(isSignedBy(publicKeyOf(HUB_KEY), valueText(signer, ref, answer.box), answer.signature)).toBe(true);
    expect(showsIn(CANARY, JSON.stringify(answer))).toBe(false);
    const others: ValueRef[] = [
      { ...ref, version: "0".repeat(32) },
      { ...ref, name: "x" },
      { ...ref, app: "shop" as never },
    ];
    for (const [to, wanted] of [[away, [ref]] as const, [node, others] as const])
      for (const each of give()(to, ask(to, wanted)))
        expect(each).toMatchObject({ type: "value-refused", reason: "this node's assignment does not name it" });
  });

  test("[L262] a key that the node did not sign gets nothing", async () => {
    const { node, away, ref } = await placed();
    const { signature } = ask(away, [ref]);
    for (const forged of [
      ask(node, [ref], "11".repeat(32)),
      { ...ask(node, [ref]), signature },
      { ...ask(node, [ref]), boxKey: boxPublicKeyOf(boxKeyOf("22".repeat(32))) },
    ])
      expect(give()(node, forged)).toMatchObject([
        { type: "value-refused", reason: "the key to seal it for is not signed by this node" },
      ]);
  });

  test("[A264] with the key file lost the hub goes on, says which apps, deletes nothing, and opens all when it is back", async () => {
    const { node, ref } = await placed();
    const path = join(hub.folder, "secret-keys");
    renameSync(path, `${path}.aside`);
    expect(give()(node, ask(node, [ref]))).toMatchObject([
      { type: "value-refused", reason: expect.stringContaining("lost the key") },
    ]);
    expect(hub.store.values().map(contentsWith().readable())).toEqual([false]);
    expect(hub.store.valueKeys()).toHaveLength(1);
    renameSync(`${path}.aside`, path);
    expect(give()(node, ask(node, [ref]))).toMatchObject([{ type: "value" }]);
  });

  test("[A264] while the key file is lost no rotation begins a new one", async () => {
    const version = "a".repeat(32);
    const versions = [{ version, bytes: 1, madeAtMs: 0, madeBy: "admin" }];
    const value = { kind: "secret", app: null, name: "db", apps: [], versions } as const;
    const sealed = { version, key: "0".repeat(12), wrapped: "", body: "" };
    const changes = [{ kind: "value-set", value, sealed }] as const;
    hub.store.commit({ changes, wallMs: 0, actor: "test", idempotency: null, audit: null });
    expect(await hub.call("POST", "/v1/secret-keys/rotate")).toMatchObject({
      status: 503,
      body: { code: "secrets-locked" },
    });
    expect([hub.keyring.size(), hub.store.valueKeys().length]).toEqual([null, 1]);
    expect((await hub.call("GET", "/v1/secrets")).body.items).toMatchObject([{ name: "db", readable: false }]);
  });

  test("[A265] a rotation puts everything under a new key, and what was under the old one opens", async () => {
    const { node, ref } = await placed();
    const before = readFileSync(join(hub.folder, "secret-keys"), "utf8");
    const { revision } = hub.loop.world.apps.get("shop" as never) ?? {};
    expect((await hub.call("POST", "/v1/secret-keys/rotate")).body).toEqual({ rewrapped: 1, left: 0, keys: 1 });
    const after = readFileSync(join(hub.folder, "secret-keys"), "utf8");
    expect(after).not.toContain(before.split("\n")[1]);
    expect(give()(node, ask(node, [ref]))).toMatchObject([{ type: "value" }]);
    expect(hub.loop.world.apps.get("shop" as never)?.revision).toBe(revision);
  });
});

describe("nothing shows them", () => {
  test("[I27] (H65) no answer, event, audit entry, watch, log or file of the hub holds a secret in any writing", async () => {
    const node = await hub.join("pi");
    const answers: string[] = [];
    const take = async (work: Promise<{ text: string }>): Promise<void> => void answers.push((await work).text);
    const key = { headers: { "idempotency-key": "k1" } };
    await take(hub.call("PUT", "/v1/secrets/db", { value: base64(CANARY) }, key));
    await take(hub.call("PUT", "/v1/secrets/db", { value: base64(CANARY) }, key));
    await take(hub.call("PUT", "/v1/secrets/db", { value: base64(OTHER) }, key));
    await take(hub.apply("shop", USES_DB));
    await take(
      hub.apply("till", OWN, { values: { "secrets.db": base64(OTHER) } }, { headers: { "idempotency-key": "k2" } }),
    );
    await take(hub.call("PUT", "/v1/secrets/wrong%20name", { value: base64(CANARY) }));
    await take(hub.call("PUT", "/v1/secrets/db", { value: base64(CANARY), more: CANARY.slice(0, 3) }));
    await hub.reportAll(node, { kind: "running", health: "none" });
    for (const url of [
      "/v1/apps/shop",
      "/v1/apps/till",
      "/v1/apps/till/revisions/1",
      "/v1/secrets",
      "/v1/configs",
      "/v1/events",
      "/v1/audit",
      "/v1/why/shop",
      "/v1/nodes/pi",
      "/v1/openapi.json",
      "/metrics",
    ])
      await take(hub.call("GET", url));
    answers.push(JSON.stringify(hub.store.watch(0, 1_000)), JSON.stringify(hub.store.load()), ...said);
    for (const canary of [CANARY, OTHER]) expect(answers.filter((text) => showsIn(canary, text))).toEqual([]);
    expect(filesWith([CANARY, OTHER], hub.folder)).toEqual([]);
    // No plain hash either: what is small could be guessed from it.
    const { requestHash } = hub.store.idempotent([...(await stored())][0] ?? "") ?? {};
    expect(requestHash).not.toBeUndefined();
  });

  async function stored(): Promise<readonly string[]> {
    const { body } = await hub.call("GET", "/v1/audit?limit=50");
    const credential = body.items.find((entry: { credential: string | null }) =>
      entry.credential?.startsWith("admin-token"),
    )?.credential;
    return [`${credential} k1`];
  }

  test("[I27] the search itself finds a canary in every writing", () => {
    const folder = mkdtempSync(join(tmpdir(), "skerry-canary-"));
    const bytes = Buffer.from(CANARY);
    const writings = [
      CANARY,
      bytes.toString("base64"),
      `xy${Buffer.from(`z${CANARY}z`).toString("base64")}`,
      bytes.toString("hex"),
      bytes.toString("base64url"),
      encodeURIComponent(CANARY),
    ];
    for (const [at, writing] of writings.entries()) writeFileSync(join(folder, String(at)), `before ${writing} after`);
    expect(filesWith([CANARY], folder)).toHaveLength(writings.length);
    rmSync(folder, { recursive: true });
  });
});
