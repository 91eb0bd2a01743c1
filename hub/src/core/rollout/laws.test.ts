// The laws of rollouts as properties: random policies, files that fail on some nodes, nodes that come and go, operators who steer,
// restarts of the hub. What must hold is looked at on every batch of changes and after every step.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { APP, copiesIn, RolloutFleet } from "../../../../test/unit/hub/rollout-fleet.ts";
import { appSpec, nodeId, type ServiceShape } from "../../../../test/unit/hub/scenario.ts";
import { runs } from "../../../../test/unit/runs.ts";
import { applyChange, copyWorld, worldFrom } from "../apply-change.ts";
import type { Change } from "../change.ts";
import { DEFAULT_SETTINGS, decide } from "../decide.ts";
import { isGood } from "../good.ts";
import { serviceOf, specAt } from "../lookup.ts";
import type { Placement, World } from "../world.ts";
import { activeRollout, amountOf, mostDown, policyOf } from "./policy.ts";
import { gateOf } from "./slots.ts";

/** Enough to find what examples miss within seconds; a failing seed is printed and stays as a test. */
const RUNS = runs(12);
/** Of those that go on to an end, each of which takes as long as a whole story. */
const FEW = runs(6);
const NODES = 6;

type Step =
  | { readonly kind: "apply"; readonly image: string; readonly retry: boolean }
  | { readonly kind: "judge"; readonly node: number; readonly how: Parameters<RolloutFleet["judge"]>[1] }
  /** Time goes by for these nodes, which judge what they have. */
  | { readonly kind: "round"; readonly alive: readonly number[] }
  | { readonly kind: "pass"; readonly ms: number; readonly alive: readonly number[] }
  | { readonly kind: "steer"; readonly how: "pause" | "resume" | "undo" }
  | { readonly kind: "stop"; readonly stopped: boolean }
  | { readonly kind: "restart" };

const node = fc.integer({ min: 1, max: NODES });
/** y:2 fails on node 1 alone, y:3 everywhere. */
const IMAGES = ["y:1", "y:2", "y:3", "y:4"];
const BAD: readonly (readonly [string, ReadonlySet<number>])[] = [
  ["y:2", new Set([1])],
  ["y:3", new Set([0])],
];

const amount = fc.oneof(
  fc.integer({ min: 0, max: 3 }).map((count) => ({ kind: "count" as const, count })),
  fc.constantFrom(10, 25, 50, 100).map((percent) => ({ kind: "percent" as const, percent })),
);
const shape: fc.Arbitrary<ServiceShape> = fc.record({
  replicas: fc.oneof(fc.constant<"global">("global"), fc.integer({ min: 3, max: 8 })),
  update: fc.record({
    parallelism: amount,
    delayMs: fc.constantFrom(0, 10_000),
    monitorMs: fc.constant(5_000),
    failureAction: fc.constantFrom("continue" as const, "pause" as const, "rollback" as const),
    maxFailureRatio: fc.constantFrom(0, 0.2, 0.5),
    order: fc.constantFrom("stop-first" as const, "start-first" as const),
  }),
  rollout: fc.record({
    canary: fc.oneof(
      fc.constant(null),
      fc.record({
        who: fc.integer({ min: 1, max: 2 }).map((count) => ({
          kind: "amount" as const,
          amount: { kind: "count" as const, count },
        })),
        promoteAfterMs: fc.constantFrom(null, 20_000),
      }),
    ),
    batchBy: fc.constantFrom(null, "site"),
    successThreshold: fc.constantFrom(0, 0.5, 1),
    budget: fc.oneof(
      fc.constant(null),
      fc.record({
        maxUnavailable: fc.integer({ min: 1, max: 3 }).map((count) => ({ kind: "count" as const, count })),
        per: fc.constantFrom(null, "site"),
      }),
    ),
  }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("apply" as const),
      image: fc.constantFrom(...IMAGES),
      retry: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("judge" as const),
      node,
      how: fc.constantFrom("open" as const, "settled" as const, "sick" as const),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("round" as const),
      alive: fc.uniqueArray(node, { minLength: 4, maxLength: NODES }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.constantFrom(1, 5_000, 12_000, 25_000, 130_000),
      alive: fc.uniqueArray(node, { minLength: 2, maxLength: NODES }),
    }),
  },
  fc.record({
    kind: fc.constant("steer" as const),
    how: fc.constantFrom("pause" as const, "resume" as const, "undo" as const),
  }),
  fc.record({ kind: fc.constant("stop" as const), stopped: fc.boolean() }),
  { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
);
interface Story {
  readonly shape: ServiceShape;
  readonly steps: readonly Step[];
}
/** Short ones never get as far as a second batch. */
const story: fc.Arbitrary<Story> = fc.record({ shape, steps: fc.array(step, { minLength: 12, maxLength: 30 }) });

function started(service: ServiceShape): RolloutFleet {
  const s = new RolloutFleet();
  for (const [image, where] of BAD) s.bad.set(image, where);
  for (let number = 1; number <= NODES; number += 1) s.join({ labels: { site: number % 2 === 0 ? "farm" : "shop" } });
  s.applyApp("a", { ...service, image: "y:0" });
  judgeAll(s);
  return s;
}

function judgeAll(s: RolloutFleet): void {
  for (const number of allNodes) s.judge(number, "settled");
}

function reloaded(world: World, now: number): World {
  const { installation, epoch, seq, fencingTokens } = world;
  return worldFrom(
    {
      ...{ installation, epoch, seq, fencingTokens, observed: new Map() },
      apps: [...world.apps.values()],
      nodes: [...world.nodes.values()],
      placements: [...world.placements.values()],
      tombstones: [...world.tombstonesByNode.values()].flat(),
      rollouts: [...world.rollouts.values()],
      wishes: [...world.wishes.values()],
      policies: [...world.policies.values()],
      registries: [...world.registries.values()],
      gates: [...world.gates.values()],
    },
    now,
  );
}

function take(s: RolloutFleet, one: Step, service: ServiceShape): void {
  switch (one.kind) {
    case "apply": {
      const { image, retry } = one;
      const spec = appSpec("a", { ...service, image });
      s.send({ kind: "apply-app", spec, source: "", ifRevision: null, retry, force: false });
      return;
    }
    case "judge":
      return s.judge(one.node, one.how);
    case "round":
      return goRound(s, one.alive);
    case "pass":
      return s.pass(one.ms, ...one.alive.map(nodeId));
    case "steer":
      s.send(
        one.how === "pause"
          ? { kind: "pause-rollout", app: APP, reason: "" }
          : one.how === "resume"
            ? { kind: "resume-rollout", app: APP }
            : { kind: "undo-rollout", app: APP, to: null, reason: "" },
      );
      return;
    case "stop": {
      const target = { app: APP, service: null, slot: null };
      s.send({ kind: "set-stopped", target, stopped: one.stopped, reason: "" });
      return;
    }
    case "restart":
      s.world = reloaded(s.world, s.now);
      s.decide();
      return;
  }
}

function tell(
  { shape: service, steps }: Story,
  check: (s: RolloutFleet, one: Step) => void,
  prepare = (_: RolloutFleet): void => {},
) {
  const s = started(service);
  prepare(s);
  for (const one of steps) {
    take(s, one, service);
    check(s, one);
  }
  return s;
}

const holds = (
  check: (s: RolloutFleet, one: Step) => void,
  prepare?: (s: RolloutFleet) => void,
  examples: readonly Story[] = [],
): void =>
  fc.assert(
    fc.property(story, (one) => void tell(one, check, prepare)),
    { ...RUNS, examples: examples.map((one): [Story] => [one]) },
  );

/** Found by chance once: what failed is asked for again, and the copy that failed stands stopped where it was. */
const AGAIN_WHILE_STOPPED: Story = {
  shape: {
    replicas: 3,
    update: {
      parallelism: { kind: "percent", percent: 10 },
      ...{ delayMs: 0, monitorMs: 5_000, failureAction: "pause", maxFailureRatio: 0, order: "stop-first" },
    },
    rollout: {
      canary: { who: { kind: "amount", amount: { kind: "count", count: 1 } }, promoteAfterMs: null },
      ...{ batchBy: null, successThreshold: 0, budget: null },
    },
  },
  steps: [
    { kind: "apply", image: "y:3", retry: false },
    { kind: "round", alive: [1, 2, 3, 4] },
    { kind: "stop", stopped: true },
    { kind: "round", alive: [1, 2, 3, 4] },
    { kind: "apply", image: "y:3", retry: true },
    { kind: "apply", image: "y:1", retry: false },
    { kind: "round", alive: [1, 2, 3, 4] },
    { kind: "apply", image: "y:3", retry: false },
  ],
};

const newestApp = (world: World, changes: readonly Change[]) =>
  changes.findLast((change) => change.kind === "app-set")?.app ?? world.apps.get(APP);

/** As they are once these changes are made. */
function newest(world: World, changes: readonly Change[]) {
  let app = world.apps.get(APP);
  let rollout = world.rollouts.get(APP);
  for (const change of changes) {
    if (change.kind === "app-set") app = change.app;
    if (change.kind === "rollout-set" && change.rollout.revision === app?.revision) rollout = change.rollout;
  }
  const service = app === undefined ? null : serviceOf(app.spec, "web" as ServiceSpec["name"]);
  return { rollout, service };
}

/** Good ones of which these changes ask for another container where they stand: the old one stops first. */
function takenDown(world: World, changes: readonly Change[]): readonly Placement[] {
  return changes.flatMap((change) => {
    if (change.kind !== "placement-set") return [];
    const was = world.placements.get(change.placement.workload);
    if (was === undefined || was.node !== change.placement.node || !was.intent.run) return [];
    return was.specHash !== change.placement.specHash && isGood(world, was) ? [was] : [];
  });
}

const wantedOf = (service: ServiceSpec, placed: number): number =>
  service.mode.kind === "replicated" ? service.mode.replicas : placed;

function neverTooManyDown(world: World, changes: readonly Change[]): void {
  // Those whose lease ends in this very decision are silent for it: what becomes of them takes nothing down.
  const silenced = new Set(
    changes.flatMap((one) =>
      one.kind === "reachability-set" && one.reachability.kind === "unreachable" ? [one.node] : [],
    ),
  );
  const taken = takenDown(world, changes).filter((one) => !silenced.has(one.node));
  const { rollout, service } = newest(world, changes);
  if (taken.length === 0 || rollout === undefined || service === null || rollout.kind === "first") return;
  const policy = policyOf(rollout.kind, service);
  if (policy.order === "start-first") return;
  const copies = copiesIn(world).filter(({ intent }) => intent.run);
  const down = copies.filter(
    (one) =>
      !silenced.has(one.node) &&
      world.reachability.get(one.node)?.kind === "ready" &&
      !isGood(world, one) &&
      gateOf(world, one)?.kind !== "failed",
  );
  const most = amountOf(policy.parallelism, wantedOf(service, copiesIn(world).length));
  expect(down.length + taken.length, "down at one time").toBeLessThanOrEqual(most);
  const { budget } = service.rollout;
  if (budget === null) return;
  const groupOf = (one: Placement): string =>
    budget.per === null ? "" : (world.nodes.get(one.node)?.labels[budget.per] ?? "");
  for (const group of new Set(taken.map(groupOf))) {
    const members = copies.filter((one) => groupOf(one) === group);
    const bad = members.filter((one) => !isGood(world, one)).length;
    const fresh = taken.filter((one) => groupOf(one) === group).length;
    expect(bad + fresh, `not good in ${group}`).toBeLessThanOrEqual(mostDown(budget.maxUnavailable, members.length));
  }
}

/** Whole rollouts to their end, a dozen in each test; a busy machine takes its time over them. */
const TIMEOUT_MS = 60_000;

describe("laws of rollouts", { timeout: TIMEOUT_MS }, () => {
  test("[H190] in a rollout deciding again after applying yields nothing, at any moment", () => {
    holds((s) => expect(decide(s.world, s.now, DEFAULT_SETTINGS)).toEqual([]));
  });

  test("[H248] nothing is overlooked: looking at every app and every node finds nothing more to do", () => {
    holds((s) => {
      const all = copyWorld(s.world);
      applyChange(all, { kind: "dirty", apps: [...all.apps.keys()], nodes: [...all.nodes.keys()] });
      const changes = decide(all, s.now, DEFAULT_SETTINGS).filter(({ kind }) => kind !== "decided");
      expect(changes).toEqual([]);
    });
  });

  test("[H54] what the World knows of copies that wait for a verdict, or have failed, is what there is", () => {
    holds(({ world, now }) => expect(world.copies).toEqual(reloaded(world, now).copies));
  });

  test("[H191] no rollout takes a good copy down beyond its parallelism or its budget, counting all that is down", () => {
    holds(
      () => {},
      (s) => s.checks.push(neverTooManyDown),
    );
  });

  test("[H192] a rollback is never rolled back, and never paused by the hub", () => {
    holds(
      () => {},
      (s) =>
        s.checks.push((_, changes) => {
          for (const change of changes) {
            if (change.kind !== "rollout-set" || change.rollout.kind !== "rollback") continue;
            const { state } = change.rollout;
            expect(state.kind).not.toBe("failed");
            if (state.kind === "paused") expect(state.by).not.toBe("hub");
          }
        }),
    );
  });

  test("[H193] a rollout fails only by what nodes said of more copies than its file allows; silence and time judge nothing", () => {
    holds(
      () => {},
      (s) =>
        s.checks.push((world, changes) => {
          for (const change of changes) {
            if (change.kind === "gate-set") {
              const { node: at } = world.placements.get(change.gate.workload) ?? {};
              expect(at !== undefined && world.reachability.get(at)?.kind, "judged by a node that is heard").toBe(
                "ready",
              );
            }
            if (change.kind !== "rollout-set" || change.rollout.kind !== "update") continue;
            const { state, revision } = change.rollout;
            if (state.kind !== "failed" && !(state.kind === "paused" && state.by === "hub")) continue;
            const app = world.apps.get(APP);
            const spec = app === undefined ? null : specAt(app, revision);
            const service = spec === null ? null : serviceOf(spec, "web" as ServiceSpec["name"]);
            const copies = copiesIn(world);
            if (service === null) continue;
            // Also of a copy that stands stopped at an older revision that asked for this very container, at the same attempt.
            const asksFor = (one: Placement): boolean =>
              one.revision === revision ||
              (one.specHash === service.specHash && one.step.attempt >= change.rollout.attempt);
            const failed = copies.filter((one) => asksFor(one) && gateOf(world, one)?.kind === "failed").length;
            const allowed = service.update.maxFailureRatio * wantedOf(service, copies.length);
            const passed = copies.filter((one) => one.revision === revision && gateOf(world, one)?.kind === "passed");
            const share = passed.length / (passed.length + failed);
            expect(failed > allowed || share < service.rollout.successThreshold, "too many failed").toBe(true);
            expect(failed).toBeGreaterThan(0);
          }
        }),
      [AGAIN_WHILE_STOPPED],
    );
  });

  test("[H194] canaries never multiply: until they are promoted no more copies run the revision than the file says", () => {
    const hadBefore = new WeakMap<RolloutFleet, number>();
    const watchBegin = (s: RolloutFleet): void =>
      void s.checks.push((world, changes) => {
        for (const change of changes) {
          if (change.kind !== "app-set" || change.app.revision === world.apps.get(APP)?.revision) continue;
          const [web] = change.app.spec.services;
          hadBefore.set(s, copiesIn(world).filter(({ specHash }) => specHash === web?.specHash).length);
        }
      });
    holds((s) => {
      const app = s.app();
      const rollout = activeRollout(s.world.rollouts, app);
      if (rollout?.kind !== "update") return;
      for (const state of rollout.services) {
        const service = serviceOf(app.spec, state.service);
        const who = service?.rollout.canary?.who;
        if (state.canary !== "open" || service === null || who?.kind !== "amount") continue;
        const through = s.copies().filter((copy) => copy.revision === app.revision && copy.step.kind === "update");
        // Those that had this very container when the rollout began are left as they are.
        const most = Math.max(amountOf(who.amount, wantedOf(service, s.copies().length)), hadBefore.get(s) ?? 0);
        expect(through.length).toBeLessThanOrEqual(most);
      }
    }, watchBegin);
  });

  test("[H221] a copy that stands stopped gets no revision that has not been good somewhere", () => {
    holds(
      () => {},
      (s) =>
        s.checks.push((world, changes) => {
          const good = newestApp(world, changes)?.lastGood ?? null;
          if (good === null) return;
          for (const change of changes) {
            if (change.kind !== "placement-set" || change.placement.intent.run) continue;
            const { workload, node: at, specHash, revision } = change.placement;
            const was = world.placements.get(workload);
            if (was === undefined || was.node !== at || was.specHash === specHash) continue;
            expect(revision, workload).toBe(good);
          }
        }),
    );
  });

  test("[H195] an app keeps every revision that a copy stands at or may go back to", () => {
    holds((s) => {
      const app = s.app();
      const needed = s.copies().flatMap(({ revision, step: { previous } }) => [revision, previous ?? revision]);
      for (const revision of [...needed, app.lastGood ?? app.revision])
        expect(specAt(app, revision), `revision ${revision}`).not.toBeNull();
    });
  });

  test("[H196] the content of a position never changes, whatever becomes of the rollout", () => {
    const given = new WeakMap<RolloutFleet, Map<string, string>>();
    holds((s) => {
      const known = given.get(s) ?? new Map<string, string>();
      given.set(s, known);
      for (const id of s.world.nodes.keys()) {
        const assignment = s.assignment(id);
        if (assignment === null) continue;
        const at = `${id} ${assignment.position.epoch}/${assignment.position.generation}`;
        const before = known.get(at);
        if (before !== undefined) expect(assignment.hash, at).toBe(before);
        known.set(at, assignment.hash);
      }
    });
  });

  test("[H197] whatever happened before, a good file ends as done everywhere, once it is tried and gone on with", () => {
    fc.assert(
      fc.property(story, (one) => {
        const s = tell(one, () => {});
        const target = { app: APP, service: null, slot: null };
        s.send({ kind: "set-stopped", target, stopped: false, reason: "" });
        const spec = appSpec("a", { ...one.shape, image: "y:9" });
        s.send({ kind: "apply-app", spec, source: "", ifRevision: null, retry: true, force: false });
        settle(s, true);
        expect(s.world.rollouts.get(APP)?.state.kind).toBe("done");
        expect(s.app().lastGood).toBe(s.app().revision);
        for (const copy of s.copies()) expect(copy.revision, copy.workload).toBe(s.app().revision);
      }),
      FEW,
    );
  });

  test("[H198] a file that fails everywhere ends at the last good content, without anybody's doing, when no failure is allowed", () => {
    const always = fc.record({ shape, silent: fc.integer({ min: 2, max: NODES }) });
    fc.assert(
      fc.property(always, ({ shape: service, silent }) => {
        // Failures that are still allowed let canaries wait for an operator.
        const update = { ...service.update, failureAction: "rollback" as const, maxFailureRatio: 0 };
        const s = started({ ...service, update });
        expect(s.app().lastGood).toBe(1);
        s.applyApp("a", { ...service, update, image: "y:3" });
        // One is away for a while; the canaries may be there.
        const alive = allNodes.filter((number) => number !== silent);
        settle(s, false, alive);
        settle(s, false);
        expect(s.world.rollouts.get(APP)).toMatchObject({ kind: "rollback", state: { kind: "done" } });
        const [web] = s.app().spec.services;
        expect(web?.container.image).toBe("y:0");
        for (const { specHash } of s.copies()) expect(specHash).toBe(web?.specHash);
      }),
      FEW,
    );
  });

  test("[H222] a file that fails everywhere ends at the last good content too where failures are allowed and batches have a threshold", () => {
    const ratio = fc.constantFrom(0, 0.2, 0.5, 0.9);
    fc.assert(
      fc.property(shape, ratio, fc.constantFrom(0.1, 0.5, 1), (base, maxFailureRatio, successThreshold) => {
        const update = { ...base.update, failureAction: "rollback" as const, maxFailureRatio };
        const service = { ...base, update, rollout: { ...base.rollout, successThreshold } };
        const s = started(service);
        s.applyApp("a", { ...service, image: "y:3" });
        settle(s, false);
        expect(s.world.rollouts.get(APP)).toMatchObject({ kind: "rollback", state: { kind: "done" } });
        const [web] = s.app().spec.services;
        for (const { specHash } of s.copies()) expect(specHash).toBe(web?.specHash);
      }),
      FEW,
    );
  });

  test("[H199] a node that was away during a whole rollout gets the newest revision when it is back", () => {
    fc.assert(
      fc.property(shape, node, fc.boolean(), (service, away, isGoneBefore) => {
        const rollout = { ...service.rollout, canary: null, budget: null };
        const s = started({ ...service, rollout });
        const alive = allNodes.filter((number) => number !== away);
        if (isGoneBefore) s.pass(100_000, ...alive.map(nodeId));
        s.applyApp("a", { ...service, rollout, image: "y:4" });
        settle(s, false, alive);
        const heard = s.copies().filter((copy) => copy.node !== nodeId(away));
        if (heard.length > 0) expect(s.world.rollouts.get(APP)?.state.kind).toBe("done");
        settle(s, false);
        for (const copy of s.copies()) expect(copy.revision, copy.workload).toBe(2);
        expect(s.app().lastGood).toBe(2);
      }),
      FEW,
    );
  });
});

const allNodes = Array.from({ length: NODES }, (_, index) => index + 1);
/** More than any of the policies above takes batches for so few copies. */
const ROUNDS = 20;

/** Time goes by, and these nodes judge what they have. */
function settle(s: RolloutFleet, resume: boolean, alive: readonly number[] = allNodes): void {
  for (let round = 0; round < ROUNDS; round += 1) {
    if (resume && activeRollout(s.world.rollouts, s.app()) !== null) s.send({ kind: "resume-rollout", app: APP });
    goRound(s, alive);
  }
}

/** Longer than any delay above. */
function goRound(s: RolloutFleet, alive: readonly number[]): void {
  for (const number of alive) s.judge(number, "settled");
  s.pass(11_000, ...alive.map(nodeId));
}
