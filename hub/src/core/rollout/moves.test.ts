// Copies that are let through to a revision which their node does not match: whoever goes, goes once.
import type { NodeId, SpecHash, WorkloadId } from "@skerry/shared/model/ids.ts";
import { expect, test } from "vitest";
import { appName, appSpec, Scenario, type ServiceShape, status, workload } from "../../../../test/unit/hub/scenario.ts";

const DB: ServiceShape = {
  disconnect: { policy: "fence", afterMs: 30_000 },
  constraints: ["node.labels.site == shop"],
};
const SLOT = workload("a/web/1");

function passed(s: Scenario, node: NodeId, slot: WorkloadId, specHash: SpecHash): void {
  s.accept(node);
  const running = status(slot, { kind: "running", health: "none" }, 1, specHash);
  s.report(node, [{ ...running, gate: { kind: "passed" }, gateFor: { specHash, attempt: 0 } }]);
}

test("[H243] a fenced copy that leaves its node for a new revision starts at that one, not again at the older one where it stood", () => {
  const s = new Scenario();
  const shop = s.join({ labels: { site: "shop" } });
  const farm = s.join({ labels: { site: "farm" } });
  s.applyApp("a", DB);
  const { specHash } = appSpec("a", DB).services[0] ?? expect.fail("no service");
  passed(s, shop, SLOT, specHash);
  expect(s.world.apps.get(appName("a"))?.lastGood).toBe(1);
  s.applyApp("a", { ...DB, image: "web:2", constraints: ["node.labels.site == farm"] });
  expect(s.world.placements.get(SLOT)).toBeUndefined();
  s.accept(shop);
  s.report(shop, []);
  expect(s.world.placements.get(SLOT)).toMatchObject({ node: farm, revision: 2 });
});

test("[H244] a global copy whose node does not match the new revision goes once, and is not started again at the older one", () => {
  const s = new Scenario();
  const nodes = [s.join({ labels: { site: "shop" } }), s.join({ labels: { site: "farm" } })];
  const everywhere: ServiceShape = { replicas: "global" };
  s.applyApp("a", everywhere);
  const { specHash } = appSpec("a", everywhere).services[0] ?? expect.fail("no service");
  for (const node of nodes) passed(s, node, workload(`a/web/${node}`), specHash);
  expect(s.world.apps.get(appName("a"))?.lastGood).toBe(1);
  s.applyApp("a", { ...everywhere, image: "web:2", constraints: ["node.labels.site == shop"] });
  for (let round = 0; round < 4; round += 1) s.obeyAll();
  expect(Object.keys(s.placed())).toEqual([`a/web/${nodes[0]}`]);
  expect(s.events().filter(({ kind }) => kind === "unplaced")).toHaveLength(1);
});
