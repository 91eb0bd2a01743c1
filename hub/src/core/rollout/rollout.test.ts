// Rollouts by example: six nodes, one service, and what is let through when. The laws that hold for every rollout are in laws.test.ts.
import type { Amount } from "@skerry/shared/model/update.ts";
import { describe, expect, test } from "vitest";
import { APP, RolloutFleet } from "../../../../test/unit/hub/rollout-fleet.ts";
import { appSpec, nodeId, type ServiceShape } from "../../../../test/unit/hub/scenario.ts";
import type { CommandRefusal } from "../command.ts";
import { outlookOf } from "./outlook.ts";
import { gateOf } from "./slots.ts";

const ONE_BY_ONE: ServiceShape = {
  replicas: "global",
  update: { parallelism: { kind: "count", count: 1 }, monitorMs: 0, delayMs: 0, failureAction: "pause" },
};
const ALL = [1, 2, 3, 4, 5, 6];
/** All at once, as far as the budget of each site allows. */
const perSite = (maxUnavailable: Amount): ServiceShape => ({
  ...ONE_BY_ONE,
  update: { ...ONE_BY_ONE.update, parallelism: { kind: "count", count: 0 } },
  rollout: { budget: { maxUnavailable, per: "site" } },
});

/** Six nodes with `service` at revision 1, good on all of them. Odd ones are at site shop, even ones at site farm. */
function fleet(service: ServiceShape): RolloutFleet {
  const s = new RolloutFleet();
  for (const number of ALL) s.join({ labels: { site: number % 2 === 0 ? "farm" : "shop" } });
  s.applyApp("a", { ...service, image: "y:0" });
  for (const number of ALL) s.judge(number, "settled");
  expect(s.app().lastGood).toBe(1);
  return s;
}

function apply(s: RolloutFleet, service: ServiceShape, image: string, retry = false): CommandRefusal | null {
  const spec = appSpec("a", { ...service, image });
  return s.send({ kind: "apply-app", spec, source: "", ifRevision: null, retry, force: false });
}

/** The nodes that are at the app's revision. */
function through(s: RolloutFleet): readonly number[] {
  const { revision } = s.app();
  return s
    .copies()
    .filter((copy) => copy.revision === revision)
    .map(({ node }) => Number.parseInt(node.slice(1), 16))
    .sort((a, b) => a - b);
}

const stateOf = (s: RolloutFleet) => s.world.rollouts.get(APP)?.state.kind;
const settle = (s: RolloutFleet, numbers: readonly number[]): void => {
  for (const number of numbers) s.judge(number, "settled");
};
/** Time goes by for nodes that beat. */
const wait = (s: RolloutFleet, ms: number): void => s.pass(ms, ...ALL.map(nodeId));
const reasonOf = (s: RolloutFleet): string => {
  const rollout = s.world.rollouts.get(APP);
  return rollout === undefined ? "" : (outlookOf(s.world, s.app(), rollout, s.now)[0]?.reason ?? "");
};

describe("batches", () => {
  test("[H201] a first rollout goes everywhere at once, and is done when what is heard has passed", () => {
    const s = new RolloutFleet();
    for (const _ of ALL) s.join();
    s.applyApp("a", { ...ONE_BY_ONE, image: "y:0" });
    expect(through(s)).toEqual(ALL);
    settle(s, [1, 2, 3, 4, 5]);
    expect([stateOf(s), s.app().lastGood]).toEqual(["progressing", null]);
    settle(s, [6]);
    expect([stateOf(s), s.app().lastGood]).toEqual(["done", 1]);
  });

  test("[H202] a batch takes as many as parallelism says, by node name, and the next waits until it is settled and for the delay", () => {
    const service = {
      ...ONE_BY_ONE,
      update: { ...ONE_BY_ONE.update, parallelism: { kind: "percent", percent: 34 }, delayMs: 10_000 },
    } as const;
    const s = fleet(service);
    apply(s, service, "y:1");
    expect(through(s)).toEqual([1, 2, 3]);
    s.judge(1, "settled");
    s.judge(2, "open");
    expect(through(s)).toEqual([1, 2, 3]);
    settle(s, [2, 3]);
    expect(through(s)).toEqual([1, 2, 3]);
    expect(reasonOf(s)).toBe("waits 10 s before the next batch, as the file asks");
    wait(s, 10_000);
    expect(through(s)).toEqual(ALL);
    settle(s, [4, 5, 6]);
    expect([stateOf(s), s.app().lastGood]).toEqual(["done", 2]);
  });

  test("[H203] those that are down already come first, and count: no good one is taken down beside them", () => {
    const s = fleet(ONE_BY_ONE);
    s.judge(4, "sick");
    apply(s, ONE_BY_ONE, "y:1");
    expect(through(s)).toEqual([4]);
    s.judge(5, "sick");
    s.judge(6, "sick");
    settle(s, [4]);
    expect(through(s)).toEqual([4, 5]);
  });

  test("[H204] a silent node neither passes nor fails: it is waited for by nobody, and gets the newest when it is back", () => {
    const s = fleet(ONE_BY_ONE);
    s.pass(61_000, ...ALL.filter((number) => number !== 2).map(nodeId));
    expect(s.world.reachability.get(nodeId(2))?.kind).toBe("unreachable");
    apply(s, ONE_BY_ONE, "y:1");
    for (const number of [1, 3, 4, 5, 6]) settle(s, [number]);
    expect([stateOf(s), s.app().lastGood]).toEqual(["done", 2]);
    s.judge(2, "settled");
    expect(through(s)).toEqual(ALL);
  });

  test("[H205] with batch_by a batch never mixes two values of the label", () => {
    const service = {
      ...ONE_BY_ONE,
      update: { ...ONE_BY_ONE.update, parallelism: { kind: "count", count: 2 } },
      rollout: { batchBy: "site" },
    } as const;
    const s = fleet(service);
    apply(s, service, "y:1");
    expect(through(s)).toEqual([1, 3]);
    settle(s, [1, 3]);
    expect(through(s)).toEqual([1, 2, 3, 4]);
  });

  test("[H205] a dead node that uses up its site's budget keeps no other site waiting", () => {
    const budget = { maxUnavailable: { kind: "count", count: 1 }, per: "site" } as const;
    const service = { ...ONE_BY_ONE, rollout: { budget, batchBy: "site" } } as const;
    const s = fleet(service);
    s.pass(61_000, ...ALL.filter((number) => number !== 1).map(nodeId));
    apply(s, service, "y:1");
    for (const number of [2, 4, 6]) {
      expect(through(s)).toContain(number);
      settle(s, [number]);
    }
    expect(through(s)).toEqual([2, 4, 6]);
    expect(reasonOf(s)).toBe("waits: its budget allows 1 down in shop, and 1 are");
  });

  test("[H206] a budget counts everything that is not good, on silent nodes too", () => {
    const service = perSite({ kind: "count", count: 1 });
    const s = fleet(service);
    s.pass(61_000, ...ALL.filter((number) => number !== 2).map(nodeId));
    apply(s, service, "y:1");
    expect(through(s)).toEqual([1]);
    settle(s, [1]);
    expect(through(s)).toEqual([1, 3]);
    settle(s, [3]);
    settle(s, [5]);
    expect(reasonOf(s)).toBe("waits: its budget allows 1 down in farm, and 1 are");
  });

  test("[H206] a budget in percent is rounded up and at least 1, so that no rollout waits for it for ever", () => {
    const service = perSite({ kind: "percent", percent: 25 });
    const s = fleet(service);
    apply(s, service, "y:1");
    expect(through(s)).toEqual([1, 2]);
    settle(s, [1, 2]);
    expect(through(s)).toEqual([1, 2, 3, 4]);
  });
});

describe("canaries", () => {
  const canary = (promoteAfterMs: number | null) =>
    ({
      ...ONE_BY_ONE,
      update: { ...ONE_BY_ONE.update, parallelism: { kind: "count", count: 0 } },
      rollout: { canary: { who: { kind: "amount", amount: { kind: "count", count: 2 } }, promoteAfterMs } },
    }) as const;

  test("[H207] the canaries go first, and the rest waits for an operator", () => {
    const s = fleet(canary(null));
    apply(s, canary(null), "y:1");
    expect(through(s)).toEqual([1, 2]);
    settle(s, [1, 2]);
    wait(s, 3_600_000);
    expect(through(s)).toEqual([1, 2]);
    expect(reasonOf(s)).toBe("its canaries are through: goes on with skerry rollout resume a");
    expect(s.send({ kind: "resume-rollout", app: APP })).toBeNull();
    expect(through(s)).toEqual(ALL);
  });

  test("[H208] or for the time of health that the file gives", () => {
    const s = fleet(canary(60_000));
    apply(s, canary(60_000), "y:1");
    settle(s, [1, 2]);
    wait(s, 59_000);
    expect(through(s)).toEqual([1, 2]);
    wait(s, 2_000);
    expect(through(s)).toEqual(ALL);
  });
});

describe("failures", () => {
  const policy = (failureAction: "pause" | "rollback" | "continue", maxFailureRatio = 0): ServiceShape => ({
    ...ONE_BY_ONE,
    update: { ...ONE_BY_ONE.update, failureAction, maxFailureRatio },
  });

  test("[H209] pause: nothing more is let through, and the reason names node and cause; resume goes on in spite of it", () => {
    const s = fleet(policy("pause"));
    s.bad.set("y:1", new Set([1]));
    apply(s, policy("pause"), "y:1");
    s.judge(1, "settled");
    expect(s.world.rollouts.get(APP)?.state).toMatchObject({
      kind: "paused",
      by: "hub",
      reason: "web failed on pi-1: it ended with code 1",
    });
    wait(s, 3_600_000);
    expect(through(s)).toEqual([1]);
    expect(s.send({ kind: "resume-rollout", app: APP })).toBeNull();
    expect([stateOf(s), through(s)]).toEqual(["progressing", [1, 2]]);
  });

  test("[H210] rollback: a new revision with the last good content, let through at once, that never fails itself", () => {
    const s = fleet(policy("rollback"));
    s.bad.set("y:1", new Set([0]));
    apply(s, policy("rollback"), "y:1");
    s.judge(1, "settled");
    expect(s.app()).toMatchObject({ revision: 3, appliedBy: "hub", lastGood: 1 });
    expect(s.app().spec.services[0]?.container.image).toBe("y:0");
    expect(s.world.rollouts.get(APP)).toMatchObject({ kind: "rollback", revision: 3 });
    expect(through(s)).toEqual(ALL);
    settle(s, ALL);
    expect([stateOf(s), s.app().lastGood]).toEqual(["done", 3]);
  });

  test("[H211] no more failures than max_failure_ratio allows are no failure, and continue goes on whatever fails", () => {
    for (const shape of [policy("rollback", 0.2), policy("continue")]) {
      const s = fleet(shape);
      s.bad.set("y:1", new Set([1]));
      apply(s, shape, "y:1");
      for (const number of ALL) settle(s, [number]);
      expect([stateOf(s), s.app().revision, s.app().lastGood]).toEqual(["done", 2, 2]);
      // The one that failed is tried again when an operator says so, although the file is the same.
      s.bad.clear();
      expect(apply(s, shape, "y:1", true)).toBeNull();
      for (const number of ALL) settle(s, [number]);
      expect(s.copies().every((copy) => gateOf(s.world, copy)?.kind === "passed")).toBe(true);
    }
  });

  test("[H222] a batch below its success_threshold is a failure, though max_failure_ratio allows as many: failure_action decides", () => {
    const told = (failureAction: "pause" | "rollback" | "continue") => {
      const shape = { ...policy(failureAction, 0.5), rollout: { successThreshold: 0.5 } };
      const s = fleet(shape);
      s.bad.set("y:1", new Set([1]));
      apply(s, shape, "y:1");
      s.judge(1, "settled");
      return s;
    };
    const paused = told("pause");
    expect(paused.world.rollouts.get(APP)?.state).toMatchObject({
      kind: "paused",
      by: "hub",
      reason: "web failed on pi-1: it ended with code 1: 1 of 1 so far, more than its success_threshold allows",
    });
    expect(paused.send({ kind: "resume-rollout", app: APP })).toBeNull();
    expect([stateOf(paused), through(paused)]).toEqual(["progressing", [1, 2]]);
    expect(told("rollback").world.rollouts.get(APP)).toMatchObject({ kind: "rollback", revision: 3 });
    const goesOn = told("continue");
    expect([stateOf(goesOn), through(goesOn)]).toEqual(["progressing", [1, 2]]);
  });

  test("[H222] of the last batch nothing depends on its success_threshold", () => {
    const shape = { ...policy("rollback", 0.5), rollout: { successThreshold: 1 } };
    const s = fleet(shape);
    s.bad.set("y:1", new Set([6]));
    apply(s, shape, "y:1");
    for (const number of ALL) settle(s, [number]);
    expect([stateOf(s), s.app().revision]).toEqual(["done", 2]);
  });

  test("[H212] what failed is not tried again: applying it is refused until something is new, or with retry", () => {
    const s = fleet(policy("rollback"));
    s.bad.set("y:1", new Set([0]));
    apply(s, policy("rollback"), "y:1");
    s.judge(1, "settled");
    settle(s, ALL);
    expect(apply(s, policy("rollback"), "y:1")).toMatchObject({ code: "failed-before" });
    expect(s.app().revision).toBe(3);
    s.bad.clear();
    expect(apply(s, policy("rollback"), "y:1", true)).toBeNull();
    const attempts = s.copies().map(({ step }) => step.attempt);
    expect(Math.max(...attempts)).toBe(4);
    for (const number of ALL) settle(s, [number]);
    expect([stateOf(s), s.app().lastGood]).toEqual(["done", 4]);
  });
});

describe("meanwhile", () => {
  test("[H213] editing goes straight to the newest revision, and the one before gives way", () => {
    const s = fleet(ONE_BY_ONE);
    apply(s, ONE_BY_ONE, "y:1");
    expect(through(s)).toEqual([1]);
    apply(s, ONE_BY_ONE, "y:2");
    const given = s.log.flatMap((change) => (change.kind === "rollout-set" ? [change.rollout] : []));
    expect(given.findLast(({ revision }) => revision === 2)?.state).toMatchObject({ kind: "superseded", next: 3 });
    for (const number of ALL) settle(s, [number]);
    expect([stateOf(s), through(s)]).toEqual(["done", ALL]);
    expect(s.app().lastGood).toBe(3);
  });

  test("[H214] a copy that is lost meanwhile starts elsewhere at the last good revision", () => {
    const shape = { ...ONE_BY_ONE, replicas: 5, disconnect: { policy: "replace", afterMs: 30_000 } } as const;
    const s = fleet(shape);
    apply(s, shape, "y:1");
    const [standing] = through(s);
    const victim = s.copies().find(({ revision, node }) => revision === 1 && node !== nodeId(standing ?? 0));
    if (victim === undefined) throw new Error("no copy stands at the last good revision");
    s.pass(120_000, ...ALL.map(nodeId).filter((id) => id !== victim.node));
    const moved = s.world.placements.get(victim.workload);
    expect(moved?.node).not.toBe(victim.node);
    expect(moved?.revision).toBe(1);
  });

  test("[H215] undo goes back to the last good revision, as a new one; pause and resume are the operator's", () => {
    const s = fleet(ONE_BY_ONE);
    apply(s, ONE_BY_ONE, "y:1");
    expect(s.send({ kind: "pause-rollout", app: APP, reason: "lunch" })).toBeNull();
    settle(s, [1]);
    expect([stateOf(s), through(s)]).toEqual(["paused", [1]]);
    expect(s.send({ kind: "undo-rollout", app: APP, to: null, reason: "" })).toBeNull();
    expect(s.app()).toMatchObject({ revision: 3, lastGood: 1 });
    expect(s.app().spec.services[0]?.container.image).toBe("y:0");
    settle(s, ALL);
    expect([stateOf(s), s.app().lastGood]).toEqual(["done", 3]);
    expect(s.send({ kind: "pause-rollout", app: APP, reason: "" })).toMatchObject({ code: "invalid" });
  });
});

describe("what stands stopped", () => {
  const target = { app: APP, service: null, slot: null };
  const say = (s: RolloutFleet, stopped: boolean, slot: string | null = null): void => {
    const of = slot === null ? target : { app: APP, service: "web" as never, slot: slot as never };
    expect(s.send({ kind: "set-stopped", target: of, stopped, reason: "" })).toBeNull();
  };
  const images = (s: RolloutFleet): readonly string[] =>
    ALL.map((number) => s.assignment(nodeId(number))?.workloads[0]?.spec.image ?? "");
  const canary = {
    ...ONE_BY_ONE,
    update: { ...ONE_BY_ONE.update, parallelism: { kind: "count", count: 0 }, failureAction: "rollback" },
    rollout: { canary: { who: { kind: "amount", amount: { kind: "count", count: 1 } }, promoteAfterMs: null } },
  } as const;

  test("[H221] a new revision of a stopped app reaches no copy before the start, and then the canary alone", () => {
    const s = fleet(canary);
    say(s, true);
    settle(s, ALL);
    apply(s, canary, "y:1");
    wait(s, 3_600_000);
    expect([stateOf(s), through(s), s.app().lastGood]).toEqual(["progressing", [], 1]);
    expect(reasonOf(s)).toBe("stands stopped: goes on when it is started (skerry start a/web)");
    say(s, false);
    // The canary goes straight to the new one; the others start as they were good.
    expect(images(s)).toEqual(["y:1", "y:0", "y:0", "y:0", "y:0", "y:0"]);
    settle(s, ALL);
    expect(through(s)).toEqual([1]);
    s.send({ kind: "resume-rollout", app: APP });
    settle(s, ALL);
    expect([stateOf(s), through(s), s.app().lastGood]).toEqual(["done", ALL, 2]);
  });

  test("[H221] without canaries, and with parallelism 0, a start begins with the new revision everywhere", () => {
    const all = { ...canary, rollout: {} };
    const s = fleet(all);
    say(s, true);
    settle(s, ALL);
    apply(s, all, "y:1");
    say(s, false);
    expect(images(s)).toEqual(ALL.map(() => "y:1"));
  });

  test("[H221] a bad revision that was applied to a stopped app is rolled back when it is started", () => {
    const s = fleet(canary);
    s.bad.set("y:1", new Set([0]));
    say(s, true);
    settle(s, ALL);
    apply(s, canary, "y:1");
    say(s, false);
    settle(s, ALL);
    expect(s.world.rollouts.get(APP)).toMatchObject({ kind: "rollback", revision: 3 });
    settle(s, ALL);
    expect([stateOf(s), images(s)]).toEqual(["done", ALL.map(() => "y:0")]);
  });

  test("[H221] a copy that stands stopped beside others holds nothing up, and gets the revision when that is proven", () => {
    const s = fleet(ONE_BY_ONE);
    say(s, true, nodeId(3));
    settle(s, ALL);
    apply(s, ONE_BY_ONE, "y:1");
    for (const number of [1, 2, 4, 5]) {
      expect(through(s)).not.toContain(3);
      settle(s, [number]);
    }
    settle(s, [6]);
    expect([stateOf(s), through(s), s.app().lastGood]).toEqual(["done", ALL, 2]);
  });

  test("[H221] a stop in the middle lets nothing more through, and the start goes on where it stood", () => {
    const s = fleet(ONE_BY_ONE);
    apply(s, ONE_BY_ONE, "y:1");
    settle(s, [1]);
    expect(through(s)).toEqual([1, 2]);
    say(s, true);
    settle(s, ALL);
    wait(s, 3_600_000);
    expect([stateOf(s), through(s)]).toEqual(["progressing", [1, 2]]);
    say(s, false);
    for (const number of ALL) settle(s, [number]);
    for (const number of ALL) settle(s, [number]);
    expect([stateOf(s), through(s)]).toEqual(["done", ALL]);
  });
});
