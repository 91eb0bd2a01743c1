// Rows of API tokens and roles that another version, or a slip with SQL, made unreadable: they let nobody in, and stop nothing.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { InstallationId } from "@skerry/shared/model/ids.ts";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { commit, apiToken as row } from "../../../../test/contract/store.ts";
import type { DurableChange } from "../../core/change.ts";
import { ApiTokens, apiToken } from "../../http/identity.ts";
import type { Store } from "../store.ts";
import { openSqliteStore } from "./store.ts";

let folder: string;
let store: Store;
const told: string[] = [];
const ID = "1a2b3c4d5e6f";
const GOOD = "0123456789ab";

const open = (): Store =>
  openSqliteStore({
    path: join(folder, "hub.db"),
    startedAtMs: 0,
    // 16 hex digits: an installation id by its schema.
    first: () => ({ installation: "i0123456789abcdef" as InstallationId, epoch: 1 }),
    onUnreadable: (what) => void told.push(what),
  });
beforeEach(() => {
  told.length = 0;
  folder = mkdtempSync(join(tmpdir(), "skerry-people-"));
  store = open();
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true });
});

const change = (...changes: DurableChange[]): void => void store.commit(commit(changes));
function spoil(sql: string, ...bound: string[]): void {
  store.close();
  const db = new Database(join(folder, "hub.db"));
  db.prepare(sql).run(...bound);
  db.close();
  store = open();
}

test("[S40] permissions that only another version knows are left out of a role, and it is said once", () => {
  change({ kind: "role-set", role: { name: "till", permissions: ["app:read"] } });
  spoil("UPDATE role SET body = ?", JSON.stringify({ name: "till", permissions: ["app:read", "app:fly"] }));
  for (let round = 0; round < 3; round += 1)
    expect(store.roles()).toEqual([{ name: "till", permissions: ["app:read"] }]);
  expect(told).toEqual(["role till"]);
  change({ kind: "role-set", role: { name: "other", permissions: ["app:read"] } });
});

test.each(["no JSON", "null", '{"name":"till"}', '{"name":"till","permissions":"all"}'])(
  "[S40] a role that cannot be read (%s) gives nothing, stops nothing, and can be removed",
  (body) => {
    change({ kind: "role-set", role: { name: "till", permissions: ["app:read"] } });
    spoil("UPDATE role SET body = ?", body);
    expect([store.roles(), store.roles()]).toEqual(Array(2).fill([{ name: "till", permissions: [] }]));
    expect(told).toEqual(["role till"]);
    change({ kind: "role-removed", name: "till" });
    expect(store.roles()).toEqual([]);
  },
);

const whole = { ...row(ID, "ci"), scope: { apps: ["shop"], nodeLabels: [] } };
test.each([
  ["no JSON", "no JSON"],
  ["an app's name that is none", JSON.stringify({ ...whole, scope: { apps: ["No App"], nodeLabels: [] } })],
  ["no scope", JSON.stringify({ ...whole, scope: undefined })],
  ["no hash", JSON.stringify({ ...whole, secretHash: "" })],
  ["another's id", JSON.stringify({ ...whole, id: GOOD })],
])("[S40] an API token that cannot be read (%s) lets nobody in, stops nothing, and can be removed", (_what, body) => {
  change({ kind: "api-token-set", token: row(ID, "ci") }, { kind: "api-token-set", token: row(GOOD, "anna") });
  spoil("UPDATE api_token SET body = ? WHERE id = ?", body, ID);
  expect(store.apiTokens().map(({ name, role }) => [name, role])).toEqual([
    ["anna", row(GOOD, "anna").role],
    [`unreadable-${ID}`, "-"],
  ]);
  const identify = () => new ApiTokens(store).identify(apiToken(ID, "0".repeat(64)), 0);
  expect(identify).toThrow(expect.objectContaining({ code: "not-authenticated" }));
  expect(identify).toThrow();
  expect(told).toEqual([`API token ${ID}`]);
  change({ kind: "api-token-removed", id: ID });
  expect([store.apiToken(ID), store.apiTokens().length]).toEqual([null, 1]);
});
