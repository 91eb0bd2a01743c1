// The audit log behind the API: every route that changes something leaves an entry, done or refused, and no secret gets into one.
import type { NodeId, NodeName } from "@skerry/shared/model/ids.ts";
import { fastify } from "fastify";
import { TOTP } from "otpauth";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Answer, startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";
import { follow } from "../store/audit-chain.ts";
import { type Store, StoreError } from "../store/store.ts";
import { addAuditCheck, MAX_REFUSED_PER_DAY, MAX_REFUSED_PER_MINUTE } from "./audit.ts";
import { type Route, type RouteName, routes } from "./routes.ts";
import type { AuditEntryView } from "./schemas/audit.ts";
import { MAX_BODY_BYTES } from "./server.ts";

const WEB = "services:\n  web:\n    image: web:1\n    deploy: { replicas: 2 }\n";
const KEY = "c".repeat(64);
const nobody = { token: null } as const;

let hub: TestHub;
let isFull = false;
/** Every token and secret that was sent. */
let secrets: string[];
beforeEach(async () => {
  isFull = false;
  const write =
    <A extends unknown[], R>(work: (...given: A) => R) =>
    (...given: A): R => {
      if (isFull) throw new StoreError("full", "ENOSPC");
      return work(...given);
    };
  const filling = (store: Store): Store => ({
    ...store,
    commit: write(store.commit),
    appendAudit: write(store.appendAudit),
    setSetting: write(store.setSetting),
  });
  hub = await startTestHub({ store: filling });
  secrets = [hub.admin, KEY];
});
afterEach(async () => {
  const log = JSON.stringify(await entries());
  for (const secret of secrets)
    for (const form of [secret, secret.split(".").at(-1) ?? secret]) expect(log).not.toContain(form);
  await hub.close();
});

async function entries(query = ""): Promise<AuditEntryView[]> {
  return (await hub.call("GET", `/v1/audit?after=0&limit=1000${query}`)).body.items;
}
const last = async (): Promise<AuditEntryView | undefined> => (await entries()).at(-1);

async function token(): Promise<{ id: string; token: string }> {
  const made = (await hub.call("POST", "/v1/tokens", { uses: 5, labels: { site: "shop" } })).body;
  secrets.push(made.token);
  return made;
}

const at = (name: RouteName): Route => routes[name];
const changing = (Object.keys(routes) as RouteName[]).filter((name) => at(name).method !== "GET");

/** One good call of each route that changes something, on a hub with app shop, node pi and a join token. */
const good: Partial<Record<RouteName, (made: { id: string; token: string }) => Promise<Answer>>> = {
  applyApp: () => hub.apply("shop", WEB.replace("web:1", "web:2")),
  removeApp: () => hub.call("DELETE", "/v1/apps/shop"),
  stopApp: () => hub.call("POST", "/v1/apps/shop/stop", { service: "web", reason: "the fan is loud" }),
  startApp: async () => {
    await hub.call("POST", "/v1/apps/shop/stop", { service: "web" });
    return hub.call("POST", "/v1/apps/shop/start", {});
  },
  restartApp: () => hub.call("POST", "/v1/apps/shop/restart", {}),
  pauseApp: () => hub.call("POST", "/v1/apps/shop/pause", {}),
  unpauseApp: async () => {
    await hub.call("POST", "/v1/apps/shop/pause", {});
    return hub.call("POST", "/v1/apps/shop/unpause", {});
  },
  scaleApp: () => hub.call("POST", "/v1/apps/shop/scale", { service: "web", replicas: 3 }),
  pauseRollout: () => hub.call("POST", "/v1/apps/shop/rollout/pause", {}),
  resumeRollout: async () => {
    await hub.call("POST", "/v1/apps/shop/rollout/pause", {});
    return hub.call("POST", "/v1/apps/shop/rollout/resume", {});
  },
  undoRollout: async () => {
    await hub.apply("shop", WEB.replace("web:1", "web:2"));
    return hub.call("POST", "/v1/apps/shop/rollout/undo", { to: 1 });
  },
  changeNode: () => hub.call("PATCH", "/v1/nodes/pi", { setLabels: { site: "farm" } }),
  setAvailability: () => hub.call("PUT", "/v1/nodes/pi/availability", { availability: "cordoned" }),
  removeNode: () => hub.call("DELETE", "/v1/nodes/pi"),
  approveNode: async () => {
    const { token } = (await hub.call("POST", "/v1/tokens", { approval: true })).body;
    await hub.call("POST", "/v1/nodes/join", { publicKey: KEY, name: "van" }, { token });
    return hub.call("POST", "/v1/nodes/van/approve");
  },
  unfreezeNode: () => {
    hub.loop.freeze(hub.loop.world.nodesByName.get("pi" as NodeName) ?? ("" as NodeId));
    return hub.call("POST", "/v1/nodes/pi/unfreeze");
  },
  rollNodeKey: () => hub.call("POST", "/v1/nodes/pi/roll-key"),
  revokeNode: () => hub.call("POST", "/v1/nodes/pi/revoke"),
  joinNode: ({ token }) =>
    hub.call("POST", "/v1/nodes/join", { publicKey: KEY, name: "pi" }, { token, headers: AGENT }),
  createToken: async () => ({ ...(await hub.call("POST", "/v1/tokens", {})) }),
  removeToken: ({ id }) => hub.call("DELETE", `/v1/tokens/${id}`),
  prepareHubKey: () => hub.call("POST", "/v1/hub-key/next"),
  switchHubKey: async () => {
    const { next } = (await hub.call("POST", "/v1/hub-key/next")).body;
    return hub.call("POST", "/v1/hub-key/switch", { to: next, force: true });
  },
  createApiToken: () => hub.call("POST", "/v1/api-tokens", CI),
  removeApiToken: async () => {
    secrets.push((await hub.call("POST", "/v1/api-tokens", CI)).body.token);
    return hub.call("DELETE", "/v1/api-tokens/ci");
  },
  setPolicy: () => hub.call("PUT", "/v1/policies/serial", { policy: {} }),
  removePolicy: async () => {
    await hub.call("PUT", "/v1/policies/serial", { policy: {} });
    return hub.call("DELETE", "/v1/policies/serial");
  },
  setRole: () => hub.call("PUT", "/v1/roles/till-staff", { permissions: ["app:read", "app:operate"] }),
  removeRole: async () => {
    await hub.call("PUT", "/v1/roles/till-staff", { permissions: ["app:read"] });
    return hub.call("DELETE", "/v1/roles/till-staff");
  },
  addUser: () => addAnna(),
  setUserRole: async () => {
    await addAnna();
    return hub.call("PUT", "/v1/users/anna/role", { role: "operator" });
  },
  setUserEnabled: async () => {
    await addAnna();
    return hub.call("PUT", "/v1/users/anna/enabled", { enabled: false });
  },
  setUserPassword: async () => {
    await addAnna();
    return hub.call("PUT", "/v1/users/anna/password", { password: NEW });
  },
  resetSecondFactor: async () => {
    await withFactor();
    return hub.call("DELETE", "/v1/users/anna/second-factor");
  },
  removeUser: async () => {
    await addAnna();
    return hub.call("DELETE", "/v1/users/anna");
  },
  logIn: async () => {
    await addAnna();
    return logIn();
  },
  logOut: () => asAnna("DELETE", "/v1/session"),
  changePassword: () => asAnna("PUT", "/v1/session/password", { password: ANNA.password, newPassword: NEW }),
  beginSecondFactor: () => asAnna("POST", "/v1/session/second-factor", { password: ANNA.password }),
  confirmSecondFactor: async () => {
    const { secret } = (await asAnna("POST", "/v1/session/second-factor", { password: ANNA.password })).body;
    secrets.push(secret);
    return asAnna("PUT", "/v1/session/second-factor", { code: codeOf(secret) });
  },
  removeSecondFactor: async () => {
    const { token, ...shown } = await withFactor();
    return hub.call("POST", "/v1/session/second-factor/remove", shown, { token });
  },
  renewRecoveryCodes: async () => {
    const { token, ...shown } = await withFactor();
    return hub.call("POST", "/v1/session/recovery-codes", shown, { token });
  },
  setUp: () => {
    const code = hub.http.beginSetUp() ?? "";
    secrets.push(code);
    return hub.call("POST", "/v1/setup", { code, ...ANNA }, { token: null });
  },
  setSecret: () => hub.call("PUT", "/v1/secrets/db", { value: CANARY }),
  removeSecret: async () => {
    await hub.call("PUT", "/v1/secrets/db", { value: CANARY });
    return hub.call("DELETE", "/v1/secrets/db");
  },
  setRegistry: () => hub.call("PUT", "/v1/registries/r.test", { user: "ci", password: CANARY }),
  removeRegistry: async () => {
    await hub.call("PUT", "/v1/registries/r.test", { user: "ci", password: CANARY });
    return hub.call("DELETE", "/v1/registries/r.test");
  },
  rotateSecretKeys: async () => {
    await hub.call("PUT", "/v1/secrets/db", { value: CANARY });
    return hub.call("POST", "/v1/secret-keys/rotate");
  },
  setConfig: () => hub.call("PUT", "/v1/configs/page", { value: CANARY, apps: ["shop"] }),
  removeConfig: async () => {
    await hub.call("PUT", "/v1/configs/page", { value: CANARY });
    return hub.call("DELETE", "/v1/configs/page");
  },
};
/** By whom it is done, when not by the admin. */
const BY_ANNA: ReadonlySet<RouteName> = new Set<RouteName>([
  ...(["logIn", "logOut", "changePassword", "beginSecondFactor"] as const),
  ...(["confirmSecondFactor", "removeSecondFactor", "renewRecoveryCodes"] as const),
]);
const actorOfGood = (name: RouteName, join: string): string => {
  if (name === "joinNode") return `join token ${join}`;
  if (name === "setUp") return "set-up link";
  return BY_ANNA.has(name) ? "user anna" : "admin";
};
function credentialOfGood(name: RouteName, join: string): unknown {
  if (name === "joinNode") return `join-token/${join}`;
  if (name === "logIn" || name === "setUp") return null;
  return expect.stringMatching(BY_ANNA.has(name) ? /^session\/[0-9a-f]{12}$/ : /^admin-token\/[0-9a-f]{12}$/);
}
const ANNA = { name: "anna", password: "sand under the keel" };
const NEW = "no wind since tuesday";
const addAnna = () => hub.call("POST", "/v1/users", { ...ANNA, role: "viewer" });
const logIn = (more: object = {}) =>
  hub.call("POST", "/v1/session", { ...ANNA, as: "token", ...more }, { token: null });
async function asAnna(method: "POST" | "PUT" | "DELETE", url: string, body?: object): Promise<Answer> {
  if (hub.store.user("anna") === null) await addAnna();
  const { token } = (await logIn()).body;
  secrets.push(token);
  return hub.call(method, url, body, { token });
}
async function withFactor(): Promise<{ password: string; code: string; token: string }> {
  await addAnna();
  const { token } = (await logIn()).body;
  const { password } = ANNA;
  const begun = await hub.call("POST", "/v1/session/second-factor", { password }, { token });
  const { secret } = begun.body;
  const confirmed = await hub.call("PUT", "/v1/session/second-factor", { code: codeOf(secret) }, { token });
  const [code] = confirmed.body.recoveryCodes;
  secrets.push(token, secret, code);
  return { password, code, token };
}
const codeOf = (secret: string): string => new TOTP({ secret }).generate();
const CANARY = Buffer.from("canary of the audit").toString("base64");
const VERSION = /^version [0-9a-f]{32}/;
const CI = { name: "ci", role: "deployer", apps: ["shop"] };
const AGENT = { "user-agent": `skerry ${"x".repeat(200)}` };

/** What its entry says. */
const said: Partial<Record<RouteName, Partial<AuditEntryView>>> = {
  applyApp: { target: "app/shop", before: "revision 1", after: "revision 2" },
  removeApp: { target: "app/shop", before: "revision 1", after: null },
  stopApp: { target: "app/shop", before: "shop/web runs", after: "shop/web stopped" },
  startApp: { target: "app/shop", before: "shop/web stopped", after: "shop/web runs" },
  restartApp: { target: "app/shop", before: "shop runs", after: expect.stringMatching(/^shop runs restart \d+$/) },
  pauseApp: { target: "app/shop", before: "shop runs", after: "shop runs paused" },
  unpauseApp: { target: "app/shop", before: "shop runs paused", after: "shop runs" },
  scaleApp: { target: "app/shop", before: "revision 1", after: "revision 2" },
  pauseRollout: { target: "app/shop", before: "revision 1 progressing", after: "revision 1 paused" },
  resumeRollout: { target: "app/shop", before: "revision 1 paused", after: "revision 1 progressing" },
  undoRollout: { target: "app/shop", before: "revision 2", after: "revision 3" },
  changeNode: { target: "node/pi", before: "no labels", after: "site=farm" },
  setAvailability: { target: "node/pi", before: "active", after: "cordoned" },
  removeNode: { target: "node/pi", before: "active", after: null },
  approveNode: { target: "node/van", before: "pending", after: "member" },
  unfreezeNode: { target: "node/pi", before: "frozen", after: "member" },
  rollNodeKey: { target: "node/pi", before: "its key", after: "another key asked for" },
  revokeNode: { target: "node/pi", before: "member", after: "revoked" },
  joinNode: { target: "node/pi-2", before: null, after: "site=shop" },
  createToken: { before: null, after: expect.stringMatching(/^1 uses until 2.*Z, no labels$/) },
  removeToken: { before: expect.stringMatching(/^5 uses until 2.*Z, site=shop$/), after: null },
  prepareHubKey: { target: "hub-key", before: null, after: "9".repeat(64) },
  switchHubKey: { target: "hub-key", before: "b".repeat(64), after: "9".repeat(64) },
  createApiToken: {
    target: "api-token/ci",
    before: null,
    after: expect.stringMatching(/^deployer for app shop, until 2/),
  },
  removeApiToken: {
    target: "api-token/ci",
    before: expect.stringMatching(/^deployer for app shop, until/),
    after: null,
  },
  setPolicy: { target: "policy/serial", before: null, after: expect.stringMatching(/^revision 1 [0-9a-f]{64}$/) },
  removePolicy: { target: "policy/serial", before: expect.stringMatching(/^revision 1 [0-9a-f]{64}$/), after: null },
  setRole: { target: "role/till-staff", before: null, after: "app:operate app:read" },
  removeRole: { target: "role/till-staff", before: "app:read", after: null },
  addUser: { target: "user/anna", before: null, after: "viewer for everything" },
  setUserRole: { target: "user/anna", before: "viewer for everything", after: "operator for everything" },
  setUserEnabled: {
    target: "user/anna",
    before: "viewer for everything",
    after: "viewer for everything, disabled",
  },
  setUserPassword: { target: "user/anna", before: null, after: "new password, sessions ended: 0" },
  resetSecondFactor: { target: "user/anna", before: "second factor on", after: "no second factor" },
  removeUser: { target: "user/anna", before: "viewer for everything", after: null },
  logIn: { target: "user/anna", before: null, after: expect.stringMatching(/^session [0-9a-f]{12}$/) },
  logOut: { target: "user/anna", before: expect.stringMatching(/^session [0-9a-f]{12}$/), after: null },
  changePassword: { target: "user/anna", before: null, after: "new password, sessions ended: 1" },
  beginSecondFactor: { target: "user/anna", before: "no second factor", after: "second factor begun" },
  confirmSecondFactor: { target: "user/anna", before: "second factor begun", after: "second factor on" },
  removeSecondFactor: {
    target: "user/anna",
    before: "second factor on",
    after: "no second factor by recovery code",
  },
  renewRecoveryCodes: { target: "user/anna", before: null, after: "new recovery codes by recovery code" },
  setUp: { target: "user/anna", before: null, after: "admin for everything" },
  setSecret: { target: "secret/db", before: null, after: expect.stringMatching(VERSION) },
  removeSecret: { target: "secret/db", before: expect.stringMatching(VERSION), after: null },
  setRegistry: { target: "registry/r.test", before: null, after: expect.stringMatching(VERSION) },
  removeRegistry: { target: "registry/r.test", before: expect.stringMatching(VERSION), after: null },
  rotateSecretKeys: { target: "secret-keys", before: null, after: "1 versions wrapped anew" },
  setConfig: { target: "config/page", before: null, after: expect.stringMatching(/^version [0-9a-f]{32} for shop$/) },
  removeConfig: { target: "config/page", before: expect.stringMatching(VERSION), after: null },
};

test("[A120] every route that changes something has a call here", () => {
  expect(Object.keys(good).sort()).toEqual([...changing].sort());
});

test.each(changing)("[A120] %s leaves an entry: who, from where, what, to what, before and after", async (name) => {
  await hub.join("pi");
  await hub.apply("shop", WEB);
  const made = await token();
  const answer = await good[name]?.(made);
  expect(answer?.status).toBe(200);
  if (name === "createToken" || name === "createApiToken") secrets.push(answer?.body.token);
  const isJoin = name === "joinNode";
  expect(await last()).toMatchObject({
    what: name,
    actor: actorOfGood(name, made.id),
    credential: credentialOfGood(name, made.id),
    address: "127.0.0.1",
    agent: isJoin ? `skerry ${"x".repeat(73)}` : "lightMyRequest",
    outcome: "done",
    ...{ code: null, count: 1, ...said[name] },
  });
});

const address = (route: Route): string =>
  route.url
    .replace(":app", "shop")
    .replace(":node", "pi")
    .replace(":token", "0123456789ab")
    .replace(":role", "till-staff")
    .replace(":user", "anna");

const forTheKnown = changing.filter((name) => at(name).permission !== "public");

test.each(forTheKnown)("[A121] %s leaves an entry when nobody known, or one who may not, asks for it", async (name) => {
  const { id, token: join } = await token();
  const before = (await entries()).length;
  const wrong = name === "joinNode" ? hub.admin : join;
  await hub.call(at(name).method, address(at(name)), undefined, nobody);
  await hub.call(at(name).method, address(at(name)), undefined, { token: `ska1.${"b".repeat(64)}` });
  await hub.call(at(name).method, address(at(name)), undefined, { token: wrong });
  secrets.push("b".repeat(64));
  const [first, second, third, ...more] = (await entries()).slice(before);
  const refused = { what: name, outcome: "refused", address: "127.0.0.1", before: null, after: null };
  expect(first).toMatchObject({ ...refused, actor: null, credential: null, code: "not-authenticated" });
  expect(second).toEqual({
    ...first,
    number: before + 2,
    atMs: second?.atMs,
    previous: first?.hash,
    hash: second?.hash,
  });
  const actor = name === "joinNode" ? "admin" : `join token ${id}`;
  expect(third).toMatchObject({ ...refused, actor, code: "not-permitted" });
  expect(more).toEqual([]);
});

const refusals: readonly (readonly [string, string, () => Promise<Answer>])[] = [
  ["by the core", "revision-conflict", () => hub.apply("shop", WEB, { ifRevision: 7 })],
  ["for it is not there", "app-not-found", () => hub.call("DELETE", "/v1/apps/shop")],
  ["for its file", "invalid-compose", () => hub.apply("shop", "services: 7\n")],
  ["for its fields", "invalid-request", () => hub.apply("shop", WEB, { colour: "red" })],
  ["for its JSON", "invalid-json", () => hub.call("PUT", "/v1/apps/shop", undefined, { raw: "{" })],
  ["for its size", "body-too-large", () => hub.apply("shop", "#".repeat(MAX_BODY_BYTES))],
  [
    "for its key",
    "idempotency-mismatch",
    async () => {
      const headers = { "idempotency-key": "k" };
      await hub.apply("other", WEB, {}, { headers });
      return hub.apply("shop", WEB, {}, { headers });
    },
  ],
];

test.each(refusals)("[A121] what is refused %s leaves an entry with the code", async (_what, code, call) => {
  expect((await call()).body.code).toBe(code);
  const what = code === "app-not-found" ? "removeApp" : "applyApp";
  expect(await last()).toMatchObject({ what, actor: "admin", target: "app/shop", outcome: "refused", code });
});

test("[A121] a refused join names the machine, and a refused change of a node its id", async () => {
  const { token: join } = await token();
  const id = await hub.join("pi");
  for (let use = 0; use < 6; use += 1)
    await hub.call("POST", "/v1/nodes/join", { publicKey: `${use}`.repeat(64), name: `m-${use}` }, { token: join });
  expect(await last()).toMatchObject({ what: "joinNode", target: "node/m-5", code: "join-token-refused" });
  await hub.call("PUT", `/v1/nodes/${id}/availability`, { availability: "asleep" });
  expect(await last()).toMatchObject({ target: "node/pi", targetId: id, code: "invalid-request" });
});

test("[A136] what was refused has the target that it would have had, and API tokens and roles are looked for by it", async () => {
  secrets.push((await hub.call("POST", "/v1/api-tokens", CI)).body.token);
  expect((await hub.call("POST", "/v1/api-tokens", CI)).status).toBe(422);
  await hub.call("DELETE", "/v1/api-tokens/ci");
  expect((await hub.call("DELETE", "/v1/api-tokens/ci")).status).toBe(404);
  await hub.call("POST", "/v1/api-tokens", { name: "skt1.0123456789ab.secret" });
  await hub.call("PUT", "/v1/roles/viewer", { permissions: ["app:read"] });
  const found = async (target: string) =>
    (await entries(`&target=${target}`)).map(({ what, outcome }) => [what, outcome]);
  expect(await found("api-token/ci")).toEqual([
    ["createApiToken", "done"],
    ["createApiToken", "refused"],
    ["removeApiToken", "done"],
    ["removeApiToken", "refused"],
  ]);
  expect(await found("api-token/(secret)")).toEqual([["createApiToken", "refused"]]);
  expect(await found("role/viewer")).toEqual([["setRole", "refused"]]);
  expect((await hub.call("GET", "/v1/audit?target=ci")).body.problems[0].path).toBe("target");
});

test("[A122] reads, dry runs and repeated requests leave none", async () => {
  await hub.apply("shop", WEB, {}, { headers: { "idempotency-key": "k" } });
  await hub.join("pi");
  const before = await entries();
  await hub.apply("shop", WEB, {}, { headers: { "idempotency-key": "k" } });
  await hub.apply("shop", WEB.replace("web:1", "web:2"), { dryRun: true });
  await hub.apply("shop", "services: 7\n", { dryRun: true });
  await hub.call("DELETE", "/v1/nodes/pi?dryRun=true");
  for (const url of ["/v1/apps", "/v1/apps/none", "/v1/audit?limit=0"]) await hub.call("GET", url);
  await hub.call("GET", "/v1/apps", undefined, nobody);
  await hub.call("POST", "/v1/nothing", {});
  expect(await entries()).toEqual(before);
});

test("[A122] a dry run cannot be said where there is none, to hide a refusal", async () => {
  const { token: join } = await token();
  await hub.call("PUT", "/v1/apps/shop?dryRun=true", { compose: "services: 7\n" });
  expect(await last()).toMatchObject({ code: "invalid-compose" });
  await hub.call("DELETE", "/v1/nodes/pi?dryRun=true", undefined, { token: join });
  expect(await last()).toMatchObject({ code: "not-permitted" });
});

test("[A122] what was so already leaves none, so that nobody can fill the log by joining again and again", async () => {
  const { token: join } = await token();
  const again = () => hub.call("POST", "/v1/nodes/join", { publicKey: KEY, name: "pi" }, { token: join });
  await again();
  await hub.apply("shop", WEB);
  const before = await entries();
  expect((await again()).status).toBe(200);
  expect((await hub.apply("shop", WEB)).body.changed).toBe(false);
  expect((await hub.apply("shop", WEB, {}, { headers: { "idempotency-key": "k" } })).body.changed).toBe(false);
  expect(await entries()).toEqual(before);
});

test("[A120] words that are too long are kept as their hash", async () => {
  await hub.join("pi", { labels: { site: "shop" } });
  await hub.call("PATCH", "/v1/nodes/pi", { setLabels: { note: "n".repeat(200) } });
  expect(await last()).toMatchObject({ before: "site=shop", after: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) });
});

test("[A123] a secret in the wrong place is not kept", async () => {
  const { token: join } = await token();
  await hub.call("DELETE", `/v1/tokens/${join}`);
  expect(await last()).toMatchObject({ target: "token/(secret)", code: "invalid-request" });
  await hub.call("DELETE", `/v1/nodes/${KEY}`, undefined, { headers: { "user-agent": `x ${hub.admin}` } });
  expect(await last()).toMatchObject({ target: "node/(secret)", agent: "x (secret)" });
  await hub.call("PUT", `/v1/apps/${"%00a".repeat(60)}`, {}, { token: "skj1.plain.0123456789ab.short" });
  expect((await last())?.target).toHaveLength(84);
});

const refuse = (times: number, given: { token?: string | null } = nobody) =>
  Promise.all(Array.from({ length: times }, () => hub.call("DELETE", "/v1/apps/shop", undefined, given)));

test("[A124] refused ones cannot fill the log: so many a minute are written, the others counted", async () => {
  await refuse(MAX_REFUSED_PER_MINUTE + 432);
  expect(await entries()).toHaveLength(MAX_REFUSED_PER_MINUTE);
  // Others are told of all the same.
  await refuse(1, { token: hub.admin });
  expect(await last()).toMatchObject({ actor: "admin", code: "app-not-found" });
  hub.advance(60_001);
  await refuse(1);
  const [more, next] = (await entries()).slice(-2);
  expect(more).toMatchObject({ actor: null, what: null, target: null, outcome: "refused", count: 432 });
  expect(more?.address).toBe("127.0.0.1");
  expect(next).toMatchObject({ what: "removeApp", count: 1 });
});

test("[A124] of one who goes on all day there are so many entries, then one an hour", async () => {
  for (let minute = 0; minute < 100; minute += 1) {
    await refuse(MAX_REFUSED_PER_MINUTE + 1);
    hub.advance(60_001);
  }
  const all = await entries();
  expect(all.length).toBeGreaterThanOrEqual(MAX_REFUSED_PER_DAY);
  expect(all.length).toBeLessThanOrEqual(MAX_REFUSED_PER_DAY + 2);
  hub.advance(86_400_000);
  await refuse(1);
  const total = (await entries()).reduce((sum, { count }) => sum + count, 0);
  expect(total).toBe(100 * (MAX_REFUSED_PER_MINUTE + 1) + 1);
  await refuse(2);
  expect((await entries()).at(-1)).toMatchObject({ what: "removeApp", count: 1 });
});

test("[A124] what cannot be stored is counted until it can, and what was counted is written at the end", async () => {
  await hub.apply("shop", WEB);
  isFull = true;
  expect((await hub.call("DELETE", "/v1/apps/shop")).body.code).toBe("storage-full");
  await refuse(2, { token: hub.admin });
  hub.advance(60_001);
  await refuse(1, { token: hub.admin });
  isFull = false;
  expect((await hub.call("DELETE", "/v1/apps/shop")).status).toBe(200);
  await hub.http.stop();
  const page = hub.store.audit({
    ...{ actor: null, target: null, targetId: null, sinceMs: null, outcome: null, limit: 9 },
    from: { kind: "after", number: 0 },
  });
  expect(page.items.map(({ what, count }) => [what, count])).toEqual([
    ["applyApp", 1],
    ["removeApp", 1],
    [null, 4],
  ]);
  // What is checked after each test asks a hub that answers.
  await hub.close();
  hub = await startTestHub();
});

test("[A125] a route that changes something past the log is not answered as if all were well", async () => {
  const app = fastify();
  app.decorateRequest("isAudited", false);
  addAuditCheck(app);
  const config = { permission: "app:deploy", name: "removeApp" } as const;
  app.delete("/past", { config }, async () => ({ removed: true }));
  app.put("/along", { config: { ...config, name: "applyApp" } }, async (request) => {
    request.isAudited = true;
    return { applied: true };
  });
  const past = await app.inject({ method: "DELETE", url: "/past" });
  expect(past).toMatchObject({ statusCode: 500, payload: expect.stringContaining("left no entry in the audit log") });
  expect((await app.inject({ method: "PUT", url: "/along" })).statusCode).toBe(200);
  await app.close();
});

test("[A126] the log is read in pages from either end, by actor, target, age and outcome, and its chain holds", async () => {
  const id = await hub.join("pi");
  await hub.apply("shop", WEB);
  await hub.call("PUT", "/v1/nodes/pi/availability", { availability: "cordoned" });
  await refuse(1);
  const numbers = async (query: string) =>
    (await hub.call("GET", `/v1/audit?${query}`)).body.items.map(({ number }: AuditEntryView) => number);
  expect(await numbers("after=0")).toEqual([1, 2, 3, 4, 5]);
  expect(await numbers("limit=2")).toEqual([5, 4]);
  expect(await numbers("limit=2&before=4")).toEqual([3, 2]);
  expect(await numbers("target=app/shop")).toEqual([5, 3]);
  expect(await numbers("target=node/pi")).toEqual([4, 2]);
  expect(await numbers(`target=node/${id}`)).toEqual([4, 2]);
  expect(await numbers("outcome=refused")).toEqual([5]);
  expect(await numbers("actor=admin")).toEqual([4, 3, 1]);
  expect(await numbers("sinceMs=60000")).toHaveLength(5);
  hub.advance(61_000);
  expect(await numbers("sinceMs=60000")).toEqual([]);
  expect((await hub.call("GET", "/v1/audit?after=1&before=3")).body.path).toBe("before");
  const page = (await hub.call("GET", "/v1/audit?after=0")).body;
  let link = page.trimmed;
  for (const entry of page.items) {
    const next = follow(link, entry);
    expect(next.ok).toBe(true);
    if (next.ok) link = next.value;
  }
  expect(page.last).toEqual(link);
});
