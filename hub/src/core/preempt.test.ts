// Priorities: who gets room first, who is pushed out for it, and that it ends. And that nobody is ever given more than a node has.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { appName, GIB, nodeId, Scenario, type ServiceShape, workload } from "../../../test/unit/hub/scenario.ts";
import { runs } from "../../../test/unit/runs.ts";
import { copyWorld } from "./apply-change.ts";
import type { Change } from "./change.ts";
import { DEFAULT_SETTINGS, decide } from "./decide.ts";
import { isMovable, serviceAt, wantedService } from "./lookup.ts";
import type { World } from "./world.ts";

const REPLACE = { policy: "replace", afterMs: 30_000 } as const;
const HALF = GIB / 2;

/** A service of one app of the same name, which asks for half a node's memory for each copy. */
const half = (priority: number, replicas = 1, more: Partial<ServiceShape> = {}): ServiceShape => ({
  name: "x",
  replicas,
  priority,
  memoryBytes: HALF,
  disconnect: REPLACE,
  ...more,
});

function fleet(count: number): Scenario {
  const s = new Scenario();
  for (let number = 0; number < count; number += 1) s.join();
  return s;
}
const preempted = (s: Scenario): readonly string[] =>
  s.events().flatMap((event) => (event.kind === "preempted" ? [`${event.workload} by ${event.by}`] : []));

test("[H140] when room is short, the slot of higher priority gets it, whatever the names of the apps", () => {
  const s = new Scenario();
  s.applyApp("a", half(0, 2));
  s.applyApp("z", half(5, 1));
  s.join();
  expect(s.placed()).toEqual({ "a/x/1": 1, "z/x/1": 1 });
  expect([...s.world.unplaced.keys()]).toEqual(["a/x/2"]);
});

test("[H141] a slot that fits nowhere takes the room of a lower one, which becomes wanting and finds another node", () => {
  const s = fleet(1);
  s.applyApp("low", half(0, 2));
  const second = s.join({ facts: { memoryBytes: HALF } });
  s.send({ kind: "set-availability", node: second, availability: "cordoned", reason: "", drainForMs: null });
  s.applyApp("high", half(10, 1));
  expect(s.placed()).toEqual({ "high/x/1": 1, "low/x/1": 1 });
  expect(preempted(s)).toEqual(["low/x/2 by high/x/1"]);
  expect(s.world.unplaced.has(workload("low/x/2"))).toBe(true);
  s.send({ kind: "set-availability", node: second, availability: "active", reason: "", drainForMs: null });
  expect(s.placed()).toEqual({ "high/x/1": 1, "low/x/1": 1, "low/x/2": 2 });
});

describe("[H145] a decision is bounded", () => {
  /** Five nodes with room for one copy each, held by priorities 1 to 5; then the highest loses its node. */
  const chain = (maxRounds: number): Scenario => {
    const s = fleet(5);
    for (const number of [5, 4, 3, 2, 1]) {
      s.applyApp(
        `p${number}`,
        half(number, 1, { memoryBytes: GIB, disconnect: { policy: "replace", afterMs: 30_000 } }),
      );
    }
    s.settings = { ...s.settings, maxRounds };
    const lost = s.placement("p5/x/1")?.node;
    s.pass(120_000, ...[...s.world.nodes.keys()].filter((id) => id !== lost));
    return s;
  };
  const cuts = (s: Scenario) => s.events().filter(({ kind }) => kind === "decision-cut-short").length;

  test("[H145] a chain of pushing out ends by itself, far below the bound", () => {
    const s = chain(DEFAULT_SETTINGS.maxRounds);
    expect([cuts(s), [...s.world.unplaced.keys()]]).toEqual([0, ["p1/x/1"]]);
  });

  test("[H145] a decision that comes to no end is cut short and says so; who is left waits like all that found no room", () => {
    const s = chain(0);
    expect(cuts(s)).toBeGreaterThan(0);
    const [waits] = [...s.world.unplaced.keys()];
    expect([s.world.unplaced.size, s.world.placements.size]).toEqual([1, 4]);
    expect(decide(s.world, s.now, s.settings)).toEqual([]);
    s.settings = DEFAULT_SETTINGS;
    s.join({ facts: { memoryBytes: GIB } });
    expect(s.placement(waits ?? "")).toBeDefined();
    expect(s.world.unplaced.size).toBe(0);
  });
});

test("[H141] the fewest are pushed out, and of those the lowest", () => {
  const s = fleet(3);
  s.applyApp("small", half(1, 2, { memoryBytes: HALF, constraints: ["node.hostname == pi-1"] }));
  s.applyApp("mid", half(2, 1, { memoryBytes: GIB, constraints: ["node.hostname == pi-2"] }));
  s.applyApp("low", half(1, 1, { memoryBytes: GIB, constraints: ["node.hostname == pi-3"] }));
  s.applyApp("high", half(9, 1, { memoryBytes: GIB }));
  expect(s.placement("high/x/1")?.node).toBe(nodeId(3));
  expect(preempted(s)).toEqual(["low/x/1 by high/x/1"]);
});

test("[H141] a port is room too", () => {
  const s = fleet(1);
  s.applyApp("low", { name: "x", ports: [80], disconnect: REPLACE }, { name: "y", ports: [81], disconnect: REPLACE });
  s.applyApp("high", { name: "x", ports: [80], priority: 1, disconnect: REPLACE });
  expect(s.placed()).toEqual({ "high/x/1": 1, "low/y/1": 1 });
});

test("[H141] nobody equal, global, bound to its node or of a paused app is pushed out, and no one when it would not help", () => {
  for (const [what, priority, shape] of [
    ["equal", 5, half(5, 2)],
    ["global", 5, half(0, 1, { replicas: "global", memoryBytes: GIB })],
    ["bound", 5, half(0, 2, { disconnect: { policy: "keep" } })],
    ["paused", 5, half(0, 2)],
    ["too big", 5, half(0, 2)],
  ] as const) {
    const s = fleet(1);
    s.applyApp("low", shape);
    if (what === "paused") s.send({ kind: "set-paused", app: appName("low"), paused: true, reason: "" });
    const stood = s.placed();
    s.applyApp("high", half(priority, 1, { memoryBytes: what === "too big" ? 2 * GIB : HALF }));
    expect(s.placed(), what).toEqual(stood);
    expect(s.world.unplaced.has(workload("high/x/1")), what).toBe(true);
  }
});

test("[H141] a global copy of higher priority takes the room on its own node", () => {
  const s = fleet(2);
  s.applyApp("low", half(0, 4));
  s.applyApp("high", half(3, 1, { replicas: "global", constraints: ["node.hostname == pi-1"] }));
  expect(preempted(s)).toEqual([expect.stringMatching(`^low/x/\\d by high/x/${nodeId(1)}$`)]);
  expect(s.world.placementsByNode.get(nodeId(1))?.has(workload(`high/x/${nodeId(1)}`))).toBe(true);
  expect(s.world.unplaced.size).toBe(1);
});

test("[H142] who was pushed out pushes out those lower than itself, and no round of it begins anew", () => {
  const s = fleet(1);
  s.applyApp("low", half(0, 1));
  s.applyApp("mid", half(1, 1));
  s.applyApp("high", half(2, 1));
  expect(s.placed()).toEqual({ "high/x/1": 1, "mid/x/1": 1 });
  expect(preempted(s)).toEqual(["low/x/1 by high/x/1"]);
  s.applyApp("top", half(3, 1));
  expect(s.placed()).toEqual({ "high/x/1": 1, "top/x/1": 1 });
  const told = preempted(s);
  s.obeyAll();
  s.pass(120_000, nodeId(1));
  expect(preempted(s)).toEqual(told);
  expect(s.placed()).toEqual({ "high/x/1": 1, "top/x/1": 1 });
});

test("[H142] a fenced copy that is pushed out starts elsewhere only when its node has said that it is gone", () => {
  const s = fleet(2);
  const fence = { policy: "fence", afterMs: 30_000 } as const;
  s.applyApp("low", half(0, 1, { disconnect: fence, memoryBytes: GIB, constraints: ["node.hostname != pi-9"] }));
  s.obeyAll();
  const host = s.placement("low/x/1")?.node as NodeId;
  const name = s.world.nodes.get(host)?.name ?? "";
  s.applyApp("high", half(1, 1, { constraints: [`node.hostname == ${name}`] }));
  expect(s.placement("high/x/1")?.node).toBe(host);
  expect(s.placement("low/x/1")).toBeUndefined();
  s.accept(host);
  expect(s.placement("low/x/1")).toBeUndefined();
  s.obey(host);
  expect(s.placement("low/x/1")?.node).not.toBe(host);
  expect(s.placement("low/x/1")).toBeDefined();
});

test("[H143] a drain takes nobody's room", () => {
  const s = fleet(2);
  s.applyApp("high", half(9, 1, { constraints: ["node.hostname != pi-9"] }));
  s.applyApp("low", half(0, 3));
  s.obeyAll();
  const host = s.placement("high/x/1")?.node as NodeId;
  s.send({ kind: "set-availability", node: host, availability: "draining", reason: "", drainForMs: null });
  expect(s.placement("high/x/1")?.node).toBe(host);
  expect(preempted(s)).toEqual([]);
});

test("[H144] when a node is lost, the others take what they have room for; the rest waits and says so", () => {
  const s = fleet(3);
  s.applyApp("a", half(0, 3));
  s.applyApp("b", half(1, 2));
  s.obeyAll();
  const [first, second] = [nodeId(1), nodeId(2)];
  // Two of three lost at once would be the brake's matter; one is an ordinary day.
  s.pass(60_000, first, second);
  expect(overloaded(s.world)).toEqual([]);
  const standing = Object.values(s.placed()).filter((node) => node !== 3);
  expect(standing).toHaveLength(4);
  const waiting = [...s.world.unplaced];
  expect(waiting).toHaveLength(1);
  expect(waiting[0]?.[0].startsWith("a/")).toBe(true);
  expect(waiting[0]?.[1].refusals).toContainEqual(expect.objectContaining({ kind: "memory", freeBytes: 0 }));
});

test("[H142] a fenced copy pushes nobody out for a node that it could not start on before it has left its own", () => {
  const s = fleet(2);
  const fence = { policy: "fence", afterMs: 30_000 } as const;
  s.applyApp("top", half(3, 1, { constraints: ["node.hostname == pi-1"] }));
  s.applyApp("high", half(2, 1, { disconnect: fence, constraints: ["node.hostname == pi-1"] }));
  s.applyApp("low", half(0, 2, { constraints: ["node.hostname == pi-2"] }));
  s.obeyAll();
  s.applyApp("high", half(2, 1, { disconnect: fence, memoryBytes: GIB }));
  expect(preempted(s)).toEqual([]);
  expect(s.placement("high/x/1")).toMatchObject({ node: nodeId(1), revision: 1 });
});

test("[H144] two copies on one node that both grow: neither does, rather than one beside the other that has no room to", () => {
  const s = fleet(1);
  const small = { ...half(0, 2), memoryBytes: GIB / 4 };
  s.applyApp("a", small);
  s.applyApp("a", { ...small, memoryBytes: GIB });
  expect(overloaded(s.world)).toEqual([]);
  expect(s.placed()).toEqual({ "a/x/1": 1, "a/x/2": 1 });
  expect(s.world.unplaced.size).toBe(2);
  expect(decide(s.world, s.now, DEFAULT_SETTINGS)).toEqual([]);
});

/** Nodes on which more memory is set aside than they have. */
function overloaded(world: World): readonly NodeId[] {
  return [...world.nodes.values()].flatMap(({ id, facts }) =>
    (world.usage.get(id)?.memoryBytes ?? 0) > (facts?.memoryBytes ?? 0) ? [id] : [],
  );
}

type Act =
  | { readonly kind: "apply"; readonly app: string; readonly shape: ServiceShape }
  | { readonly kind: "drain"; readonly node: number; readonly on: boolean }
  | { readonly kind: "pause"; readonly app: string; readonly on: boolean }
  | { readonly kind: "obey"; readonly node: number }
  | { readonly kind: "pass"; readonly ms: number; readonly alive: readonly number[] };

const NODES = 4;
const node = fc.integer({ min: 1, max: NODES });
const app = fc.constantFrom("a", "b", "c");
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("apply" as const),
      app,
      shape: fc.record({
        name: fc.constant("x"),
        replicas: fc.oneof(fc.constant<"global">("global"), fc.integer({ min: 0, max: 5 })),
        priority: fc.integer({ min: -1, max: 2 }),
        memoryBytes: fc.constantFrom(GIB / 4, GIB / 2, GIB),
        ports: fc.constantFrom<readonly number[]>([], [80]),
        disconnect: fc.constantFrom(REPLACE, { policy: "keep" } as const, { policy: "fence", afterMs: 5_000 } as const),
      }),
    }),
  },
  fc.record({ kind: fc.constant("drain" as const), node, on: fc.boolean() }),
  fc.record({ kind: fc.constant("pause" as const), app, on: fc.boolean() }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("obey" as const), node }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.constantFrom(1, 40_000, 90_000),
      alive: fc.uniqueArray(node, { maxLength: NODES }),
    }),
  },
);

function take(s: Scenario, one: Act): void {
  switch (one.kind) {
    case "apply":
      s.applyApp(one.app, one.shape);
      return;
    case "drain":
      s.send({
        kind: "set-availability",
        node: nodeId(one.node),
        availability: one.on ? "draining" : "active",
        reason: "",
        drainForMs: null,
      });
      return;
    case "pause":
      s.send({ kind: "set-paused", app: appName(one.app), paused: one.on, reason: "" });
      return;
    case "obey":
      s.connect(nodeId(one.node));
      s.obey(nodeId(one.node));
      return;
    case "pass":
      s.pass(one.ms, ...one.alive.map(nodeId));
  }
}

describe("laws with priorities, drains and pauses", () => {
  const run = (check: (s: Scenario, before: World, said: readonly Change[]) => void): void =>
    fc.assert(
      fc.property(fc.array(act, { maxLength: 25 }), (acts) => {
        const s = fleet(NODES);
        for (const one of acts) {
          const before = copyWorld(s.world);
          const from = s.log.length;
          take(s, one);
          check(s, before, s.log.slice(from));
        }
      }),
      runs(75),
    );

  test("[H142] deciding again yields nothing, and one decision writes nothing but its changes", () => {
    run((s) => expect(decide(s.world, s.now, DEFAULT_SETTINGS)).toEqual([]));
  });

  test("[H144] no node is ever given more than it has", () => {
    run((s, before) => {
      const was = new Set(overloaded(before));
      for (const id of overloaded(s.world)) expect(was.has(id)).toBe(true);
    });
  });

  test("[H141] only what is lower, replicated and not bound leaves a node for another's sake", () => {
    run((s, before, said) => {
      for (const [id, was] of before.placements) {
        const after = s.world.placements.get(id);
        const pushed = said.findLast(
          (change) => change.kind === "hub-event" && change.event.kind === "preempted" && change.event.workload === id,
        );
        if (after?.node === was.node || pushed === undefined) continue;
        // A revision that makes it movable may come in the same breath.
        const specs = [serviceAt(before, was), wantedService(s.world, was.app, was.service)];
        expect(specs.some((service) => service !== null && isMovable(service))).toBe(true);
      }
    });
  });

  test("[H124] a paused app's copies stay as they are", () => {
    run((s, before) => {
      for (const [id, was] of before.placements) {
        const isPaused = [before, s.world].every((world) => (world.wishes.get(was.app)?.paused ?? null) !== null);
        if (isPaused) expect(s.world.placements.get(id)).toMatchObject({ node: was.node, revision: was.revision });
      }
    });
  });

  test("[H120] the index of nodes that are drained is what it indexes", () => {
    run(({ world }) => {
      const draining = [...world.nodes.values()].filter(({ availability }) => availability === "draining");
      expect([...world.drainingNodes].sort()).toEqual(draining.map(({ id }) => id).sort());
    });
  });
});
