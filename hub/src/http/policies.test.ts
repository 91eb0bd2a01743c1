// Policies through the API: who may write them, what the answers tell, and what is refused in which words.
import { afterEach, beforeEach, expect, test } from "vitest";
import { startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";

const SERIAL = "services:\n  web:\n    image: web:1\n    devices: [/dev/ttyUSB0]\n";
const GRANT = { grants: { devices: ["/dev/ttyUSB*"] } };

let hub: TestHub;
beforeEach(async () => {
  hub = await startTestHub();
});
afterEach(async () => {
  await hub.close();
});

const set = (name: string, policy: object, more: object = {}) =>
  hub.call("PUT", `/v1/policies/${name}`, { policy, ...more });

test("[P309] an app that asks for too much is refused with field, rule and the lines that would allow it", async () => {
  const refused = await hub.apply("meter", SERIAL);
  expect([refused.status, refused.body]).toMatchObject([
    422,
    {
      code: "policy-refused",
      message: "Service web: `devices` asks for /dev/ttyUSB0, which the profile restricted does not allow.",
      hint: expect.stringContaining("grants: { devices:"),
      path: "services.web.devices",
    },
  ]);
  expect((await hub.apply("meter", SERIAL, { dryRun: true })).body.code).toBe("policy-refused");
  expect((await set("serial", GRANT)).body).toMatchObject({
    name: "serial",
    revision: 1,
    changed: true,
    violations: [],
  });
  expect((await hub.apply("meter", SERIAL)).status).toBe(200);
});

test("[P314] policies are set, read, listed and removed, with a revision; each is in the events and the audit log", async () => {
  expect((await set("serial", GRANT, { ifRevision: 0 })).status).toBe(200);
  expect((await set("serial", {}, { ifRevision: 0 })).body.code).toBe("revision-conflict");
  expect((await hub.call("GET", "/v1/policies/serial")).body).toEqual({
    ...{ name: "serial", revision: 1, profile: "restricted", mode: "enforce", apps: [], nodeLabels: [] },
    grants: {
      ...{ devices: ["/dev/ttyUSB*"], deviceCgroupRules: [], hostPaths: [], capabilities: [], sysctls: [] },
      ...{ hostNamespaces: [], runtimes: [], securityOptions: [], volumes: [] },
    },
    rules: {
      ...{ registries: [], requireDigest: false, forbidLatest: false, requireMemoryLimit: false },
      ...{ requireReadOnlyRoot: false, requireNonRoot: false },
    },
  });
  expect((await hub.call("GET", "/v1/policies")).body.items).toHaveLength(1);
  await hub.apply("meter", SERIAL);
  const dry = await hub.call("DELETE", "/v1/policies/serial?dryRun=true");
  expect(dry.body).toMatchObject({ dryRun: true, violations: [{ app: "meter", service: "web", enforced: true }] });
  expect((await hub.call("GET", "/v1/policy-check")).body).toEqual({ violations: [] });
  expect((await hub.call("DELETE", "/v1/policies/serial?ifRevision=7")).body.code).toBe("revision-conflict");
  expect((await hub.call("DELETE", "/v1/policies/serial?ifRevision=1")).status).toBe(200);
  expect((await hub.call("GET", "/v1/policies/serial")).body.code).toBe("policy-not-found");
  expect((await hub.call("GET", "/v1/policy-check")).body.violations).toMatchObject([
    { app: "meter", rule: "devices" },
  ]);
  const events = (await hub.call("GET", "/v1/events")).body.items.map((item: { text: string }) => item.text);
  expect(events).toContain("policy serial set by admin: restricted, enforced, for all apps on all nodes");
  expect(events).toContain("policy serial removed by admin");
  const audit = (await hub.call("GET", "/v1/audit")).body.items;
  expect(audit.filter((entry: { target: string }) => entry.target === "policy/serial").length).toBeGreaterThanOrEqual(
    3,
  );
});

test("[P305] unknown fields and profiles, and paths that are none, are refused by name", async () => {
  for (const wrong of [
    { profil: "x" },
    { profile: "open" },
    { grants: { devices: ["/dev/../sda"] } },
    { apps: ["A B"] },
  ])
    expect((await set("wrong", wrong)).body.code).toBe("invalid-request");
  expect((await hub.call("GET", "/v1/policies")).body.items).toEqual([]);
});

test("[P316] only policy:manage widens a policy; a deployer has it not", async () => {
  const made = await hub.call("POST", "/v1/api-tokens", { name: "ci", role: "deployer" });
  const token = made.body.token;
  for (const [method, url, body] of [
    ["PUT", "/v1/policies/mine", { policy: { profile: "privileged" } }],
    ["DELETE", "/v1/policies/mine", undefined],
    ["GET", "/v1/policies", undefined],
  ] as const) {
    const answer = await hub.call(method, url, body, { token });
    expect([answer.status, answer.body.message]).toEqual([403, expect.stringContaining("policy:manage")]);
  }
  expect((await hub.apply("meter", SERIAL, {}, { token })).body.code).toBe("policy-refused");
});

test("[P313] in audit mode the answer to an apply warns of what would be refused", async () => {
  await set("watch", { mode: "audit" });
  const applied = await hub.apply("meter", SERIAL);
  expect([applied.status, applied.body.warnings]).toMatchObject([
    200,
    [{ code: "policy-audited", path: "services.web.devices", message: expect.stringContaining("/dev/ttyUSB0") }],
  ]);
});

test("[P320] setting a secret is not refused because an app that uses it breaks a policy that came later", async () => {
  const value = (text: string) => ({ value: Buffer.from(text).toString("base64") });
  await hub.call("PUT", "/v1/secrets/db", value("leaked"));
  const uses = (app: string) =>
    `${app}secrets: { db: { external: true } }\n`.replace("image: web:1", "image: web:1\n    secrets: [db]");
  await set("serial", GRANT);
  expect((await hub.apply("meter", uses(SERIAL))).status).toBe(200);
  expect((await hub.apply("plain", uses("services:\n  web:\n    image: web:1\n"))).status).toBe(200);
  await hub.call("DELETE", "/v1/policies/serial");
  const { status, body } = await hub.call("PUT", "/v1/secrets/db", value("fresh"));
  expect([status, body.revised]).toEqual([
    200,
    [
      { app: "meter", revision: 2 },
      { app: "plain", revision: 2 },
    ],
  ]);
  expect((await hub.apply("meter", uses(SERIAL).replace("web:1", "web:2"))).body.code).toBe("policy-refused");
});
