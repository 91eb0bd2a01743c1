// The batches that a dry run tells are held against those that come when it is applied and every copy turns out good.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { APP, RolloutFleet } from "../../../../test/unit/hub/rollout-fleet.ts";
import { nodeId, type ServiceShape } from "../../../../test/unit/hub/scenario.ts";
import { runs } from "../../../../test/unit/runs.ts";
import { copyWorld } from "../apply-change.ts";
import { MAX_BATCHES_AHEAD, rolloutAhead, type ServiceAhead } from "./ahead.ts";
import { activeRollout } from "./policy.ts";

const NODES = 6;

function fleet(service: ServiceShape, nodes = NODES): RolloutFleet {
  const s = new RolloutFleet();
  for (let number = 1; number <= nodes; number += 1) s.join({ labels: { site: number % 2 === 0 ? "farm" : "shop" } });
  s.applyApp("a", { ...service, image: "y:0" });
  for (let number = 1; number <= nodes; number += 1) s.judge(number, "settled");
  return s;
}

/** Applies the next image; what was to come as it was told before. */
function begin(s: RolloutFleet, service: ServiceShape): ServiceAhead | undefined {
  const before = copyWorld(s.world);
  s.applyApp("a", { ...service, image: "y:1" });
  const rollout = activeRollout(s.world.rollouts, s.app());
  return rollout === null ? undefined : rolloutAhead(before, s.world, s.app(), rollout)[0];
}

const toldOf = (ahead: ServiceAhead | undefined): readonly (readonly string[])[] =>
  ahead?.batches.map(({ slots }) => slots.map(({ placement }) => placement.workload).sort()) ?? [];

/** Lets everything pass, and goes on where an operator is waited for; the copies of each batch. */
function comeTrue(s: RolloutFleet, nodes = NODES): readonly (readonly string[])[] {
  const alive = Array.from({ length: nodes }, (_, index) => nodeId(index + 1));
  const batches: string[][] = [];
  const seen = new Set<string>();
  for (let round = 0; round < 2 * nodes + 4; round += 1) {
    const fresh = s.copies().filter((copy) => copy.revision === s.app().revision && !seen.has(copy.workload));
    if (fresh.length > 0) batches.push(fresh.map(({ workload }) => workload).sort());
    for (const { workload } of fresh) seen.add(workload);
    for (const node of new Set(fresh.map((copy) => Number.parseInt(copy.node.slice(1), 16)))) s.judge(node, "settled");
    const rollout = activeRollout(s.world.rollouts, s.app());
    if (rollout === null) return batches;
    if (fresh.length > 0) continue;
    s.pass(25_000, ...alive);
    const stands = s.copies().every((copy) => copy.revision !== s.app().revision || seen.has(copy.workload));
    if (stands) s.send({ kind: "resume-rollout", app: APP });
  }
  return batches;
}

const amount = fc.oneof(
  fc.integer({ min: 0, max: 3 }).map((count) => ({ kind: "count" as const, count })),
  fc.constantFrom(10, 25, 50).map((percent) => ({ kind: "percent" as const, percent })),
);
const shape: fc.Arbitrary<ServiceShape> = fc.record({
  replicas: fc.oneof(fc.constant<"global">("global"), fc.integer({ min: 2, max: 8 })),
  update: fc.record({
    parallelism: amount,
    delayMs: fc.constantFrom(0, 10_000),
    order: fc.constantFrom("stop-first" as const, "start-first" as const),
  }),
  rollout: fc.record({
    canary: fc.oneof(
      fc.constant(null),
      fc.record({
        who: amount.map((each) => ({ kind: "amount" as const, amount: each })),
        promoteAfterMs: fc.constantFrom(null, 20_000),
      }),
    ),
    batchBy: fc.constantFrom(null, "site"),
    budget: fc.oneof(
      fc.constant(null),
      fc.record({
        maxUnavailable: fc.constant({ kind: "count" as const, count: 1 }),
        per: fc.constantFrom(null, "site"),
      }),
    ),
  }),
});

describe("batches to come", () => {
  test("[H220] the batches that a dry run tells are those that come, in this order, when every copy turns out good", () => {
    fc.assert(
      fc.property(shape, (service) => {
        const s = fleet(service);
        const told = toldOf(begin(s, service));
        expect(comeTrue(s)).toEqual(told);
      }),
      runs(20),
    );
  });

  test("[H220] canaries are named, and what promotes them; the last batch is followed by nothing", () => {
    const canary = { who: { kind: "amount", amount: { kind: "count", count: 1 } }, promoteAfterMs: null } as const;
    const service = {
      replicas: "global",
      update: { parallelism: { kind: "count", count: 3 }, delayMs: 60_000 },
      rollout: { canary, batchBy: "site" },
    } as const;
    const ahead = begin(fleet(service), service);
    expect(ahead?.batches.map(({ slots, canary: is, group, next }) => [slots.length, is, group, next])).toEqual([
      [1, true, "shop", { kind: "promotion", afterMs: null }],
      [3, false, "farm", { kind: "next", afterMs: 60_000 }],
      [2, false, "shop", { kind: "end" }],
    ]);
    expect(ahead).toMatchObject({ rest: { slots: 0 }, hold: null, away: [] });
  });

  test("[H220] of a large fleet the first ten are told, and the rest is counted", () => {
    const service = { replicas: "global", update: { parallelism: { kind: "count", count: 2 } } } as const;
    const ahead = begin(fleet(service, 30), service);
    expect(ahead?.batches).toHaveLength(MAX_BATCHES_AHEAD);
    expect(ahead?.rest).toEqual({ slots: 10, atMost: 2 });
    expect(ahead?.batches.at(-1)?.next).toMatchObject({ kind: "next" });
  });

  test("[H220] copies on silent nodes are in no batch, and what holds the rest up for good is said", () => {
    const service = {
      replicas: "global",
      update: { parallelism: { kind: "count", count: 2 } },
      rollout: { budget: { maxUnavailable: { kind: "count", count: 1 }, per: "site" } },
    } as const;
    const s = fleet(service);
    s.pass(61_000, ...[1, 3, 4, 5, 6].map(nodeId));
    const ahead = begin(s, service);
    expect(ahead?.batches.map(({ slots }) => slots.map(({ node }) => node?.name))).toEqual([
      ["pi-1"],
      ["pi-3"],
      ["pi-5"],
    ]);
    expect(ahead?.away.map(({ node }) => node?.name)).toEqual(["pi-2"]);
    expect(ahead?.hold).toEqual({ kind: "budget", group: "farm", down: 1, most: 1 });
  });
});
