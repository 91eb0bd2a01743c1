// Another key for nodes on real engines: one that is there and one that was away, secrets that open throughout, also after a reboot without a hub in
// the middle, and a copy of the former key that opens nothing.
import { cp, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { publicKeyOf } from "@skerry/shared/runtime/signature.ts";
import { expect, test } from "vitest";
import { run } from "../lab/command.ts";
import type { FleetNode } from "../lab/fleet.ts";
import { until } from "../lab/wait.ts";
import { compose, fingerprints, fleetForThisFile, runningOn, SOON_MS, service, untilGood } from "./site.ts";

const fleet = fleetForThisFile({ nodes: 2 }, "restarted");
const REBOOT_MS = 120_000;
/** The longest pause of an agent that was refused, and a connection. */
const RETURN_MS = 120_000;

const VALUE = "canary-roll-1/first+value&all";
const FILE = compose(
  { web: service({ secrets: ["db"], deploy: { mode: "global" }, "x-skerry": { disconnect: { policy: "keep" } } }) },
  { secrets: { db: { external: true } } },
);

/** As its two files have it: the newer of them. */
async function identityOf(node: FleetNode): Promise<{ privateKey: string; formerBoxKeys: string[]; node: string }> {
  const texts = await Promise.all(["a", "b"].map((part) => readFile(join(node.dataDir, `identity.${part}`), "utf8")));
  const bodies = texts.map((text) => /^[0-9a-f]{64} ([0-9]+) (.*)$/s.exec(text) ?? []);
  const [newest] = bodies.sort((one, other) => Number(other[1]) - Number(one[1]));
  return JSON.parse(newest?.[2] ?? "").identity;
}

/** Files of the node in which this stands. */
async function filesWith(node: FleetNode, key: string): Promise<readonly string[]> {
  const names = (await readdir(node.dataDir, { withFileTypes: true })).filter((one) => one.isFile());
  const found = names.map(async ({ name }) => ({ name, text: await readFile(join(node.dataDir, name), "latin1") }));
  return (await Promise.all(found)).filter(({ text }) => text.includes(key)).map(({ name }) => name);
}

const keyRollOf = async (node: FleetNode): Promise<unknown> =>
  (await fleet().hub.call("GET", `/v1/nodes/${node.name}`)).body.keyRoll;
const containerOf = async (node: FleetNode): Promise<string> => (await runningOn(node, "vault"))[0] ?? "";
const inside = async (node: FleetNode): Promise<string> =>
  (await node.engine.api.exec(await containerOf(node), ["cat", "/run/secrets/db"])).output;
const copyOf = (node: FleetNode): string => `${node.dataDir}-copied`;

test("[H350] [K350] [N350] [N351] a node that is there has another key within seconds; its container, its labels and its secrets stay", async () => {
  const value = Buffer.from(VALUE).toString("base64");
  expect((await fleet().hub.call("PUT", "/v1/secrets/db", { value })).status).toBe(200);
  await fleet().apply("vault", FILE);
  await untilGood(fleet(), "vault");
  const before = await fingerprints(fleet(), "vault");
  const node = fleet().node(1);
  const { privateKey } = await identityOf(node);
  const { stdout } = await fleet().skerry(["node", "roll-key", node.name]);
  expect(stdout).toContain("makes itself another key");
  await until("it is done", async () => (await keyRollOf(node)) === null, SOON_MS);
  await until("the former one is forgotten", async () => (await identityOf(node)).formerBoxKeys.length === 0, SOON_MS);
  expect((await identityOf(node)).privateKey).not.toBe(privateKey);
  expect(await filesWith(node, privateKey)).toEqual([]);
  await node.killAgent();
  node.startAgent();
  await fleet().allReady(90_000);
  await untilGood(fleet(), "vault");
  expect(await fingerprints(fleet(), "vault")).toEqual(before);
  expect(await inside(node)).toContain(VALUE);
});

test("[H350] [H351] [N350] one that was away has another key when it is back; rebooted without a hub before its secrets are sealed anew, it opens them", async () => {
  const node = fleet().node(2);
  await node.stopAgent();
  await cp(node.dataDir, copyOf(node), { recursive: true, filter: (path) => !path.endsWith(".sock") });
  const former = await identityOf(node);
  await fleet().skerry(["node", "roll-key", "--label", "number=2"]);
  expect((await fleet().skerry(["node", "show", node.name])).stdout).toContain("another one asked for");
  // A hub that has lost the key to its secrets can seal none anew: the middle lasts as long as it is wanted.
  const ring = join(fleet().hub.dataDir, "secret-keys");
  await fleet().hub.stop();
  await rename(ring, `${ring}-aside`);
  await fleet().hub.start();
  expect(await keyRollOf(node)).toMatchObject({ state: "asked" });
  node.startAgent();
  await until("it is done", async () => (await keyRollOf(node)) === null, SOON_MS);
  const middle = await identityOf(node);
  expect([middle.formerBoxKeys.length, middle.privateKey === former.privateKey]).toEqual([1, false]);
  expect(await filesWith(node, former.privateKey)).toEqual([]);
  await fleet().hub.kill();
  const memory = join(dirname(node.engine.socketPath), `values-${middle.node}`);
  await node.powerCut();
  await node.engine.start();
  // The rebooted agent has mounts of its own, which the engine does not see; on a machine /run is memory for all.
  await mkdir(memory, { recursive: true });
  await run("mount", ["-t", "tmpfs", "-o", "mode=0700", "tmpfs", memory]);
  node.startAgent();
  await until("it runs", async () => (await runningOn(node, "vault")).length === 1, REBOOT_MS);
  expect(await inside(node)).toContain(VALUE);
  await rename(`${ring}-aside`, ring);
  await fleet().hub.start();
  await fleet().allReady(90_000);
  await until(
    "its secrets are under its key",
    async () => (await identityOf(node)).formerBoxKeys.length === 0,
    SOON_MS,
  );
  expect(await filesWith(node, middle.formerBoxKeys[0] ?? "none")).toEqual([]);
  await untilGood(fleet(), "vault");
  expect(await inside(node)).toContain(VALUE);
}, 400_000);

test("[H352] [L351] a copy of the disk from before opens nothing, and freezes nobody", async () => {
  const [thief, victim] = [fleet().node(1), fleet().node(2)];
  await thief.stopAgent();
  await rename(thief.dataDir, `${thief.dataDir}-own`);
  await rename(copyOf(victim), thief.dataDir);
  expect(publicKeyOf((await identityOf(thief)).privateKey)).not.toBe(
    publicKeyOf((await identityOf(victim)).privateKey),
  );
  thief.startAgent();
  const failure = async (): Promise<{ kind?: string; message?: string }> => (await thief.status()).link.failure ?? {};
  await until("it is refused", async () => (await failure()).kind === "revoked", RETURN_MS);
  expect((await failure()).message).toContain("another key");
  const { body } = await fleet().hub.call("GET", "/v1/events?limit=500");
  const kinds = body.items.map(({ kind }: { kind: string }) => kind);
  expect([kinds.includes("former-key-shown"), kinds.includes("clone-detected")]).toEqual([true, false]);
  expect((await fleet().hub.call("GET", `/v1/nodes/${victim.name}`)).body).toMatchObject({
    standing: "member",
    reachability: { kind: "ready", connected: true },
  });
  await thief.killAgent();
  await rm(thief.dataDir, { recursive: true });
  await rename(`${thief.dataDir}-own`, thief.dataDir);
  thief.startAgent();
  await fleet().allReady(RETURN_MS);
}, 400_000);
