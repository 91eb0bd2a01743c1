// Draining a node: what moves, how much of it at a time, what stays and why.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import { expect, test } from "vitest";
import { GIB, nodeId, Scenario, type ServiceShape, workload } from "../../../test/unit/hub/scenario.ts";
import { worldFrom } from "./apply-change.ts";
import { drainEnds, MAX_DRAIN_MS, nextDrainEndMs, overdueDrains, staying } from "./drain.ts";
import type { Node, World } from "./world.ts";

const REPLACE = { policy: "replace", afterMs: 30_000 } as const;
const FENCE = { policy: "fence", afterMs: 30_000 } as const;
const ONE = { parallelism: { kind: "count", count: 1 } } as const;

function fleet(nodes: number, ...services: readonly ServiceShape[]): Scenario {
  const s = new Scenario();
  for (let count = 0; count < nodes; count += 1) s.join();
  s.applyApp("shop", ...services);
  s.obeyAll();
  return s;
}

const drain = (s: Scenario, node: NodeId, drainForMs: number | null = null): void => {
  expect(s.send({ kind: "set-availability", node, availability: "draining", reason: "new card", drainForMs })).toBe(
    null,
  );
};
const uncordon = (s: Scenario, node: NodeId): void => {
  s.send({ kind: "set-availability", node, availability: "active", reason: "", drainForMs: null });
};
/** As a hub does that was just started: the wall clock says how long still. */
const overdue = (world: World, wallMs: number) =>
  overdueDrains(world, drainEnds(world, new Map(), wallMs, 0), wallMs, 0);
const on = (s: Scenario, node: NodeId): readonly string[] => [...(s.world.placementsByNode.get(node) ?? [])].sort();
const stays = (s: Scenario, id: NodeId): Readonly<Record<string, string>> =>
  Object.fromEntries(
    staying(s.world, s.world.nodes.get(id) as Node, s.now).map((one) => [one.workload, one.stay.kind]),
  );
const drained = (s: Scenario): number => s.events().filter(({ kind }) => kind === "drained").length;

test("[H130] a node that is drained gets nothing new, and what may stand elsewhere moves there", () => {
  const s = fleet(3, {
    name: "web",
    replicas: 3,
    disconnect: REPLACE,
    update: { parallelism: { kind: "count", count: 0 } },
  });
  const first = nodeId(1);
  drain(s, first);
  expect(on(s, first)).toEqual([]);
  s.applyApp("more", { name: "x", replicas: 4, disconnect: REPLACE });
  expect(on(s, first)).toEqual([]);
});

test("[H131] no more copies of a service move at a time than its parallelism, and the next only when they are good", () => {
  const s = fleet(2, { name: "web", replicas: 6, disconnect: REPLACE, update: ONE });
  const [first, second] = [nodeId(1), nodeId(2)];
  drain(s, first);
  expect(on(s, first)).toHaveLength(2);
  s.obey(first);
  s.pass(5_000, first, second);
  expect(on(s, first)).toHaveLength(2);
  s.obey(second, { kind: "starting" });
  expect(on(s, first)).toHaveLength(2);
  s.obey(second, { kind: "running", health: "starting" });
  expect(on(s, first)).toHaveLength(2);
  s.obey(second, { kind: "running", health: "healthy" });
  expect(on(s, first)).toHaveLength(1);
  expect(Object.values(stays(s, first))).toEqual(["turn"]);
  s.obey(second, { kind: "running", health: "healthy" });
  expect(on(s, first)).toEqual([]);
});

test("[H131] a copy that is down or stopped already takes nothing down by moving", () => {
  const s = fleet(2, { name: "web", replicas: 4, disconnect: REPLACE, update: ONE });
  const first = nodeId(1);
  s.obey(first, { kind: "failed", reason: "no", exit: null });
  drain(s, first);
  expect(on(s, first)).toEqual([]);
});

test("[H132] a budget counts everything that is not good, also on nodes that are away", () => {
  const budget = { maxUnavailable: { kind: "count", count: 1 }, per: null } as const;
  const all = { parallelism: { kind: "count", count: 0 } } as const;
  const s = fleet(3, {
    name: "web",
    replicas: 6,
    disconnect: { policy: "replace", afterMs: 600_000 },
    update: all,
    rollout: { budget },
  });
  const [first, second, third] = [nodeId(1), nodeId(2), nodeId(3)];
  s.pass(900_000 / 3, first, second);
  expect(s.world.reachability.get(third)?.kind).toBe("unreachable");
  drain(s, first);
  expect(on(s, first)).toHaveLength(2);
  expect(Object.values(stays(s, first))).toEqual(["budget", "budget"]);
});

test("[H133] what is global, bound, of a paused app, or finds no room stays, each with its reason", () => {
  const s = fleet(
    2,
    { name: "everywhere", replicas: "global" },
    { name: "data", replicas: 2, disconnect: { policy: "keep" } },
    {
      name: "big",
      replicas: 2,
      memoryBytes: GIB * 0.75,
      disconnect: REPLACE,
      update: { parallelism: { kind: "count", count: 0 } },
    },
  );
  s.applyApp("other", { name: "x", replicas: 2, disconnect: REPLACE });
  s.obeyAll();
  s.send({ kind: "set-paused", app: "other" as never, paused: true, reason: "" });
  const first = nodeId(1);
  drain(s, first);
  expect(new Set(Object.values(stays(s, first)))).toEqual(new Set(["global", "bound", "no-room", "paused"]));
  const big = staying(s.world, s.world.nodes.get(first) as Node, s.now).find(({ workload: id }) =>
    id.includes("/big/"),
  );
  expect(big?.stay).toMatchObject({
    kind: "no-room",
    refusals: expect.arrayContaining([expect.objectContaining({ kind: "memory" })]),
  });
});

test("[H133] room that comes up later is used, and what stays is not called troubled meanwhile", () => {
  const s = fleet(1, { name: "web", replicas: 1, disconnect: REPLACE });
  drain(s, nodeId(1));
  expect(on(s, nodeId(1))).toHaveLength(1);
  expect(s.world.unplaced.size).toBe(0);
  s.join();
  expect(s.placed()).toEqual({ "shop/web/1": 2 });
});

test("[H133] of a node that is not heard nothing is moved by its drain, but by its disconnect policy", () => {
  const s = fleet(2, { name: "web", replicas: 2, disconnect: { policy: "replace", afterMs: 600_000 } });
  const [first, second] = [nodeId(1), nodeId(2)];
  s.pass(300_000 * 2 - 1_000, second);
  drain(s, first);
  expect(Object.values(stays(s, first))).toEqual(["silent"]);
  s.pass(10_000, second);
  expect(on(s, first)).toEqual([]);
});

test("[H134] a fenced copy is placed elsewhere only when its node has said that nothing of it is left", () => {
  const s = fleet(2, { name: "one", replicas: 1, disconnect: FENCE });
  const host = s.placement("shop/one/1")?.node as NodeId;
  drain(s, host);
  expect(s.placement("shop/one/1")).toBeUndefined();
  s.accept(host);
  expect(s.placement("shop/one/1")).toBeUndefined();
  s.report(host, []);
  expect(s.placement("shop/one/1")?.node).not.toBe(host);
});

test("[H135] at the deadline what is left is stopped, and runs again when the node is uncordoned", () => {
  const s = fleet(2, { name: "data", replicas: 2, disconnect: { policy: "keep" } });
  const first = nodeId(1);
  drain(s, first, 60_000);
  const ends = drainEnds(s.world, new Map(), 1_000, 7);
  expect(nextDrainEndMs(ends)).toBe(60_007);
  expect(overdueDrains(s.world, ends, 60_999, 60_006)).toEqual([]);
  s.apply(overdueDrains(s.world, ends, 61_000, 60_007));
  s.decide();
  const intentsOn = (node: NodeId) => on(s, node).map((id) => s.placement(id)?.intent.run);
  expect(intentsOn(first)).toEqual([false]);
  expect(intentsOn(nodeId(2))).toEqual([true]);
  expect(nextDrainEndMs(drainEnds(s.world, ends, 99_000, 99_000))).toBe(null);
  uncordon(s, first);
  expect(intentsOn(first)).toEqual([true]);
});

test("[H135] the deadline outlives the hub's restart, and so does what it stopped", () => {
  const s = fleet(2, { name: "data", replicas: 2, disconnect: { policy: "keep" } });
  drain(s, nodeId(1), 60_000);
  const { nodes, apps, placements } = s.world;
  const loaded = {
    ...s.world,
    apps: [...apps.values()],
    nodes: [...nodes.values()],
    placements: [...placements.values()],
    tombstones: [],
    rollouts: [],
    wishes: [],
    policies: [],
    registries: [],
    gates: [],
    observed: new Map(),
  };
  const anew = worldFrom(loaded, 5);
  expect(overdue(anew, 60_999)).toEqual([]);
  expect(overdue(anew, 61_000)).toContainEqual(
    expect.objectContaining({ kind: "node-set", node: expect.objectContaining({ drainOverMs: 61_000 }) }),
  );
});

test("[H135] a wall clock that is set moves no deadline that was seen, and puts off none for longer than there is", () => {
  const s = fleet(1, { name: "data", disconnect: { policy: "keep" } });
  drain(s, nodeId(1), 60_000);
  const seen = drainEnds(s.world, new Map(), 1_000, 0);
  for (const wallMs of [-1e12, 0, 1e12]) expect(drainEnds(s.world, seen, wallMs, 30_000)).toEqual(seen);
  // A new deadline is another.
  drain(s, nodeId(1), 90_000);
  expect(nextDrainEndMs(drainEnds(s.world, seen, 1_000, 30_000))).toBe(120_000);
  // A hub that starts with a clock of decades ago.
  expect(nextDrainEndMs(drainEnds(s.world, new Map(), -1e12, 0))).toBe(MAX_DRAIN_MS);
});

test("[H135] what finds room after the deadline moves, and runs there", () => {
  const s = fleet(1, { name: "web", replicas: 1, disconnect: REPLACE });
  drain(s, nodeId(1), 0);
  s.apply(overdue(s.world, 1_000));
  s.decide();
  expect(s.placement("shop/web/1")?.intent.run).toBe(false);
  s.join();
  expect(s.placement("shop/web/1")).toMatchObject({ node: nodeId(2), intent: { run: true } });
});

test("[H136] that a node is drained is said once, when the last of what may move has left it", () => {
  const s = fleet(
    2,
    { name: "web", replicas: 4, disconnect: REPLACE, update: ONE },
    { name: "all", replicas: "global" },
  );
  const [first, second] = [nodeId(1), nodeId(2)];
  drain(s, first);
  expect(drained(s)).toBe(0);
  s.obey(second);
  expect(on(s, first)).toEqual([workload(`shop/all/${first}`)]);
  expect(drained(s)).toBe(1);
  s.obeyAll();
  s.pass(5_000, first, second);
  expect(drained(s)).toBe(1);
  uncordon(s, first);
  drain(s, first);
  expect(drained(s)).toBe(2);
});

test("[H137] only a drain has a deadline, within 31 days; saying the same again changes nothing", () => {
  const s = fleet(1, { name: "web" });
  const say = (availability: "cordoned" | "draining", drainForMs: number | null) =>
    s.send({ kind: "set-availability", node: nodeId(1), availability, reason: "", drainForMs });
  expect(say("cordoned", 5)).toMatchObject({ code: "invalid", path: "deadlineMs" });
  expect(say("draining", -1)).toMatchObject({ code: "invalid", path: "deadlineMs" });
  expect(say("draining", null)).toBe(null);
  const since = s.world.nodes.get(nodeId(1))?.availabilitySaid;
  expect(since).toMatchObject({ by: "admin" });
  const events = s.events().length;
  expect(say("draining", null)).toBe(null);
  expect(s.events()).toHaveLength(events);
  expect(say("draining", 9_000)).toBe(null);
  expect(s.world.nodes.get(nodeId(1))).toMatchObject({ drainDeadlineMs: 10_000, availabilitySaid: since });
});
