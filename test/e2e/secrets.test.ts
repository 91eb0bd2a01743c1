// Secrets on real engines: what a container gets, what another value does, a reboot without the hub, and that nothing that was written shows them.
import { mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../lab/command.ts";
import type { FleetNode } from "../lab/fleet.ts";
import { until } from "../lab/wait.ts";
import { filesWith, showsIn } from "../unit/canary.ts";
import { compose, fingerprints, fleetForThisFile, removeApp, runningOn, SOON_MS, service, untilGood } from "./site.ts";

const fleet = fleetForThisFile({ nodes: 2 }, "restarted");
const REBOOT_MS = 120_000;

const FIRST = "canary-e2e-1/first+value&all";
const SECOND = "canary-e2e-2/second+value&all";
const OWN = "canary-e2e-3/own+value&all";
const base64 = (text: string): string => Buffer.from(text).toString("base64");

const FILE = compose(
  {
    web: service({
      secrets: ["db", { source: "own", target: "/etc/own", mode: "0400", uid: "1", gid: "2" }],
      deploy: { placement: { constraints: ["node.labels.number == 1"] } },
      "x-skerry": { disconnect: { policy: "keep" } },
    }),
  },
  { secrets: { db: { external: true }, own: { file: "./own.txt" } } },
);
const inside = async (node: FleetNode, command: string): Promise<string> =>
  (await node.engine.api.exec("vault-web-1", ["sh", "-c", command])).output;
/** Where files are in clear: the node's own memory. */
const memoryOf = (node: FleetNode, id: string): string => join(dirname(node.engine.socketPath), `values-${id}`);
const idOf = async (name: string): Promise<string> => (await fleet().hub.call("GET", `/v1/nodes/${name}`)).body.id;

test("[N261] [A263] a container reads its secrets with their mode and owner, and the engine shows paths alone", async () => {
  expect((await fleet().hub.call("PUT", "/v1/secrets/db", { value: base64(FIRST) })).status).toBe(200);
  await fleet().apply("vault", FILE, { values: { "secrets.own": base64(OWN) } });
  await untilGood(fleet(), "vault");
  const node = fleet().node(1);
  expect(await inside(node, "cat /run/secrets/db")).toContain(FIRST);
  expect(await inside(node, "cat /etc/own")).toContain(OWN);
  expect(await inside(node, "stat -c '%a %u %g' /etc/own /run/secrets/db")).toMatch(/400 1 2\s+444 0 0/);
  expect(await inside(node, "echo x > /run/secrets/db || echo refused")).toContain("refused");
  const shown = JSON.stringify(await node.engine.api.find("vault-web-1"));
  for (const canary of [FIRST, OWN]) expect(showsIn(canary, shown)).toBe(false);
});

test("[N261] a restart of the agent leaves the container and its files alone", async () => {
  const before = await fingerprints(fleet(), "vault");
  const node = fleet().node(1);
  await node.killAgent();
  node.startAgent();
  await fleet().allReady(90_000);
  await untilGood(fleet(), "vault");
  expect(await fingerprints(fleet(), "vault")).toEqual(before);
  expect(await inside(node, "cat /run/secrets/db")).toContain(FIRST);
});

test("[H260] another value rolls out by itself", async () => {
  const { body } = await fleet().hub.call("PUT", "/v1/secrets/db", { value: base64(SECOND) });
  expect(body.revised).toEqual([{ app: "vault", revision: 2 }]);
  await until(
    "the new value is inside",
    async () => (await inside(fleet().node(1), "cat /run/secrets/db")).includes(SECOND),
    SOON_MS,
  );
  await untilGood(fleet(), "vault");
});

test("[N262] with the hub gone and the node rebooted the container runs again with its secrets", async () => {
  const node = fleet().node(1);
  const memory = memoryOf(node, await idOf(node.name));
  await fleet().hub.kill();
  await node.powerCut();
  await node.engine.start();
  // The rebooted agent has mounts of its own, which the engine does not see; on a machine /run is memory for all.
  await mkdir(memory, { recursive: true });
  await run("mount", ["-t", "tmpfs", "-o", "mode=0700", "tmpfs", memory]);
  node.startAgent();
  await until("it runs", async () => (await runningOn(node, "vault")).length === 1, REBOOT_MS);
  expect(await inside(node, "cat /run/secrets/db")).toContain(SECOND);
  expect(await inside(node, "cat /etc/own")).toContain(OWN);
  await fleet().hub.start();
  await fleet().allReady(90_000);
  await untilGood(fleet(), "vault");
});

test("[I27] (H65) nothing that hub, agents and engines wrote shows a secret", async () => {
  const canaries = [FIRST, SECOND, OWN];
  const except: string[] = [];
  for (const node of fleet().nodes) except.push(memoryOf(node, await idOf(node.name)));
  expect(filesWith(canaries, fleet().hub.dataDir)).toEqual([]);
  for (const node of fleet().nodes) expect(filesWith(canaries, node.dataDir, except)).toEqual([]);
  const said = [fleet().hub.process, ...fleet().nodes.map(({ agent }) => agent)].flatMap((one) => one?.lines ?? []);
  const answers: string[] = [];
  for (const path of [
    "/v1/events?limit=500",
    "/v1/audit?limit=500",
    "/v1/secrets",
    "/v1/apps/vault",
    "/v1/apps/vault/revisions/1",
  ])
    answers.push(JSON.stringify((await fleet().hub.call("GET", path)).body));
  for (const canary of canaries) expect([...said, ...answers].filter((text) => showsIn(canary, text))).toEqual([]);
});

test("[N263] an app that is removed leaves nothing of its secrets on the node", async () => {
  const node = fleet().node(1);
  const memory = memoryOf(node, await idOf(node.name));
  await removeApp(fleet(), "vault");
  const left = async (): Promise<readonly string[]> => [
    ...(await readdir(join(node.dataDir, "values")).catch(() => [])),
    ...(await readdir(memory)),
  ];
  await until("nothing is kept", async () => (await left()).length === 0, SOON_MS);
  const { body } = await fleet().hub.call("GET", "/v1/secrets");
  expect(body.items).toMatchObject([{ name: "db", app: null, usedBy: [] }]);
});
