// Links that break: keep, replace and fence, with the engines' own clocks as witness of what ran when.
import { expect, test } from "vitest";
import type { FleetNode } from "../lab/fleet.ts";
import { stays, until } from "../lab/wait.ts";
import {
  compose,
  fingerprints,
  fleetForThisFile,
  removeApp,
  runningOn,
  SOON_MS,
  service,
  untilGood,
  workloads,
} from "./site.ts";

const fleet = fleetForThisFile({}, "restarted");
const AFTER_S = 4;

async function whereIs(app: string): Promise<FleetNode> {
  const [first] = await workloads(fleet(), app);
  const name = (first as unknown as { node: { name: string } } | undefined)?.node.name;
  const node = fleet().nodes.find((each) => each.name === name);
  if (node === undefined) throw new Error(`${app} is on no node`);
  return node;
}

const others = (node: FleetNode): readonly FleetNode[] => fleet().nodes.filter((each) => each !== node);

async function runsElsewhere(node: FleetNode, app: string): Promise<boolean> {
  const running = await Promise.all(others(node).map((each) => runningOn(each, app)));
  return running.flat().length === 1;
}

test("[I18] keep: a cut node is shown as unreachable, nothing moves, and nothing is restarted when it is back", async () => {
  await fleet().apply("stay", compose({ web: service({ "x-skerry": { disconnect: { policy: "keep" } } }) }));
  await untilGood(fleet(), "stay");
  const node = await whereIs("stay");
  const before = await fingerprints(fleet(), "stay");
  await node.site.network?.cut();
  await until("the hub does not call it good any more", async () => !(await fleet().allGood("stay")), 120_000);
  const [shown] = await workloads(fleet(), "stay");
  expect(shown).toMatchObject({ state: "unknown", good: false });
  expect(await fingerprints(fleet(), "stay")).toEqual(before);
  await node.site.network?.heal();
  await untilGood(fleet(), "stay", 90_000);
  expect(await fingerprints(fleet(), "stay")).toEqual(before);
  await removeApp(fleet(), "stay");
});

test("[I10] replace: a copy starts elsewhere after `after`; on return one is kept", async () => {
  const web = service({ "x-skerry": { disconnect: { policy: "replace", after: `${AFTER_S}s` } } });
  await fleet().apply("moves", compose({ web }));
  await untilGood(fleet(), "moves");
  const node = await whereIs("moves");
  const cutAt = performance.now();
  await node.site.network?.cut();
  await until("it runs elsewhere", () => runsElsewhere(node, "moves"), SOON_MS);
  expect(performance.now() - cutAt).toBeGreaterThan((AFTER_S - 2) * 1000);
  expect(await runningOn(node, "moves")).toHaveLength(1);
  await node.site.network?.heal();
  await until("the old copy is gone", async () => (await runningOn(node, "moves")).length === 0, 90_000);
  expect(await runsElsewhere(node, "moves")).toBe(true);
  await untilGood(fleet(), "moves");
  await removeApp(fleet(), "moves");
});

test("[I16] fence: at most one copy at every instant, by the engines' own clocks", async () => {
  const web = service({ "x-skerry": { disconnect: { policy: "fence", after: `${AFTER_S}s` } } });
  await fleet().apply("single", compose({ web }));
  await untilGood(fleet(), "single");
  const node = await whereIs("single");
  await node.site.network?.cut();
  await until("the node stops its own copy", async () => (await runningOn(node, "single")).length === 0, SOON_MS);
  const stopped = await node.engine.api.find("single-web-1");
  await until("it runs elsewhere", () => runsElsewhere(node, "single"), SOON_MS);
  const holders = await Promise.all(others(node).map((each) => each.engine.api.find("single-web-1")));
  const started = holders.find((each) => each?.State.Running);
  expect(Date.parse(started?.State.StartedAt ?? "")).toBeGreaterThanOrEqual(
    Date.parse(stopped?.State.FinishedAt ?? ""),
  );
  await node.site.network?.heal();
  await fleet().allReady(90_000);
  await stays("one copy runs", () => runsElsewhere(node, "single"), 3_000);
  expect(await runningOn(node, "single")).toHaveLength(0);
  await removeApp(fleet(), "single");
});

test("[I16] fence: a node that was rebooted without the hub does not start its copy until the hub renews the lease", async () => {
  const web = service({ "x-skerry": { disconnect: { policy: "fence", after: "60s" } } });
  await fleet().apply("leased", compose({ web }));
  await untilGood(fleet(), "leased");
  const node = await whereIs("leased");
  await node.site.network?.cut();
  await node.powerCut();
  await node.powerUp();
  await until("its agent has looked", async () => (await node.status()).workloads.length > 0, SOON_MS);
  await stays("it does not start", async () => (await runningOn(node, "leased")).length === 0, 5_000);
  await node.site.network?.heal();
  await until("it runs there again", async () => (await runningOn(node, "leased")).length === 1, 90_000);
  await removeApp(fleet(), "leased");
});
