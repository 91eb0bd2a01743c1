// Trust on real engines: a copied data folder, a revocation in the middle of a session, and a machine that waits for approval.
import { cp, rename, rm } from "node:fs/promises";
import { expect, test } from "vitest";
import type { FleetNode } from "../lab/fleet.ts";
import { until } from "../lab/wait.ts";
import { compose, fingerprints, fleetForThisFile, runningOn, SOON_MS, service, untilGood } from "./site.ts";

const fleet = fleetForThisFile({ nodes: 2 });
/** The longest pause of an agent whose place another one took, and a connection. */
const RETURN_MS = 120_000;

const shown = async (name: string) => (await fleet().hub.call("GET", `/v1/nodes/${name}`)).body;
const failureOf = async (node: FleetNode): Promise<string> => (await node.status()).link.failure?.kind ?? "";

test("[H344] [L343] (H22) a data folder that is used on a second machine freezes its node; what runs stays, until it is unfrozen", async () => {
  const [victim, thief] = [fleet().node(1), fleet().node(2)];
  const all = { deploy: { mode: "global" } };
  await fleet().apply("kept", compose({ web: service({ ...all, labels: { of: "kept" } }) }));
  await untilGood(fleet(), "kept");
  const before = await fingerprints(fleet(), "kept");
  await thief.stopAgent();
  await rename(thief.dataDir, `${thief.dataDir}-own`);
  await cp(victim.dataDir, thief.dataDir, { recursive: true, filter: (path) => !path.endsWith(".sock") });
  thief.startAgent();
  await until("the node is frozen", async () => (await shown(victim.name)).standing === "frozen", RETURN_MS);
  await until("its own agent says so", async () => (await failureOf(victim)) === "frozen", RETURN_MS);
  const { stdout } = await fleet().skerry(["nodes"]);
  expect(stdout).toMatch(/frozen/);
  await thief.killAgent();
  await rm(thief.dataDir, { recursive: true });
  await rename(`${thief.dataDir}-own`, thief.dataDir);
  thief.startAgent();
  await fleet().skerry(["node", "unfreeze", victim.name]);
  await fleet().allReady(RETURN_MS);
  const after = await fingerprints(fleet(), "kept");
  for (const [name, print] of before) if (name.startsWith(victim.name)) expect(after.get(name)).toEqual(print);
}, 400_000);

test("[L342] [K342] (H23) a revoked node is cut off within five seconds, runs on, and comes back only with another key and an approval", async () => {
  const node = fleet().node(2);
  await untilGood(fleet(), "kept", RETURN_MS);
  const running = await runningOn(node, "kept");
  const { stdout } = await fleet().skerry(["node", "revoke", node.name, "--yes"]);
  expect(stdout).toContain("never joins again");
  await until("the agent knows", async () => (await failureOf(node)) === "revoked", 5_000);
  expect(await runningOn(node, "kept")).toEqual(running);
  await node.stopAgent();
  await rm(node.dataDir, { recursive: true });
  const token = JSON.parse((await fleet().skerry(["token", "create", "--approve", "--json"])).stdout).token;
  node.startAgent(token);
  await until("it waits for approval", async () => (await shown(node.name)).standing === "pending", SOON_MS);
  expect((await shown(node.name)).placements).toEqual([]);
  await fleet().skerry(["node", "approve", node.name]);
  await until("it is given its copy", async () => (await shown(node.name)).placements.length === 1, SOON_MS);
}, 400_000);
