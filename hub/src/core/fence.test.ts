// At most one copy, as a property against a model of nodes that does not look at the hub's own book-keeping: a node may run what its
// ledger holds while its lease lasts, and what it must stop until it has said that it is gone.
import type { NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { GIB, nodeId, Scenario, type ServiceShape, status } from "../../../test/unit/hub/scenario.ts";
import { runs } from "../../../test/unit/runs.ts";
import { worldFrom } from "./apply-change.ts";
import type { Change } from "./change.ts";

const NODES = 3;
const AFTERS = [2_000, 30_000];
/** Docker's own default, which these services have. */
const GRACE_MS = 10_000;

type Step =
  | {
      readonly kind: "apply";
      readonly site: string;
      readonly replicas: number;
      readonly afterMs: number;
      readonly memoryBytes: number;
    }
  | { readonly kind: "label"; readonly node: number; readonly site: string }
  | { readonly kind: "remove-app" | "restart" | "settle" }
  | { readonly kind: "accept" | "report" | "connect" | "remove-node"; readonly node: number }
  | { readonly kind: "pass"; readonly ms: number; readonly alive: readonly number[] };

const node = fc.integer({ min: 1, max: NODES });
const site = fc.constantFrom("shop", "farm", "any");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("apply" as const),
    site,
    replicas: fc.integer({ min: 0, max: 2 }),
    afterMs: fc.constantFrom(...AFTERS),
    memoryBytes: fc.constantFrom(0, GIB, 2 * GIB),
  }),
  fc.record({ kind: fc.constant("label" as const), node, site }),
  fc.record({ kind: fc.constantFrom("remove-app" as const, "restart" as const) }),
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("settle" as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constantFrom("accept" as const, "report" as const, "connect" as const), node }),
  },
  fc.record({ kind: fc.constant("remove-node" as const), node }),
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.constantFrom(500, 3_000, 12_000, 31_000, 45_000, 130_000),
      alive: fc.uniqueArray(node),
    }),
  },
);

/** What may run where, worst case. */
class Witness {
  readonly scenario = new Scenario();
  /** Taken out of the ledger, and not yet said to be gone: still being stopped. */
  readonly #stopping = new Map<NodeId, Map<WorkloadId, number>>();

  constructor() {
    const s = this.scenario;
    s.onChanges = (changes) => this.#check(changes);
    for (let n = 1; n <= NODES; n += 1)
      s.join({ labels: { site: n === 1 ? "shop" : "farm" }, facts: { memoryBytes: n * GIB } });
  }

  take(one: Step): void {
    this.#take(one);
    for (const { workload, node: host } of this.scenario.world.placements.values()) this.#checkPlaced(workload, host);
  }

  #take(one: Step): void {
    const s = this.scenario;
    switch (one.kind) {
      case "apply":
        s.applyApp("a", this.#service(one));
        return;
      case "remove-app":
        s.removeApp("a");
        return;
      case "restart":
        return this.#restart();
      case "settle":
        return this.#settle();
      case "pass":
        s.pass(one.ms, ...one.alive.map(nodeId).filter((id) => s.world.nodes.has(id)));
        return;
      default:
        if (s.world.nodes.has(nodeId(one.node))) this.#onNode(one, nodeId(one.node));
    }
  }

  /** Every node is there and does as it is told. */
  #settle(): void {
    for (const id of this.scenario.world.nodes.keys()) {
      this.scenario.connect(id);
      this.#accept(id);
      this.#stopping.delete(id);
      this.scenario.obey(id);
      this.scenario.beat(id);
    }
  }

  #service({ site: where, replicas, afterMs, memoryBytes }: Extract<Step, { readonly kind: "apply" }>): ServiceShape {
    const constraints = where === "any" ? [] : [`node.labels.site == ${where}`];
    return { replicas, constraints, memoryBytes, disconnect: { policy: "fence", afterMs } };
  }

  #onNode(one: Extract<Step, { readonly node: number }>, id: NodeId): void {
    const s = this.scenario;
    switch (one.kind) {
      case "label":
        s.send({ kind: "set-node-labels", node: id, set: { site: one.site }, unset: [] });
        return;
      case "remove-node":
        s.send({ kind: "remove-node", node: id });
        return;
      case "connect":
        s.connect(id);
        return;
      case "accept":
        return this.#accept(id);
      case "report":
        this.#accept(id);
        this.#stopping.delete(id);
        s.obey(id);
        return;
    }
  }

  #accept(id: NodeId): void {
    const s = this.scenario;
    const held = s.ledgers.get(id)?.workloads ?? [];
    const next = new Set(s.assignment(id)?.workloads.map((one) => one.id) ?? []);
    const stopping = this.#stopping.get(id) ?? new Map<WorkloadId, number>();
    for (const one of held) if (!next.has(one.id)) stopping.set(one.id, this.#mayRunUntil(id, one.id));
    for (const back of next) stopping.delete(back);
    this.#stopping.set(id, stopping);
    s.accept(id);
    s.report(
      id,
      [...stopping.keys()].map((one) => status(one, { kind: "stopping" })),
    );
  }

  #restart(): void {
    const { world } = this.scenario;
    const { installation, epoch, seq, apps, nodes, placements, tombstonesByNode, fencingTokens } = world;
    const said = {
      rollouts: [...world.rollouts.values()],
      wishes: [...world.wishes.values()],
      policies: [...world.policies.values()],
      registries: [...world.registries.values()],
      gates: [...world.gates.values()],
    };
    const durable = { installation, epoch, seq, fencingTokens, ...said, observed: new Map() };
    const entities = { apps: [...apps.values()], nodes: [...nodes.values()], placements: [...placements.values()] };
    const tombstones = [...tombstonesByNode.values()].flat();
    this.scenario.world = worldFrom({ ...durable, ...entities, tombstones }, this.scenario.now);
    this.scenario.decide();
  }

  /** 0: not at all. */
  #mayRunUntil(id: NodeId, workload: WorkloadId): number {
    const stopping = this.#stopping.get(id)?.get(workload);
    if (stopping !== undefined) return stopping;
    const held = this.scenario.ledgers.get(id)?.workloads.find((one) => one.id === workload);
    const leaseFrom = this.scenario.acked.get(id);
    if (held === undefined || leaseFrom === undefined || held.disconnect.policy !== "fence") return 0;
    return leaseFrom + held.disconnect.afterMs * 1.01 + GRACE_MS;
  }

  /** From the moment that a slot is placed on a node, a copy may start there. */
  #check(changes: readonly Change[]): void {
    for (const change of changes)
      if (change.kind === "placement-set") this.#checkPlaced(change.placement.workload, change.placement.node);
  }

  #checkPlaced(workload: WorkloadId, host: NodeId): void {
    const { now } = this.scenario;
    for (let n = 1; n <= NODES; n += 1) {
      if (nodeId(n) === host) continue;
      const until = this.#mayRunUntil(nodeId(n), workload);
      expect(until, `${workload} is on ${host} at ${now}, and may run on ${nodeId(n)}`).toBeLessThan(Math.max(1, now));
    }
  }
}

test("[H59] fence: a slot is given to a node only when no other may still run its copy", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 30 }), (steps) => {
      const witness = new Witness();
      for (const one of steps) witness.take(one);
    }),
    runs(150),
  );
});
