// Conditions that keep new work away, and protect what runs.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import type { Condition } from "@skerry/shared/model/node.ts";
import { describe, expect, test } from "vitest";
import { Scenario, workload } from "../../../test/unit/hub/scenario.ts";
import { received } from "./received.ts";
import { refusalSummary } from "./refusal-text.ts";

const why = (s: Scenario, id: string): string => refusalSummary(s.world.unplaced.get(workload(id))?.refusals ?? []);

/** A partial report that says nothing but these conditions. */
function frameOf(s: Scenario, node: NodeId, kinds: readonly Condition["kind"][]) {
  const conditions = kinds.map((kind) => ({ kind, message: `${kind}: see to it` }));
  const observed = s.ledgers.get(node)?.position ?? { epoch: 1, generation: 0 };
  const nothing = { whole: false, workloads: [], gone: [], facts: null, figures: null, ports: null };
  return { type: "report" as const, report: { ...nothing, observed, conditions } };
}

const says = (s: Scenario, node: NodeId, ...kinds: readonly Condition["kind"][]): void => {
  expect(s.frame(node, frameOf(s, node, kinds))).toBeNull();
};

describe("pressure", () => {
  test.each([
    ["disk-pressure", "its disk is nearly full"],
    ["inode-pressure", "its disk has hardly any room for further files"],
    ["memory-pressure", "its memory is nearly used up"],
    ["safe-mode", "it is in safe mode, after restarting too often"],
  ] as const)(
    "[H240] %s keeps new copies away, global ones too, and says so; when it goes they come",
    (kind, words) => {
      const s = new Scenario();
      const id = s.join();
      says(s, id, kind);
      s.applyApp("a", {});
      s.applyApp("g", { replicas: "global" });
      expect(s.placed()).toEqual({});
      expect(why(s, "a/web/1")).toBe(`1 node: takes nothing new: ${words}`);
      says(s, id);
      expect(s.placed()).toEqual({ "a/web/1": 1, [`g/web/${id}`]: 1 });
    },
  );

  test("[H241] nothing is moved away from pressure, and what stands there may change in its place", () => {
    const s = new Scenario();
    const [first, second] = [s.join(), s.join()];
    s.applyApp("a", { replicas: 2 });
    s.obeyAll();
    expect(s.placed()).toEqual({ "a/web/1": 1, "a/web/2": 2 });
    says(s, first, "disk-pressure");
    expect(s.placed()).toEqual({ "a/web/1": 1, "a/web/2": 2 });
    s.pass(60_000, first, second);
    s.applyApp("a", { replicas: 2, image: "web:2" });
    for (let turn = 0; turn < 5; turn += 1) s.obeyAll();
    expect(s.placed()).toEqual({ "a/web/1": 1, "a/web/2": 2 });
  });

  test.each(["clock-unsynchronised", "temperature", "under-voltage", "memory-limits-not-enforced"] as const)(
    "[H240] %s keeps nothing away",
    (kind) => {
      const s = new Scenario();
      says(s, s.join(), kind);
      s.applyApp("a", {});
      expect(s.placed()).toEqual({ "a/web/1": 1 });
    },
  );

  test("[H242] only what turns is looked at: a report that says the same of the pressure asks for nothing", () => {
    const s = new Scenario();
    const id = s.join();
    const looks = (...kinds: readonly Condition["kind"][]): boolean => {
      const found = received(s.world, id, frameOf(s, id, kinds), s.now);
      return found.ok && found.value.some((change) => change.kind === "dirty");
    };
    expect(looks("disk-pressure")).toBe(true);
    says(s, id, "disk-pressure");
    expect(looks("disk-pressure", "temperature")).toBe(false);
    expect(looks()).toBe(true);
  });
});
