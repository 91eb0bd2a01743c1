// What goes where, and why not: examples.
import { describe, expect, test } from "vitest";
import { GIB, nodeId, Scenario, workload } from "../../../test/unit/hub/scenario.ts";
import { workloadCondition } from "./condition.ts";
import { refusalSummary } from "./refusal-text.ts";
import { workloadAccount } from "./why/slot.ts";

const why = (scenario: Scenario, id: string): string =>
  refusalSummary(scenario.world.unplaced.get(workload(id))?.refusals ?? []);

describe("global", () => {
  test("[H1] a global service stands once on each matching node, whenever that node joins", () => {
    const s = new Scenario();
    s.join({ labels: { site: "shop" } });
    s.applyApp("a", { replicas: "global", constraints: ["node.labels.site == shop"] });
    s.join({ labels: { site: "farm" } });
    s.join({ labels: { site: "shop" } });
    expect(s.placed()).toEqual({ [`a/web/${nodeId(1)}`]: 1, [`a/web/${nodeId(3)}`]: 3 });
  });

  test("[H2] a label that comes or goes places or removes it, with a tombstone", () => {
    const s = new Scenario();
    const id = s.join();
    s.applyApp("a", { replicas: "global", constraints: ["node.labels.site == shop"] });
    expect(s.placed()).toEqual({});
    s.send({ kind: "set-node-labels", node: id, set: { site: "shop" }, unset: [] });
    expect(s.placed()).toEqual({ [`a/web/${id}`]: 1 });
    s.send({ kind: "set-node-labels", node: id, set: {}, unset: ["site"] });
    expect(s.placed()).toEqual({});
    expect(s.world.tombstonesByNode.get(id)?.map((one) => one.workload)).toEqual([`a/web/${id}`]);
  });

  test("[H3] a global slot is given to a node that is away, and waits for it", () => {
    const s = new Scenario();
    const id = s.join();
    s.pass(100_000);
    expect(s.world.reachability.get(id)?.kind).toBe("unreachable");
    s.applyApp("a", { replicas: "global" });
    expect(s.placed()).toEqual({ [`a/web/${id}`]: 1 });
  });
});

describe("constraints", () => {
  test.each([
    ["node.labels.site == SHOP", true],
    ["node.labels.site == farm", false],
    ["node.labels.site != farm", true],
    ["node.labels.Site == shop", false],
    ["node.labels.other != x", true],
    ["node.labels.other == x", false],
    ["node.labels.constructor != x", true],
    ["node.hostname == PI-1", true],
    ["node.arch == aarch64", true],
    ["node.arch != arm64", false],
    [`node.id == ${nodeId(1)}`, true],
  ])("[H4] values compare without case, keys with, and a missing label is the empty string: %s", (text, takes) => {
    const s = new Scenario();
    s.join({ labels: { site: "shop" } });
    s.applyApp("a", { constraints: [text] });
    expect(Object.keys(s.placed()).length).toBe(takes ? 1 : 0);
  });
});

describe("replicated", () => {
  test("[H5] copies go where fewest of the service are, then fewest workloads, then the smaller id", () => {
    const s = new Scenario();
    for (let n = 0; n < 3; n += 1) s.join();
    s.applyApp("a", { replicas: 1 });
    s.applyApp("b", { replicas: 4 });
    expect(s.placed()).toEqual({ "a/web/1": 1, "b/web/1": 2, "b/web/2": 3, "b/web/3": 1, "b/web/4": 2 });
  });

  test("[H6] spread preferences balance over a label's values, the most important first", () => {
    const s = new Scenario();
    s.join({ labels: { site: "a", rack: "1" } });
    s.join({ labels: { site: "a", rack: "2" } });
    s.join({ labels: { site: "a", rack: "2" } });
    s.join({ labels: { site: "b", rack: "1" } });
    s.applyApp("x", { replicas: 4, spread: ["site", "rack"] });
    const nodes = Object.values(s.placed()).sort();
    expect(nodes.filter((n) => n === 4)).toHaveLength(2);
    expect(nodes.filter((n) => n === 1)).toHaveLength(1);
  });

  test("[H7] scaling down removes copies on unreachable nodes first, then the highest numbers", () => {
    const s = new Scenario();
    const ids = [s.join(), s.join(), s.join(), s.join()];
    s.applyApp("a", { replicas: 4 });
    s.obeyAll();
    s.pass(60_000, ...ids.filter((id) => id !== ids[1]));
    s.applyApp("a", { replicas: 3 });
    expect(Object.values(s.placed())).toEqual([1, 3, 4]);
    s.applyApp("a", { replicas: 2 });
    expect(s.placed()).toEqual({ "a/web/1": 1, "a/web/3": 3 });
    s.applyApp("a", { replicas: 3 });
    expect(Object.keys(s.placed())).toEqual(["a/web/1", "a/web/2", "a/web/3"]);
  });
});

describe("refusals", () => {
  test("[H8] capacity is what nodes report minus what placements set aside", () => {
    const s = new Scenario();
    s.join();
    s.join({ facts: { memoryBytes: GIB / 2 } });
    s.applyApp("a", { replicas: 3, memoryBytes: 0.4 * GIB });
    expect(s.placed()).toEqual({ "a/web/1": 1, "a/web/2": 2, "a/web/3": 1 });
    s.applyApp("b", { memoryBytes: 0.5 * GIB });
    expect(why(s, "b/web/1")).toBe("2 nodes: needs 512 MB, at most 204 MB free");
    s.applyApp("c", { nanoCpus: 5e9 });
    expect(why(s, "c/web/1")).toBe("2 nodes: needs 5 CPUs, 4 free");
  });

  test("[H9] every refusal is explained, the same ones together", () => {
    const s = new Scenario();
    s.join();
    s.join();
    const third = s.join({ labels: { site: "shop" } });
    s.send({ kind: "set-availability", node: third, availability: "cordoned", reason: "", drainForMs: null });
    s.applyApp("a", { constraints: ["node.labels.site == shop"] });
    expect(why(s, "a/web/1")).toBe("2 nodes: label site=shop missing; 1 node: cordoned");
    expect(s.events().filter(({ kind }) => kind === "unschedulable")).toHaveLength(1);
    s.send({ kind: "set-availability", node: third, availability: "active", reason: "", drainForMs: null });
    expect(s.placed()).toEqual({ "a/web/1": 3 });
    expect(s.world.unplaced.size).toBe(0);
  });

  test("[H9] reasons that differ from node to node only in a value or an amount are one reason", () => {
    const s = new Scenario();
    for (let n = 0; n < 3; n += 1) s.join({ labels: { serial: `s${n}` } });
    s.applyApp("a", { constraints: ["node.hostname == van-9"] });
    expect(why(s, "a/web/1")).toBe("3 nodes: hostname is not van-9");
    s.applyApp("b", { constraints: ["node.labels.serial == x"] });
    expect(why(s, "b/web/1")).toBe("3 nodes: label serial is not x");
    s.applyApp("c", { memoryBytes: 2 * GIB });
    expect(why(s, "c/web/1")).toBe("3 nodes: needs 2048 MB, 1024 MB free");
    s.applyApp("d", { replicas: "global", ports: [80] });
    s.applyApp("e", { ports: [80] });
    expect(why(s, "e/web/1")).toBe("3 nodes: port 80/tcp is held by d/web");
  });

  test("[H10] host ports conflict with placements and with foreign ports, by protocol and address", () => {
    const s = new Scenario();
    const id = s.join();
    s.applyApp("a", { ports: [{ host: 80, ip: "10.0.0.1" }] });
    s.applyApp("b", { ports: [{ host: 80, ip: "10.0.0.2" }] });
    s.applyApp("c", { ports: [{ host: 80, protocol: "udp" }] });
    expect(Object.keys(s.placed())).toHaveLength(3);
    s.applyApp("d", { ports: [80] });
    expect(why(s, "d/web/1")).toBe("1 node: port 80/tcp is held by a/web/1");
    s.report(id, [], [{ port: 81, protocol: "tcp", hostIp: "0.0.0.0", container: "nginx", managed: false }]);
    s.applyApp("e", { ports: [81] });
    expect(why(s, "e/web/1")).toBe("1 node: port 81/tcp is held by nginx");
    s.report(id, [], []);
    expect(s.placement("e/web/1")?.node).toBe(id);
  });

  test("[H11] max_replicas_per_node holds, and unreachable nodes get no new copies", () => {
    const s = new Scenario();
    const first = s.join();
    s.join();
    s.pass(60_000, first);
    s.applyApp("a", { replicas: 2, maxReplicasPerNode: 1 });
    expect(s.placed()).toEqual({ "a/web/1": 1 });
    expect(why(s, "a/web/2")).toBe(
      "1 node: has 1 of it already, the most that max_replicas_per_node allows; 1 node: unreachable",
    );
    s.connect(nodeId(2));
    expect(s.placed()).toEqual({ "a/web/1": 1, "a/web/2": 2 });
  });

  test("[H12] what an app's removal frees is given to those who waited", () => {
    const s = new Scenario();
    s.join();
    s.applyApp("a", { ports: [80] });
    s.applyApp("b", { ports: [80] });
    expect(s.placed()).toEqual({ "a/web/1": 1 });
    s.removeApp("a");
    expect(s.placed()).toEqual({ "b/web/1": 1 });
  });
});

describe("stability", () => {
  test("[H13] a new node, a cordon, another app: nothing that stands moves", () => {
    const s = new Scenario();
    const first = s.join();
    s.applyApp("a", { replicas: 3 });
    const before = s.placed();
    s.join();
    s.send({ kind: "set-availability", node: first, availability: "cordoned", reason: "", drainForMs: null });
    s.applyApp("b", { replicas: 2 });
    expect(s.placed()).toMatchObject(before);
  });

  test("[H14] a new revision stays where it stood, on a cordoned and on an unreachable node too", () => {
    const s = new Scenario();
    const [first, second] = [s.join(), s.join()];
    s.applyApp("a", { replicas: 2, ports: [80] });
    s.obeyAll();
    s.send({ kind: "set-availability", node: first, availability: "cordoned", reason: "", drainForMs: null });
    s.pass(60_000, first);
    expect(s.world.reachability.get(second)?.kind).toBe("unreachable");
    s.applyApp("a", { replicas: 2, ports: [80], image: "web:2" });
    expect(s.placed()).toEqual({ "a/web/1": 1, "a/web/2": 2 });
    expect(s.placement("a/web/1")?.revision).toBe(2);
  });

  test("[H15] two services of one revision may swap what they hold", () => {
    const s = new Scenario();
    s.join();
    s.applyApp("a", { name: "x", ports: [80] }, { name: "y", ports: [81] });
    s.applyApp("a", { name: "x", ports: [81] }, { name: "y", ports: [80] });
    expect(s.world.unplaced.size).toBe(0);
    expect(s.placement("a/x/1")?.revision).toBe(2);
    expect(s.placement("a/y/1")?.revision).toBe(2);
  });

  test("[H16] a revision that its node cannot take moves if another can, else the old one runs on and the reason is kept", () => {
    const s = new Scenario();
    s.join();
    s.applyApp("a", { memoryBytes: 0.5 * GIB });
    s.applyApp("a", { memoryBytes: 2 * GIB });
    expect(s.placement("a/web/1")).toMatchObject({ node: nodeId(1), revision: 1 });
    expect(why(s, "a/web/1")).toBe("1 node: needs 2048 MB, 1024 MB free");
    s.obeyAll();
    expect(workloadAccount(s.world, workload("a/web/1"), s.now)?.state).toBe("running");
    expect(workloadCondition(s.world, workload("a/web/1"))).toBe("troubled");
    s.join({ facts: { memoryBytes: 4 * GIB } });
    expect(s.placement("a/web/1")).toMatchObject({ node: nodeId(2), revision: 2 });
    expect(s.world.tombstonesByNode.get(nodeId(1))).toHaveLength(1);
    expect(s.world.unplaced.size).toBe(0);
  });
});
