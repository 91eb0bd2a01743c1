// The nodes' one door: every kind of frame about the own, another's and no node's things, and what each may touch.
import type { NodeEvent } from "@skerry/shared/model/event.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { type ToHub, toHubSchema } from "@skerry/shared/protocol/to-hub.ts";
import { expect, test } from "vitest";
import { nodeId, Scenario, status } from "../../../test/unit/hub/scenario.ts";
import type { Change } from "./change.ts";
import { notBound } from "./node-door.ts";
import { received } from "./received.ts";

/** Pins are kept for the node that says so, see the link. What is asked with `need-values` is held against the same graph where it is given: `valuesOfNode`, and [L261]. */
type Frame = Exclude<ToHub, { type: "hello" | "need-values" | "pins-kept" }>;
const [own, other] = [nodeId(1), nodeId(2)];

/** Both run a global service and one numbered copy each. */
function two(): Scenario {
  const s = new Scenario();
  s.join();
  s.join();
  s.applyApp("all", { replicas: "global" });
  s.applyApp("some", { replicas: 2 });
  s.obeyAll();
  return s;
}

const copiesOn = (s: Scenario, node: typeof own): WorkloadId[] => [...(s.world.placementsByNode.get(node) ?? [])];

function framesAbout(s: Scenario, workload: WorkloadId): Frame[] {
  const position = s.world.nodes.get(own)?.assigned ?? { epoch: 1, generation: 1 };
  const hash = "a".repeat(64) as never;
  const report = { whole: false, observed: position, facts: null, figures: null, ports: null, conditions: null };
  const event = { kind: "drift", workload, what: "it was renamed" } as unknown as NodeEvent;
  return [
    { type: "beat", n: 1 },
    { type: "marked", mark: { count: 1, value: "0".repeat(32) } },
    { type: "next-key", publicKey: "b".repeat(64) as never, byPresent: "0".repeat(128), byNext: "0".repeat(128) },
    { type: "need-whole", have: null },
    { type: "accepted", position, hash },
    { type: "refused", position, reason: "invalid", message: "", have: null },
    {
      type: "report",
      report: {
        ...report,
        workloads: [
          status(workload, { kind: "completed", exit: { code: 0, oom: false, error: "", ranMs: 1 } }, 1, hash),
        ],
        gone: [],
      },
    },
    { type: "report", report: { ...report, workloads: [], gone: [workload] } },
    { type: "events", items: [{ seq: 1, bootId: "b", ageMs: 0, event }] },
  ];
}

/** Whose stored things a change touches. */
function touched(change: Change): readonly string[] {
  switch (change.kind) {
    case "node-set":
      return [change.node.id];
    case "gate-set":
      return [change.gate.workload];
    case "heard":
    case "observed":
    case "word-set":
    case "reachability-set":
    case "node-events":
      return [change.node];
    case "hub-event":
      return "node" in change.event ? [change.event.node] : ["the hub"];
    // To look at again is no change of anything.
    case "dirty":
    case "rollout-dirty":
      return [];
    default:
      return [change.kind];
  }
}

test("[H347] frames × own, another's and nobody's: nothing of another node or copy is touched", () => {
  const s = two();
  const mine = copiesOn(s, own);
  const targets = [...mine, ...copiesOn(s, other), "none/web/1" as WorkloadId, `none/web/${other}` as WorkloadId];
  const seen = new Set<string>();
  for (const target of targets)
    for (const frame of framesAbout(s, target)) {
      seen.add(frame.type);
      const result = received(s.world, own, frame, s.now);
      const isGlobalOfOther = target.endsWith(other);
      const names = frame.type === "events" || frame.type === "report";
      expect(result.ok, `${frame.type} about ${target}`).toBe(!(isGlobalOfOther && names));
      if (!result.ok) expect(result.error).toContain("bound to another node");
      else for (const whose of result.value.flatMap(touched)) expect([own, ...mine]).toContain(whose);
    }
  // Every kind of frame that there is was tried.
  const kinds: string[] = toHubSchema.def.options.flatMap((option) => option.shape.type.def.values);
  expect(kinds.filter((kind) => !["hello", "need-values", "pins-kept"].includes(kind)).sort()).toEqual(
    [...seen].sort(),
  );
});

test("[H347] default deny: a frame of a kind that the door does not know is refused, and so is a node that is not known", () => {
  const s = two();
  const node = s.world.nodes.get(own);
  if (node === undefined) throw new Error("no node");
  expect(notBound(node, { type: "surprise" } as never)).toMatch(/not for nodes/);
  expect(received(s.world, nodeId(9), { type: "beat", n: 1 }, s.now).ok).toBe(false);
});
