// A fenced copy that is let through to a revision which its node does not match must leave first: between the two it has no place at all.
import { plainStatus } from "@skerry/shared/model/plain.ts";
import { expect, test } from "vitest";
import { appName, appSpec, Scenario, type ServiceShape, status, workload } from "../../../../test/unit/hub/scenario.ts";

const DB: ServiceShape = {
  disconnect: { policy: "fence", afterMs: 30_000 },
  constraints: ["node.labels.site == shop"],
};
const SLOT = workload("a/web/1");

test("[H243] a fenced copy that leaves its node for a new revision starts at that one, not again at the older one where it stood", () => {
  const s = new Scenario();
  const shop = s.join({ labels: { site: "shop" } });
  const farm = s.join({ labels: { site: "farm" } });
  s.applyApp("a", DB);
  const { specHash } = appSpec("a", DB).services[0] ?? expect.fail("no service");
  s.accept(shop);
  s.report(shop, [
    {
      ...status(SLOT, { kind: "running", health: "none" }, 1, specHash),
      ...plainStatus,
      gate: { kind: "passed" },
      gateFor: { specHash, attempt: 0 },
    },
  ]);
  expect(s.world.apps.get(appName("a"))?.lastGood).toBe(1);
  s.applyApp("a", { ...DB, image: "web:2", constraints: ["node.labels.site == farm"] });
  expect(s.world.placements.get(SLOT)).toBeUndefined();
  s.accept(shop);
  s.report(shop, []);
  expect(s.world.placements.get(SLOT)).toMatchObject({ node: farm, revision: 2 });
});
