// Editing an app in the middle of a rollout: what the edit leaves as it is and is not proven yet is judged all the same.
import { expect, test } from "vitest";
import { APP, RolloutFleet } from "../../../../test/unit/hub/rollout-fleet.ts";
import type { ServiceShape } from "../../../../test/unit/hub/scenario.ts";

const ALL = [1, 2, 3];
const update = {
  parallelism: { kind: "count", count: 0 },
  monitorMs: 0,
  delayMs: 0,
  failureAction: "rollback",
} as const;
const web = (image: string): ServiceShape => ({ name: "web", replicas: "global", image, update });
const db = (image: string): ServiceShape => ({ name: "db", replicas: "global", image, update });

/** Three nodes that are good with both services at y:0 as revision 1; y:1 is bad on the first of them, and is let through everywhere. */
function inTrial(): RolloutFleet {
  const s = new RolloutFleet();
  for (const _ of ALL) s.join();
  s.applyApp("a", web("y:0"), db("y:0"));
  for (const number of ALL) s.judge(number, "settled");
  expect(s.app().lastGood).toBe(1);
  s.bad.set("y:1", new Set([1]));
  s.applyApp("a", web("y:1"), db("y:0"));
  return s;
}

const services = (s: RolloutFleet) => s.world.rollouts.get(APP)?.services.map(({ service }) => service);
const failedAs = (revision: number) => ({
  kind: "rollback",
  reason: `revision ${revision} failed: web failed on pi-1: it ended with code 1`,
});

test("[H245] a service that an edit leaves as it is stays in the rollout until it is proven, and its failure counts whenever it is told", () => {
  const after = inTrial();
  after.applyApp("a", web("y:1"), db("y:2"));
  expect(services(after)).toEqual(["db", "web"]);
  after.judge(1, "settled");
  expect(after.world.rollouts.get(APP)).toMatchObject(failedAs(3));

  const before = inTrial();
  before.send({ kind: "pause-rollout", app: APP, reason: "" });
  before.judge(1, "settled");
  before.applyApp("a", web("y:1"), db("y:2"));
  expect(before.world.rollouts.get(APP)).toMatchObject(failedAs(3));
});

test("[H245] what an operator went on in spite of stays forgiven, and what is proven is no part of the edit's rollout", () => {
  const s = inTrial();
  s.send({ kind: "pause-rollout", app: APP, reason: "" });
  s.judge(1, "settled");
  s.send({ kind: "resume-rollout", app: APP });
  expect(s.world.rollouts.get(APP)?.services).toMatchObject([{ service: "web", forgiven: 1 }]);
  s.applyApp("a", web("y:1"), db("y:2"));
  expect(s.world.rollouts.get(APP)).toMatchObject({ kind: "update", state: { kind: "progressing" } });
  for (const number of ALL) s.judge(number, "settled");
  expect(s.world.rollouts.get(APP)?.state.kind).toBe("done");
  s.applyApp("a", web("y:1"), db("y:3"));
  expect(services(s)).toEqual(["db"]);
});

test("[H245] what failed within what its file allows, and is part of the last good revision, is not refused because another service failed", () => {
  const s = new RolloutFleet();
  for (const _ of ALL) s.join();
  const lenient = (image: string): ServiceShape => ({ ...db(image), update: { ...update, maxFailureRatio: 0.5 } });
  s.applyApp("a", web("y:0"), lenient("y:0"));
  for (const number of ALL) s.judge(number, "settled");
  s.bad.set("y:1", new Set([1]));
  s.applyApp("a", web("y:0"), lenient("y:1"));
  for (const number of ALL) s.judge(number, "settled");
  expect(s.app().lastGood).toBe(2);
  s.applyApp("a", web("y:1"), lenient("y:1"));
  for (const number of ALL) s.judge(number, "settled");
  expect(s.app().failedSpecs).toMatchObject([{ service: "web" }]);
  expect(s.applyApp("a", web("y:2"), lenient("y:1"))).toBeNull();
});
