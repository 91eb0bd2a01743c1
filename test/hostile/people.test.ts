// People and programs with some rights, and thieves of what the hub keeps: other people's things by guessing, rights that were not given, words that
// are more than words. Against the hub's API over HTTP, in process, so that its clock can be moved and its database be read.
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { routes } from "../../hub/src/http/routes.ts";
import { filesWith } from "../unit/canary.ts";
import { PIN, startTestHub, type TestHub } from "../unit/http-hub.ts";
import { joinAs } from "./rogue.ts";
import { startTarget, type Target } from "./target.ts";

const WEB = "services:\n  web:\n    image: web:1\n";
type Method = Parameters<TestHub["call"]>[0];

/** Four hubs, one after the other. */
const MANY_STARTS_MS = 240_000;

let hub: TestHub;
let deployer: string;
let viewer: string;
beforeAll(async () => {
  hub = await startTestHub();
  await hub.join("pi-mine", { labels: { site: "mine" } });
  await hub.join("pi-theirs", { labels: { site: "theirs" } });
  await hub.apply("mine", WEB);
  await hub.apply("theirs", WEB);
  const token = async (name: string, role: string): Promise<string> =>
    (await hub.call("POST", "/v1/api-tokens", { name, role, apps: ["mine"], nodeLabels: ["site=mine"] })).body.token;
  deployer = await token("deployer", "deployer");
  viewer = await token("viewer", "viewer");
});
afterAll(() => hub?.close());

/** Every route, with its parameters filled in. */
const ROUTES = Object.values(routes).map(({ method, url, permission }) => ({
  ...{ method: method as Method, url, permission },
}));
/** What changes nothing but the caller's own login, and so needs no right: it asks for the password itself, or ends what the caller has. */
const OWN_LOGIN = [
  "DELETE /v1/session",
  "PUT /v1/session/password",
  "POST /v1/session/second-factor",
  "PUT /v1/session/second-factor",
  "POST /v1/session/second-factor/remove",
  "POST /v1/session/recovery-codes",
];
/** Of these a password or a code in the body decides, and no token. */
const DOORS = ["POST /v1/session", "POST /v1/setup"];
const filled = (url: string, app: string, node: string): string =>
  url
    .replace(":app", app)
    .replace(":node", node)
    .replace(":revision", "1")
    .replace(":token", "0123456789ab")
    .replace(":role", "own")
    .replace(":policy", "own")
    .replace(":user", "anna")
    .replace(":secret", "one")
    .replace(":config", "one")
    .replace("*", app);
/** A body that fits none of the schemas by chance, and one that would be taken. */
const BODY: Readonly<Record<string, object>> = {
  "/v1/apps/:app": { compose: WEB },
  "/v1/apps/:app/scale": { service: "web", replicas: 2 },
};

test("(H37) what is out of reach is answered as what is not there, at every address", async () => {
  const about = ROUTES.filter(({ url }) => /:(app|node)\b|\*/.test(url));
  expect(about.length).toBeGreaterThan(15);
  for (const { method, url } of about) {
    const body = method === "GET" || method === "DELETE" ? undefined : (BODY[url] ?? {});
    const ask = async (app: string, node: string) => {
      const { status, text } = await hub.call(method, filled(url, app, node), body, { token: deployer });
      return { status, text: text.replaceAll(node, "NODE").replaceAll(app, "APP") };
    };
    const theirs = await ask("theirs", "pi-theirs");
    expect(theirs, `${method} ${url}`).toEqual(await ask("nobody", "pi-nobody"));
    expect([403, 404], `${method} ${url}`).toContain(theirs.status);
  }
  // Where a copy of one's own runs is told by the node's name, and nothing else of that node.
  for (const url of ["/v1/apps", "/v1/workloads", "/v1/events"]) {
    expect((await hub.call("GET", url, undefined, { token: deployer })).text).not.toContain('"theirs');
  }
  expect((await hub.call("GET", "/v1/nodes", undefined, { token: deployer })).text).not.toContain("theirs");
});

test("(H37) ids that are guessed, encoded or climb lead nowhere", async () => {
  for (const id of ["..%2Ftheirs", "mine%2F..%2Ftheirs", "mine%00", "MINE", "mine%20", "%2e%2e", "*", "1"]) {
    for (const url of [`/v1/apps/${id}`, `/v1/apps/${id}/logs`, `/v1/apps/${id}/revisions/1`, `/v1/nodes/${id}`]) {
      const { status } = await hub.call("GET", url, undefined, { token: deployer });
      expect([400, 404], url).toContain(status);
    }
  }
});

const timeless = (key: string, value: unknown): unknown =>
  /^(expiresInMs|lastUsedAtMs|silentForMs|connectedForMs)$/.test(key) ? undefined : value;

/** All that a write could have changed, as text, without what goes with the time. */
async function seen(): Promise<Record<string, string>> {
  const urls = ["apps", "nodes", "users", "roles", "policies", "api-tokens", "secrets", "configs"].map(
    (what) => `/v1/${what}`,
  );
  const answers = await Promise.all(urls.map((url) => hub.call("GET", url)));
  return Object.fromEntries(urls.map((url, index) => [url, JSON.stringify(answers[index]?.body.items, timeless)]));
}

test("(H38) fields that a request does not have are refused by name, at every address that takes a body", async () => {
  const extra = {
    role: "admin",
    permission: ["*"],
    policy: "privileged",
    projectId: "x",
    usesLeft: 9,
    id: "x",
    admin: true,
  };
  const before = await seen();
  for (const { method, url } of ROUTES.filter((route) => route.method !== "GET" && route.method !== "DELETE")) {
    const token = url === "/v1/nodes/join" ? (await hub.call("POST", "/v1/tokens", {})).body.token : hub.admin;
    for (const [key, value] of Object.entries(extra)) {
      // A role is what these three are about; who may give which is A139 and A222.
      if (key === "role" && ["/v1/api-tokens", "/v1/users", "/v1/users/:user/role"].includes(url)) continue;
      const body = { ...BODY[url], [key]: value };
      const answer = await hub.call(method, filled(url, "mine", "pi-mine"), body, { token });
      expect(answer.status, `${method} ${url} ${key}`).toBe(400);
    }
  }
  for (const url of ["/v1/apps?role=admin", "/v1/nodes?policy=x", "/v1/workloads?scope=all"]) {
    expect((await hub.call("GET", url, undefined, { token: viewer })).status).toBe(400);
  }
  // Join tokens were made; nothing else.
  expect(await seen()).toEqual(before);
});

test("(H39) (H46) a viewer can call nothing that changes something, and nothing about the hub", async () => {
  for (const { method, url } of ROUTES) {
    if (method === "GET" || [...OWN_LOGIN, ...DOORS].includes(`${method} ${url}`)) continue;
    const body = method === "DELETE" ? undefined : (BODY[url] ?? {});
    const { status } = await hub.call(method, filled(url, "mine", "pi-mine"), body, { token: viewer });
    expect(status, `${method} ${url}`).toBe(403);
  }
  // The caller's own login, of which a token has none.
  for (const route of OWN_LOGIN) {
    const [method = "", url = ""] = route.split(" ");
    const { status } = await hub.call(method as Method, url, method === "DELETE" ? undefined : {}, { token: viewer });
    expect(status, route).toBeGreaterThanOrEqual(400);
  }
  for (const url of [
    ...["/v1/tokens", "/v1/api-tokens", "/v1/roles", "/v1/audit", "/metrics", "/v1/apps/mine/logs"],
    ...["/v1/users", "/v1/secrets", "/v1/policies", "/v1/policy-check", "/v1/hub-key"],
  ]) {
    expect((await hub.call("GET", url, undefined, { token: viewer })).status, url).toBe(403);
  }
});

test("(H39) nor can a method, a header or a path be said twice over to get there", async () => {
  const ways: readonly (readonly [Method, string, Record<string, string>])[] = [
    [
      "GET",
      "/v1/tokens",
      { "x-http-method-override": "POST", "x-original-url": "/healthz", "x-forwarded-for": "127.0.0.1" },
    ],
    ["GET", "//v1/tokens", {}],
    ["GET", "/v1/tokens/", {}],
    ["GET", "/V1/tokens", {}],
    ["GET", "/healthz/../v1/tokens", {}],
    ["GET", "/v1/apps/..%2ftokens", {}],
  ];
  for (const [method, url, headers] of ways) {
    expect((await hub.call(method, url, undefined, { token: viewer, headers })).status, url).toBeGreaterThanOrEqual(
      400,
    );
  }
});

test("(H40) what a browser sends by itself gets nowhere: no token, no change, and no answer for another origin", async () => {
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json"]) {
    const headers = {
      "content-type": type,
      origin: "https://evil.example",
      cookie: `token=${hub.admin}; session=${hub.admin}`,
    };
    const answer = await hub.call("POST", "/v1/tokens", undefined, { token: null, raw: "{}", headers });
    expect(answer.status).toBe(401);
    expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
  }
  const inUrl = await hub.call("GET", `/v1/apps?token=${hub.admin}&access_token=${hub.admin}`, undefined, {
    token: null,
  });
  expect(inUrl.status).toBe(401);
});

test("(H12) an id that exists and one that does not are refused in the same words", async () => {
  const join = (await hub.call("POST", "/v1/tokens", {})).body.id as string;
  const api = (await hub.call("GET", "/v1/api-tokens")).body.items[0].id as string;
  const refused = async (token: string): Promise<string> =>
    (await hub.call("GET", "/v1/apps", undefined, { token })).text;
  const wrong = "0".repeat(64);
  expect(await refused(`skj1.${PIN}.${join}.${wrong}`)).toBe(await refused(`skj1.${PIN}.ffffffffffff.${wrong}`));
  expect(await refused(`skt1.${api}.${wrong}`)).toBe(await refused(`skt1.ffffffffffff.${wrong}`));
});

test("(H67) nothing that the hub's database holds opens anything", async () => {
  const { id } = (await hub.call("POST", "/v1/tokens", {})).body;
  const hashes = [
    ...hub.store.tokens().map((token) => token.secretHash as string),
    ...hub.store.apiTokens().map((token) => token.secretHash as string),
    ...[...hub.loop.world.nodes.keys()].map((node) => hub.store.publicKey(node) as string),
    hub.store.setting("admin-token-hash") ?? "",
  ].filter((hash) => hash !== "");
  expect(hashes.length).toBeGreaterThan(4);
  const ids = [id, ...hub.store.apiTokens().map((token) => token.id), ...hub.store.tokens().map((token) => token.id)];
  for (const hash of hashes) {
    for (const token of [
      hash,
      `ska1.${hash}`,
      ...ids.flatMap((one) => [`skj1.${PIN}.${one}.${hash}`, `skt1.${one}.${hash}`]),
    ]) {
      expect((await hub.call("GET", "/v1/auth/whoami", undefined, { token })).status).toBe(401);
      // A hub that guessed would be slowed down by now.
      hub.advance(60_000);
    }
  }
});

test("(H60) guessed tokens are slowed down after thirty, and the right one is not", async () => {
  const right = (await hub.call("POST", "/v1/tokens", {})).body.token as string;
  const statuses = new Set<number>();
  for (let guess = 0; guess < 200; guess += 1) {
    const token = `skj1.${PIN}.${guess.toString(16).padStart(12, "0")}.${"1".repeat(64)}`;
    const { status, headers } = await hub.call("POST", "/v1/nodes/join", {}, { token });
    statuses.add(status);
    if (status === 429) expect(Number(headers["retry-after"])).toBeGreaterThan(0);
  }
  expect([...statuses]).toEqual([401, 429]);
  const joined = await hub.call("POST", "/v1/nodes/join", joinBody("1", "late"), { token: right });
  expect(joined.status).toBe(200);
  hub.advance(60_000);
});

test("(H60) another's name or key gives nobody another's node", async () => {
  const token = async (): Promise<string> => (await hub.call("POST", "/v1/tokens", {})).body.token;
  const mine = hub.loop.world.nodesByName.get("pi-mine" as never);
  const named = await hub.call("POST", "/v1/nodes/join", joinBody("2", "pi-mine"), { token: await token() });
  expect(named.status).toBe(200);
  expect(named.body.node).not.toBe(mine);
  expect(named.body.name).not.toBe("pi-mine");
  // Whoever knows a node's public key learns its id, and can sign nothing.
  const key = hub.store.publicKey(mine as never) ?? "";
  const copied = await hub.call(
    "POST",
    "/v1/nodes/join",
    { ...joinBody("3", "copy"), publicKey: key },
    { token: await token() },
  );
  expect(copied.body.node).toBe(mine);
  expect(hub.store.publicKey(mine as never)).toBe(key);
  expect(hub.loop.world.nodes.get(mine as never)?.name).toBe("pi-mine");
});

test("(H57) a join token that is used up lets no second machine in", async () => {
  const { token } = (await hub.call("POST", "/v1/tokens", { uses: 1 })).body;
  expect((await hub.call("POST", "/v1/nodes/join", joinBody("4", "first"), { token })).status).toBe(200);
  const second = await hub.call("POST", "/v1/nodes/join", joinBody("5", "second"), { token });
  expect(second).toMatchObject({ status: 401, body: { code: "join-token-refused" } });
  const both = (await hub.call("POST", "/v1/tokens", { uses: 1 })).body.token;
  const race = await Promise.all(
    ["6", "7", "8"].map((digit) =>
      hub.call("POST", "/v1/nodes/join", joinBody(digit, `race${digit}`), { token: both }),
    ),
  );
  expect(race.filter(({ status }) => status === 200)).toHaveLength(1);
  const { items } = (await hub.call("GET", "/v1/audit?outcome=refused")).body;
  expect(JSON.stringify(items)).toContain("join-token-refused");
});

test("(H58) an expired or withdrawn join token lets nobody in", async () => {
  const short = (await hub.call("POST", "/v1/tokens", { expiresInMs: 1_000 })).body;
  const gone = (await hub.call("POST", "/v1/tokens", {})).body;
  await hub.call("DELETE", `/v1/tokens/${gone.id}`);
  hub.advance(1_001);
  for (const { token } of [short, gone]) {
    const answer = await hub.call("POST", "/v1/nodes/join", joinBody("9", "never"), { token });
    expect(answer).toMatchObject({ status: 401, body: { code: "join-token-refused" } });
  }
});

test("(H58) nor does one do anything but join", async () => {
  const { token } = (await hub.call("POST", "/v1/tokens", {})).body;
  for (const { method, url, permission } of ROUTES) {
    // What is public looks at no token.
    if (url === "/v1/nodes/join" || permission === "public") continue;
    const body = method === "GET" || method === "DELETE" ? undefined : {};
    expect((await hub.call(method, filled(url, "mine", "pi-mine"), body, { token })).status, `${method} ${url}`).toBe(
      403,
    );
  }
});

test("(H29) a machine's own labels do not outweigh its token's, and a node cannot change its own", async () => {
  const { token } = (await hub.call("POST", "/v1/tokens", { labels: { site: "lobby", vault: "no" } })).body;
  const body = { ...joinBody("a", "climber"), labels: { vault: "yes", site: "vault" } };
  const { node } = (await hub.call("POST", "/v1/nodes/join", body, { token })).body;
  expect(hub.loop.world.nodes.get(node)?.labels).toEqual({ site: "lobby", vault: "no" });
  // Joining once more, as after a power cut, brings no new ones either.
  await hub.call("POST", "/v1/nodes/join", { ...body, labels: { more: "yes" } }, { token });
  expect(hub.loop.world.nodes.get(node)?.labels).toEqual({ site: "lobby", vault: "no" });
  const patch = await hub.call("PATCH", `/v1/nodes/${node}`, { setLabels: { vault: "yes" } }, { token });
  expect(patch.status).toBe(403);
});

const joinBody = (digit: string, name: string): object => ({
  publicKey: digit.repeat(64),
  name,
  labels: {},
  facts: null,
});

test("(H65) no secret that the hub was told or gave away stands in a file of its folder", async () => {
  await using target: Target = await startTarget();
  const secrets = new Map<string, string>();
  const { token } = (await target.call("POST", "/v1/tokens", {})).body;
  secrets.set("join token", String(token).split(".")[3] ?? "");
  const api = (await target.call("POST", "/v1/api-tokens", { name: "ci", role: "viewer" })).body;
  secrets.set("API token", String(api.token).split(".")[2] ?? "");
  await target.call("GET", "/v1/apps", undefined, api.token);
  const who = await joinAs(target, "pi");
  secrets.set("node key", who.privateKey);
  await target.call("PUT", `/v1/apps/${secrets.get("API token")}`, {}, api.token);
  await target.hub.stop();
  // The admin token is in the file that says so.
  const files = readdirSync(target.hub.dataDir).filter((name) => name !== "admin-token");
  expect(files).toContain("hub.db");
  const admin = readFileSync(join(target.hub.dataDir, "admin-token"), "utf8").trim();
  secrets.set("admin token", admin.split(".")[1] ?? "");
  for (const [what, secret] of secrets) {
    expect(secret, what).toMatch(/^[0-9a-f]{64}$/);
    const forms = [
      secret,
      Buffer.from(secret, "hex").toString("base64"),
      Buffer.from(secret).toString("base64").slice(0, 80),
    ];
    for (const name of files) {
      const bytes = readFileSync(join(target.hub.dataDir, name));
      for (const form of [...forms.map((text) => Buffer.from(text)), Buffer.from(secret, "hex")]) {
        expect(bytes.includes(form), `${what} in ${name}`).toBe(false);
      }
    }
  }
});

test(
  "(H66) a database without the files beside it starts no hub; forced to start, it opens no secret and is no hub to any node",
  async () => {
    await using target = await startTarget();
    const canary = "canary-9f31c1-of-the-till";
    const value = Buffer.from(canary).toString("base64");
    expect((await target.call("PUT", "/v1/secrets/db", { value })).status).toBe(200);
    const admin = await target.hub.token();
    const pin = await target.hub.pin();
    const signingKey = readFileSync(join(target.hub.dataDir, "signing-key"), "utf8");
    await target.hub.stop();
    const alone = async (dataDir: string): Promise<void> => {
      mkdirSync(dataDir, { recursive: true, mode: 0o700 });
      for (const name of readdirSync(target.hub.dataDir).filter((each) => each.startsWith("hub.db")))
        copyFileSync(join(target.hub.dataDir, name), join(dataDir, name));
      expect(filesWith([canary], dataDir)).toEqual([]);
    };
    await expect(startTarget([], alone)).rejects.toThrow(/hub-key\.pem is gone.*Put it back from a backup/s);
    await expect(startTarget(["--new-hub-key"], alone)).rejects.toThrow(/signing-key is gone/);
    await using stolen = await startTarget(["--new-hub-key", "--new-signing-key"], alone);
    // The thief has no token: the database holds its hash alone. What its owner's token would show him is that the secret cannot be read.
    const { status, body } = await stolen.call("GET", "/v1/secrets", undefined, admin);
    expect([status, body.items]).toMatchObject([200, [{ name: "db", readable: false }]]);
    // Nodes go by these two.
    expect(await stolen.hub.pin()).not.toBe(pin);
    expect(readFileSync(join(stolen.hub.dataDir, "signing-key"), "utf8")).not.toBe(signingKey);
  },
  MANY_STARTS_MS,
);
