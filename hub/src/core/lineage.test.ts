// Marks: one machine is never taken for two, whatever is lost on the way, and two machines with one key never stay unseen.
import type { Mark } from "@skerry/shared/model/mark.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nodeId, Scenario } from "../../../test/unit/hub/scenario.ts";
import { type Lineage, lineageAfter, MAX_MARKS_AHEAD, markToGive, NEW_LINEAGE } from "./lineage.ts";
import { greeted } from "./received.ts";

const first = nodeId(1);

/** The hub's side, as `greeted` and `marked` move it. null: frozen. */
class HubSide {
  lineage: Lineage | null = NEW_LINEAGE;
  #made = 0;

  /** What the welcome brings; null: nothing, or not let in. */
  hello(mark: Mark | null, runId: string): Mark | null {
    if (this.lineage === null) return null;
    this.#made += 1;
    this.lineage = lineageAfter(this.lineage, { mark, runId }, String(this.#made).padStart(32, "0"));
    return this.lineage === null ? null : markToGive({ lineage: this.lineage } as never, mark);
  }

  marked(mark: Mark): void {
    const next = this.lineage?.next ?? null;
    if (this.lineage !== null && next?.value === mark.value)
      this.lineage = { ...this.lineage, current: mark, next: null };
  }
}

class MachineSide {
  mark: Mark | null;
  run = 0;
  readonly name: string;
  constructor(name: string, mark: Mark | null) {
    this.name = name;
    this.mark = mark;
  }

  /** `lost`: before which step the power or the link goes. */
  connect(hub: HubSide, lost: "nothing" | "welcome" | "kept" | "marked", isNewRun: boolean): void {
    if (isNewRun) this.run += 1;
    const given = hub.hello(this.mark, `${this.name} ${this.run}`);
    if (given === null || lost === "welcome" || lost === "kept") return;
    this.mark = given;
    if (lost !== "marked") hub.marked(given);
  }
}

const lost = fc.constantFrom("nothing" as const, "welcome" as const, "kept" as const, "marked" as const);

describe("marks", () => {
  test("[H344] one machine is never frozen, wherever the power or the link goes", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(lost, fc.boolean()), { maxLength: 40 }), (steps) => {
        const hub = new HubSide();
        const machine = new MachineSide("a", null);
        for (const [what, isNewRun] of steps) machine.connect(hub, what, isNewRun);
        expect(hub.lineage).not.toBeNull();
      }),
    );
  });

  test("[H344] a copy of the disk is seen once both machines have been in and kept what they were given", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(lost, fc.boolean()), { maxLength: 10 }), fc.boolean(), (before, copyFirst) => {
        const hub = new HubSide();
        const machine = new MachineSide("a", null);
        for (const [what, isNewRun] of before) machine.connect(hub, what, isNewRun);
        machine.connect(hub, "nothing", true);
        const copy = new MachineSide("b", machine.mark);
        const turns = copyFirst ? [copy, machine] : [machine, copy];
        for (let round = 0; round < 2; round += 1)
          for (const each of turns) each.connect(hub, "nothing", each === copy && round === 0);
        expect(hub.lineage).toBeNull();
      }),
    );
  });

  test("[H344] a machine that only connects anew is given nothing to keep", () => {
    const hub = new HubSide();
    const machine = new MachineSide("a", null);
    machine.connect(hub, "nothing", true);
    const { lineage } = hub;
    for (let time = 0; time < 5; time += 1) machine.connect(hub, "nothing", false);
    expect(hub.lineage).toBe(lineage);
  });

  test("[H345] a hub with an old database takes the newer mark, within bounds", () => {
    const old: Lineage = { current: { count: 5, value: "5".repeat(32) }, next: null, runId: "r" };
    const ahead = { count: 9, value: "9".repeat(32) };
    expect(lineageAfter(old, { mark: ahead, runId: "r" }, "f".repeat(32))).toEqual({
      current: ahead,
      next: { count: 10, value: "f".repeat(32) },
      runId: "r",
    });
    for (const count of [5, 4, 0, 6 + MAX_MARKS_AHEAD])
      expect(lineageAfter(old, { mark: { count, value: "9".repeat(32) }, runId: "r" }, "f".repeat(32))).toBeNull();
    expect(lineageAfter(old, { mark: null, runId: "r" }, "f".repeat(32))).toBeNull();
  });
});

describe("in the World", () => {
  const hello = (s: Scenario, mark: Mark | null) => {
    const result = greeted(s.world, { node: first, have: null, mark, runId: "other" }, null, s.now, "e".repeat(32));
    if (!result.ok) throw new Error(result.error);
    s.apply(result.value);
    s.decide();
  };

  test("[H344] a node with an older mark is frozen, is not heard by it, and an event says so once", () => {
    const s = new Scenario();
    s.join();
    s.connect(first);
    s.pass(600_000);
    expect(s.world.reachability.get(first)?.kind).toBe("unreachable");
    hello(s, null);
    hello(s, null);
    expect(s.world.nodes.get(first)?.standing).toBe("frozen");
    expect(s.world.reachability.get(first)?.kind).toBe("unreachable");
    expect(s.log.filter((one) => one.kind === "hub-event" && one.event.kind === "clone-detected")).toHaveLength(1);
  });

  test("[H346] unfreezing takes whichever machine comes next, and freezes again when both do", () => {
    const s = new Scenario();
    s.join();
    s.applyApp("all", { replicas: "global" });
    s.connect(first);
    hello(s, null);
    expect(s.world.nodes.get(first)?.standing).toBe("frozen");
    expect(s.send({ kind: "approve-node", node: first })).toMatchObject({ code: "invalid" });
    expect(s.send({ kind: "unfreeze-node", node: first })).toBeNull();
    hello(s, null);
    const given = s.world.nodes.get(first)?.lineage.next ?? null;
    s.frame(first, { type: "marked", mark: given ?? { count: 0, value: "" } });
    expect(s.world.nodes.get(first)?.standing).toBe("member");
    hello(s, null);
    expect(s.world.nodes.get(first)?.standing).toBe("frozen");
  });
});
