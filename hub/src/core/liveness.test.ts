// Leases, moves off silent nodes, fences and the storm brake: examples on a clock by hand.
import { describe, expect, test } from "vitest";
import { nodeId, Scenario, type ServiceShape, status, workload } from "../../../test/unit/hub/scenario.ts";
import { worldFrom } from "./apply-change.ts";
import { heartbeatMs, mayRenewLease } from "./liveness.ts";

const replace = (afterMs: number): ServiceShape => ({ disconnect: { policy: "replace", afterMs } });
const fence = (afterMs: number): ServiceShape => ({ disconnect: { policy: "fence", afterMs } });
/** 30 s, 1 % for clocks, Docker's 10 s of grace, our margin. */
const FENCE_30_S = 30_300 + 10_000 + 3_000;

function fleet(nodes: number): Scenario {
  const s = new Scenario();
  for (let n = 0; n < nodes; n += 1) s.join();
  return s;
}

/** A hub's start: what is durable, and nothing else. */
function restart(s: Scenario): void {
  const { installation, epoch, seq, apps, nodes, placements, tombstonesByNode, fencingTokens } = s.world;
  const loaded = {
    installation,
    epoch,
    seq,
    apps: [...apps.values()],
    nodes: [...nodes.values()],
    placements: [...placements.values()],
    tombstones: [...tombstonesByNode.values()].flat(),
    fencingTokens,
    rollouts: [...s.world.rollouts.values()],
    wishes: [...s.world.wishes.values()],
    policies: [...s.world.policies.values()],
    registries: [...s.world.registries.values()],
    gates: [...s.world.gates.values()],
    observed: new Map(),
  };
  s.world = worldFrom(loaded, s.now);
  s.decide();
}

describe("leases", () => {
  test("[H20] the heartbeat follows from the tightest after on a node; nodes that only keep get the slow one", () => {
    const s = fleet(1);
    s.joinSilently({ facts: { metered: true } });
    expect([heartbeatMs(s.world, nodeId(1)), heartbeatMs(s.world, nodeId(2))]).toEqual([20_000, 240_000]);
    s.applyApp("a", { ...replace(30_000), constraints: ["node.hostname == pi-1"] });
    expect(heartbeatMs(s.world, nodeId(1))).toBe(10_000);
    s.applyApp("b", { ...replace(1_000), constraints: ["node.hostname == pi-1"] });
    expect(heartbeatMs(s.world, nodeId(1))).toBe(333);
    s.removeApp("b");
    s.removeApp("a");
    expect(heartbeatMs(s.world, nodeId(1))).toBe(20_000);
  });

  test("[H21] a node is unreachable when its lease has ended, and ready again at its next word", () => {
    const s = fleet(2);
    s.pass(59_999, nodeId(2));
    expect(s.world.reachability.get(nodeId(1))?.kind).toBe("ready");
    s.pass(1, nodeId(2));
    expect(s.world.reachability.get(nodeId(1))).toMatchObject({ kind: "unreachable", lastHeardMs: 0, sinceMs: 60_000 });
    s.pass(5_000, nodeId(2));
    s.connect(nodeId(1));
    expect(s.events().slice(-2)).toEqual([
      { kind: "node-unreachable", node: nodeId(1), silentForMs: 60_000 },
      { kind: "node-ready", node: nodeId(1), silentForMs: 65_000 },
    ]);
  });

  test("[H22] a tighter lease binds a node only once it has accepted the assignment that asks for it", () => {
    const s = fleet(2);
    s.pass(14_000);
    s.applyApp("a", { ...replace(3_000) });
    expect(s.placed()).toEqual({ "a/web/1": 1 });
    s.pass(10_000, nodeId(2));
    expect(s.world.reachability.get(nodeId(1))?.kind).toBe("ready");
    s.obey(nodeId(1));
    s.pass(3_000, nodeId(2));
    expect(s.world.reachability.get(nodeId(1))?.kind).toBe("unreachable");
  });

  test("[H22] a looser lease counts at once: the node may have taken its slower pace already", () => {
    const s = fleet(2);
    s.applyApp("a", { ...replace(3_000), constraints: ["node.hostname == pi-1"] });
    s.accept(nodeId(1));
    s.removeApp("a");
    s.pass(59_999, nodeId(2));
    expect(s.world.reachability.get(nodeId(1))?.kind).toBe("ready");
    s.pass(1, nodeId(2));
    expect(s.world.reachability.get(nodeId(1))?.kind).toBe("unreachable");
  });

  test("[H23] after the hub's own start nobody is judged before they had the time to come back", () => {
    const s = fleet(2);
    s.applyApp("a", { ...replace(30_000) });
    s.obeyAll();
    s.now = 1_000_000;
    restart(s);
    s.pass(79_999, nodeId(2));
    expect(s.world.reachability.get(nodeId(1))?.kind).toBe("awaited");
    expect(s.placed()).toEqual({ "a/web/1": 1 });
    s.pass(1, nodeId(2));
    expect(s.placed()).toEqual({ "a/web/1": 2 });
  });

  test("[H24] a hub that was asleep counts every lease anew: what nodes said meanwhile is still unread", () => {
    const s = fleet(3);
    s.applyApp("a", { ...replace(30_000) });
    s.obeyAll();
    s.now += 600_000;
    s.decide();
    expect(s.world.reachability.get(nodeId(1))?.kind).toBe("ready");
    s.pass(29_000, nodeId(2), nodeId(3));
    expect(s.placed()).toEqual({ "a/web/1": 1 });
    s.pass(1_000, nodeId(2), nodeId(3));
    expect(s.placed()).toEqual({ "a/web/1": 2 });
  });
});

describe("disconnect", () => {
  test("[H30] keep: nothing moves, however long a node is away", () => {
    const s = fleet(2);
    s.applyApp("a", { replicas: 2 });
    s.pass(3_600_000, nodeId(2));
    expect(s.placed()).toEqual({ "a/web/1": 1, "a/web/2": 2 });
  });

  test("[H31] replace: a copy elsewhere after `after`, a tombstone where it was, and one copy on return", () => {
    const s = fleet(2);
    s.applyApp("a", replace(30_000));
    s.obeyAll();
    s.pass(29_999, nodeId(2));
    expect(s.placed()).toEqual({ "a/web/1": 1 });
    s.pass(1, nodeId(2));
    expect(s.placed()).toEqual({ "a/web/1": 2 });
    s.connect(nodeId(1));
    expect(s.placed()).toEqual({ "a/web/1": 2 });
    expect(s.assignment(nodeId(1))).toMatchObject({ workloads: [], retired: [{ id: "a/web/1", generation: 2 }] });
  });

  test("[H32] replace with no other node: it stays where it is, says why, and moves when a node comes", () => {
    const s = fleet(1);
    s.applyApp("a", replace(30_000));
    s.obeyAll();
    s.pass(60_000);
    expect(s.placed()).toEqual({ "a/web/1": 1 });
    expect(s.world.unplaced.get(workload("a/web/1"))?.refusals).toEqual([{ node: nodeId(1), kind: "unreachable" }]);
    s.join();
    expect(s.placed()).toEqual({ "a/web/1": 2 });
    expect(s.world.unplaced.size).toBe(0);
  });

  test("[H32] a node that comes back before another was found keeps its copy", () => {
    const s = fleet(1);
    s.applyApp("a", replace(30_000));
    s.obeyAll();
    s.pass(60_000);
    s.connect(nodeId(1));
    expect(s.world.unplaced.size).toBe(0);
    s.join();
    expect(s.placed()).toEqual({ "a/web/1": 1 });
  });

  test("[H33] fence: elsewhere only after 1.01 × after, grace and margin, with a larger token", () => {
    const s = fleet(2);
    s.applyApp("a", fence(30_000));
    s.obeyAll();
    expect(s.placement("a/web/1")).toMatchObject({ node: nodeId(1), fencingToken: 1, silentRunMs: FENCE_30_S });
    s.pass(FENCE_30_S - 1, nodeId(2));
    expect(s.placed()).toEqual({ "a/web/1": 1 });
    s.pass(1, nodeId(2));
    expect(s.placement("a/web/1")).toMatchObject({ node: nodeId(2), fencingToken: 2 });
  });

  test("[H34] fence: after the hub's start the whole wait begins anew", () => {
    const s = fleet(2);
    s.applyApp("a", fence(120_000));
    s.obeyAll();
    restart(s);
    s.pass(121_200 + 13_000 - 1, nodeId(2));
    expect(s.placed()).toEqual({ "a/web/1": 1 });
    s.pass(1, nodeId(2));
    expect(s.placed()).toEqual({ "a/web/1": 2 });
  });

  test("[H35] fence: a planned move waits until the old node says that its copy is gone", () => {
    const s = fleet(2);
    const move = (name: string): void => {
      s.applyApp("a", { ...fence(30_000), constraints: [`node.hostname == ${name}`] });
    };
    move("pi-1");
    s.obeyAll();
    move("pi-2");
    expect(s.placed()).toEqual({});
    expect(s.world.unplaced.get(workload("a/web/1"))?.refusals).toContainEqual({
      node: nodeId(1),
      kind: "fence-wait",
      untilMs: null,
    });
    const first = nodeId(1);
    const assignment = s.assignment(first);
    if (assignment === null) throw new Error("nothing assigned");
    s.ledgers.set(first, assignment);
    s.frame(first, { type: "accepted", position: assignment.position, hash: assignment.hash });
    expect(s.placed()).toEqual({});
    s.report(first, []);
    expect(s.placement("a/web/1")).toMatchObject({ node: nodeId(2), fencingToken: 2 });
  });

  test("[H35] fence: an order to remove is not forgotten with the next generation while the copy is still being stopped", () => {
    const s = fleet(2);
    const first = nodeId(1);
    s.applyApp("a", { ...fence(30_000), constraints: ["node.hostname == pi-1"] });
    s.obeyAll();
    s.applyApp("a", { ...fence(30_000), constraints: ["node.hostname == pi-2"] });
    s.accept(first);
    s.report(first, [status(workload("a/web/1"), { kind: "stopping" })]);
    s.applyApp("b", { constraints: ["node.hostname == pi-1"] });
    s.accept(first);
    expect(s.placed()).toEqual({ "b/web/1": 1 });
    s.obey(first);
    expect(s.placed()).toEqual({ "a/web/1": 2, "b/web/1": 1 });
  });

  test("[H56] an order to remove stays until the node has said that nothing of the copy is left", () => {
    const s = fleet(1);
    const node = nodeId(1);
    const retired = (): readonly string[] => s.assignment(node)?.retired.map(({ id }) => id) ?? [];
    s.applyApp("a", {});
    s.obeyAll();
    s.removeApp("a");
    s.accept(node);
    s.report(node, [status(workload("a/web/1"), { kind: "stopping" })]);
    s.applyApp("b", {});
    // A ledger that is lost now forgets the order; it is given again.
    expect(retired()).toEqual(["a/web/1"]);
    s.obey(node);
    s.applyApp("c", {});
    expect(retired()).toEqual([]);
  });

  test("[H33] fence: a shorter wait counts only once the node has accepted it", () => {
    const s = fleet(2);
    s.applyApp("a", fence(30_000));
    s.obeyAll();
    s.applyApp("a", fence(2_000));
    s.pass(FENCE_30_S - 1, nodeId(2));
    expect(s.placed()).toEqual({ "a/web/1": 1 });
    s.pass(1, nodeId(2));
    expect(s.placed()).toEqual({ "a/web/1": 2 });
  });

  test("[H36] a node whose fenced slot was given away gets no lease before it has accepted that", () => {
    const s = fleet(2);
    s.applyApp("a", fence(30_000));
    s.obeyAll();
    s.pass(FENCE_30_S, nodeId(2));
    s.connect(nodeId(1));
    expect(mayRenewLease(s.world, nodeId(1))).toBe(false);
    s.obey(nodeId(1));
    expect(mayRenewLease(s.world, nodeId(1))).toBe(true);
  });

  test("[H37] a node that never accepted the fence is not trusted to have one", () => {
    const s = fleet(2);
    s.applyApp("a", { constraints: ["node.hostname == pi-1"] });
    s.obeyAll();
    s.pass(60_000, nodeId(2));
    s.applyApp("a", fence(30_000));
    s.pass(600_000, nodeId(2));
    expect(s.placed()).toEqual({ "a/web/1": 1 });
    s.connect(nodeId(1));
    s.obey(nodeId(1));
    expect(s.placement("a/web/1")?.silentRunMs).toBe(FENCE_30_S);
    s.pass(FENCE_30_S, nodeId(2));
    expect(s.placed()).toEqual({ "a/web/1": 2 });
  });

  test("[H38] removing a node gives its slots away at once, fenced ones when its copy must have stopped", () => {
    const s = fleet(2);
    s.applyApp("a", fence(30_000));
    s.applyApp("b", { constraints: ["node.hostname == pi-1"] });
    s.applyApp("b", {});
    s.obeyAll();
    expect(s.placed()).toEqual({ "a/web/1": 1, "b/web/1": 1 });
    s.send({ kind: "remove-node", node: nodeId(1) });
    expect(s.placed()).toEqual({ "b/web/1": 2 });
    s.pass(FENCE_30_S - 1, nodeId(2));
    expect(s.placed()).toEqual({ "b/web/1": 2 });
    s.pass(1, nodeId(2));
    expect(s.placed()).toEqual({ "a/web/1": 2, "b/web/1": 2 });
    s.pass(60_000, nodeId(2));
    expect(s.world.tombstonesByNode.size).toBe(0);
  });
});

describe("brake", () => {
  test("[H40] when more than the named share is lost at once nothing is replaced, and it says so", () => {
    const s = fleet(5);
    s.applyApp("a", { replicas: 5, ...replace(30_000) });
    s.obeyAll();
    const before = s.placed();
    s.pass(300_000, nodeId(4), nodeId(5));
    expect(s.placed()).toEqual(before);
    expect(s.world.brake).toMatchObject({ unreachable: 3, nodes: 5 });
    expect(s.events().some(({ kind }) => kind === "brake-on")).toBe(true);
  });

  test("[H41] it is released when enough are back, and what is still lost is replaced then", () => {
    const s = fleet(5);
    s.applyApp("a", { replicas: 5, ...replace(30_000) });
    s.obeyAll();
    s.pass(300_000, nodeId(4), nodeId(5));
    s.connect(nodeId(1));
    expect(s.world.brake).toBeNull();
    expect(Object.values(s.placed()).filter((n) => n === 2 || n === 3)).toEqual([]);
    expect(s.events().at(-1)?.kind === "brake-off" || s.events().some(({ kind }) => kind === "brake-off")).toBe(true);
  });

  test("[H42] leases of one cut end at different times: those that are late count before they are judged", () => {
    const s = fleet(5);
    s.applyApp("a", { replicas: 5, ...replace(30_000) });
    s.obeyAll();
    const before = s.placed();
    s.pass(2_000, nodeId(2), nodeId(3), nodeId(4), nodeId(5));
    s.pass(2_000, nodeId(3), nodeId(4), nodeId(5));
    s.pass(2_000, nodeId(4), nodeId(5));
    s.pass(120_000);
    expect(s.placed()).toEqual(before);
  });

  test("[H43] half of two nodes is an ordinary day", () => {
    const s = fleet(2);
    s.applyApp("a", replace(30_000));
    s.obeyAll();
    s.pass(31_000, nodeId(2));
    expect(s.world.brake).toBeNull();
    expect(s.placed()).toEqual({ "a/web/1": 2 });
  });
});
