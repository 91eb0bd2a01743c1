// Which word of a node is a verdict on what it has now: about this spec at this attempt, on this node, since it was told so.
import type { NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Gate, WorkloadStatus } from "@skerry/shared/model/report.ts";
import { expect, test } from "vitest";
import { APP, RolloutFleet } from "../../../../test/unit/hub/rollout-fleet.ts";
import { nodeId, type ServiceShape, status, workload } from "../../../../test/unit/hub/scenario.ts";
import { gateOf } from "./slots.ts";

const update = { parallelism: { kind: "count", count: 0 }, monitorMs: 0, delayMs: 0, failureAction: "pause" } as const;
const web = (image: string): ServiceShape => ({ replicas: "global", image, update });
const NODE: NodeId = nodeId(1);
const SLOT: WorkloadId = workload(`a/web/${NODE}`);

/** One node, good with y:1 as revision 1. */
function good(): RolloutFleet {
  const s = new RolloutFleet();
  s.join();
  s.applyApp("a", web("y:1"));
  s.judge(1, "settled");
  expect(verdict(s)).toBe("passed");
  return s;
}

const placed = (s: RolloutFleet) => s.world.placements.get(SLOT) ?? expect.fail("not placed");
const verdict = (s: RolloutFleet) => gateOf(s.world, placed(s))?.kind ?? null;

/** As the node would speak of the spec that the slot has now. */
function said(s: RolloutFleet, gate: Gate, attempt = placed(s).step.attempt): WorkloadStatus {
  const { revision, specHash } = placed(s);
  const running = status(SLOT, { kind: "running", health: "none" }, revision, specHash);
  return { ...running, gate, gateFor: { specHash, attempt } };
}

const PASSED: Gate = { kind: "passed" };
const FAILED: Gate = { kind: "failed", reason: "exit 1", reverted: false };
const undo = (s: RolloutFleet, to: number) =>
  expect(s.send({ kind: "undo-rollout", app: APP, to, reason: "" })).toBeNull();

test("[H247] a verdict ends when another spec is placed: what returns is open until its node says so anew", () => {
  const s = good();
  s.applyApp("a", web("y:2"));
  expect(verdict(s)).toBeNull();
  undo(s, 1);
  expect([placed(s).revision, verdict(s)]).toEqual([3, null]);
  // A word from before the node took the return over may be about the first time.
  s.report(NODE, [said(s, PASSED)]);
  expect(verdict(s)).toBeNull();
  s.accept(NODE);
  s.report(NODE, [said(s, FAILED)]);
  expect(verdict(s)).toBe("failed");
});

test("[H247] a node that never saw the other spec keeps its verdict, and it counts from when the node holds the new assignment", () => {
  const s = good();
  s.report(NODE, [said(s, PASSED)]);
  s.applyApp("a", web("y:2"));
  undo(s, 1);
  expect(verdict(s)).toBeNull();
  const { position } = s.accept(NODE) ?? expect.fail("no assignment");
  const nothing = { workloads: [], gone: [], facts: null, figures: null, conditions: null, ports: null };
  s.frame(NODE, { type: "report", report: { whole: false, observed: position, ...nothing } });
  expect(verdict(s)).toBe("passed");
});

test("[H247] what was judged at a larger attempt counts at a smaller one, as it does on the node", () => {
  const s = good();
  s.applyApp("a", web("y:2"));
  s.accept(NODE);
  s.report(NODE, [said(s, PASSED, 7)]);
  expect(verdict(s)).toBe("passed");
  s.applyApp("a", web("y:3"));
  expect(verdict(s)).toBeNull();
});

test("[H247] a copy that moves is open on its new node, though it has the same spec", () => {
  const s = new RolloutFleet();
  const nodes = [s.join(), s.join()];
  const shape: ServiceShape = { replicas: 1, image: "y:1", disconnect: { policy: "replace", afterMs: 1_000 } };
  s.applyApp("a", shape);
  const [copy] = s.copies();
  s.judge(nodes[0] === copy?.node ? 1 : 2, "settled");
  expect(gateOf(s.world, s.copies()[0] ?? expect.fail("no copy"))?.kind).toBe("passed");
  s.pass(300_000, ...nodes.filter((node) => node !== copy?.node));
  const moved = s.copies()[0] ?? expect.fail("no copy");
  expect(moved.node).not.toBe(copy?.node);
  expect(gateOf(s.world, moved)).toBeNull();
});
