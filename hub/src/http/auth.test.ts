// The door: who is let in by which token, and where the admin token comes from.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import { seededRandom } from "@skerry/shared/runtime/random.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";
import { ensureAdminToken } from "./admin-token.ts";
import { MAX_REFUSALS, REFUSAL_WINDOW_MS } from "./refusals.ts";
import { type Route, routes } from "./routes.ts";

let hub: TestHub;
beforeEach(async () => {
  hub = await startTestHub();
});
afterEach(() => hub.close());

const all = Object.entries(routes) as [string, Route][];
const address = (route: Route): string => route.url.replaceAll(/:[a-z]+/g, "x").replace("*", "x");

test("[A1] every route names its permission, and only /healthz, the login and the set-up are open", () => {
  const open = all.filter(([, route]) => route.permission === "public").map(([, route]) => route.url);
  expect(open).toEqual(["/healthz", "/v1/session", "/v1/setup", "/setup", "/setup.js", "/setup.css"]);
  expect(all.every(([, route]) => route.permission.length > 0)).toBe(true);
});

test("[A1] a route without a permission cannot be added", async () => {
  const other = await startTestHub();
  expect(() => other.http.app.route({ method: "GET", url: "/v1/open", handler: () => "x" })).toThrow();
  await other.close();
});

test("[A1] no other route answers anybody without a valid token", async () => {
  const wrong = [null, "", "x", `ska1.${"b".repeat(64)}`, hub.admin.slice(0, -1), `${hub.admin}0`];
  for (const [name, route] of all.filter(([, { permission }]) => permission !== "public")) {
    // Else the later ones would be told to wait.
    hub.advance(REFUSAL_WINDOW_MS);
    for (const token of wrong) {
      const answer = await hub.call(route.method, address(route), undefined, { token });
      expect([name, token, answer.status]).toEqual([name, token, 401]);
      expect(answer.body).toMatchObject({ code: "not-authenticated", hint: expect.stringContaining("admin-token") });
      expect(answer.headers["www-authenticate"]).toMatch(/^Bearer/);
    }
  }
});

test("[A1] an address that does not exist is told to the known only", async () => {
  expect((await hub.call("GET", "/v1/secret", undefined, { token: null })).status).toBe(401);
  expect((await hub.call("GET", "/v1/secret")).status).toBe(404);
});

test("[A1] /healthz needs no token", async () => {
  expect((await hub.call("GET", "/healthz", undefined, { token: null })).status).toBe(200);
});

test("[A2] a join token joins, and does nothing else", async () => {
  const { token } = (await hub.call("POST", "/v1/tokens", {})).body;
  for (const [name, route] of all) {
    if (route.permission === "public" || name === "joinNode") continue;
    const answer = await hub.call(route.method, address(route), undefined, { token });
    expect([name, answer.status]).toEqual([name, 403]);
    expect(answer.body.code).toBe("not-permitted");
  }
  const body = { publicKey: "c".repeat(64), name: "pi" };
  expect((await hub.call("POST", "/v1/nodes/join", body, { token })).status).toBe(200);
});

test("[A2] a body is not read before its sender is known", async () => {
  const answer = await hub.call("PUT", "/v1/apps/shop", undefined, { token: null, raw: "{".repeat(3_000_000) });
  expect(answer.status).toBe(401);
});

test("[A3] wrong tokens are slowed down; the right one never is", async () => {
  for (let count = 0; count < MAX_REFUSALS; count += 1)
    await hub.call("GET", "/v1/apps", undefined, { token: "wrong" });
  const refused = await hub.call("GET", "/v1/apps", undefined, { token: "wrong" });
  expect(refused).toMatchObject({ status: 429, body: { code: "too-many-refusals" } });
  expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
  expect((await hub.call("GET", "/v1/apps")).status).toBe(200);
  hub.advance(REFUSAL_WINDOW_MS + 1);
  expect((await hub.call("GET", "/v1/apps", undefined, { token: "wrong" })).status).toBe(401);
});

test("[A2] a withdrawn join token is refused at once", async () => {
  const made = (await hub.call("POST", "/v1/tokens", { uses: 5 })).body;
  expect((await hub.call("DELETE", `/v1/tokens/${made.id}`)).status).toBe(200);
  const answer = await hub.call(
    "POST",
    "/v1/nodes/join",
    { publicKey: "c".repeat(64), name: "pi" },
    { token: made.token },
  );
  expect(answer).toMatchObject({ status: 401, body: { code: "join-token-refused" } });
});

function settings(): { setting(name: string): string | null; setSetting(name: string, value: string): void } {
  const kept = new Map<string, string>();
  return { setting: (name) => kept.get(name) ?? null, setSetting: (name, value) => void kept.set(name, value) };
}

test("[A4] the admin token is made once, readable by its owner only, and kept as a hash", () => {
  const folder = mkdtempSync(join(tmpdir(), "skerry-token-"));
  const store = settings();
  const random = seededRandom(1);
  const made = ensureAdminToken(folder, store, random, false);
  const text = readFileSync(made.file, "utf8").trim();
  expect(made).toMatchObject({ outcome: "made", hash: sha256Hex(text) });
  expect(statSync(made.file).mode & 0o777).toBe(0o600);
  expect(store.setting("admin-token-hash")).toBe(made.hash);
  expect(ensureAdminToken(folder, store, random, false)).toEqual({ ...made, outcome: "kept" });

  rmSync(made.file);
  expect(ensureAdminToken(folder, store, random, false)).toEqual({ ...made, outcome: "missing" });
  writeFileSync(made.file, `ska1.${"0".repeat(64)}\n`);
  expect(ensureAdminToken(folder, store, random, false)).toEqual({ ...made, outcome: "differs" });
  writeFileSync(made.file, "rubbish");
  expect(ensureAdminToken(folder, store, random, false)).toEqual({ ...made, outcome: "differs" });

  const renewed = ensureAdminToken(folder, store, random, true);
  expect(renewed.outcome).toBe("made");
  expect(renewed.hash).not.toBe(made.hash);
  // A power cut between the file and the hash, or a new database beside an old file.
  expect(ensureAdminToken(folder, settings(), random, false)).toEqual({ ...renewed, outcome: "adopted" });
  rmSync(folder, { recursive: true });
});
