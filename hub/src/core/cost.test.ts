// Cost follows the change: at 1,000 nodes × 20 workloads a small change is a small piece of work. Counted where it can be counted;
// times are compared with each other, with wide bounds, so that a slow machine does not fail a good commit.

import type { InstallationId, NodeName } from "@skerry/shared/model/ids.ts";
import { beforeAll, expect, test, vi } from "vitest";
import { appName, appSpec, facts, nodeId, Scenario } from "../../../test/unit/hub/scenario.ts";
import { applyChange, copyWorld, worldFrom } from "./apply-change.ts";
import type { Change } from "./change.ts";
import { DEFAULT_SETTINGS, decide, type Effort } from "./decide.ts";
import { NO_KEY_ROLL } from "./key-roll.ts";
import { NEW_LINEAGE } from "./lineage.ts";
import type { App, Node, World } from "./world.ts";

const NODES = 1_000;
const APPS = 20;

/** 20 global apps on 1,000 nodes, as loaded from a store, and decided once. */
function fleet(): Scenario {
  const nodes = Array.from(
    { length: NODES },
    (_, index): Node => ({
      id: nodeId(index + 1),
      name: `pi-${index + 1}` as NodeName,
      labels: { site: index % 100 === 0 ? "shop" : "farm" },
      availability: "active",
      joinedAtMs: 0,
      facts,
      assigned: { epoch: 1, generation: 0 },
      accepted: null,
      refusal: null,
      eventsAcked: 0,
      availabilitySaid: null,
      drainDeadlineMs: null,
      drainOverMs: null,
      standing: "member",
      lineage: NEW_LINEAGE,
      keyRoll: NO_KEY_ROLL,
    }),
  );
  const apps = Array.from(
    { length: APPS },
    (_, index): App => ({
      name: appName(`app-${index}`),
      revision: 1,
      spec: appSpec(`app-${index}`, { replicas: "global" }),
      older: [],
      appliedBy: "admin",
      appliedAtMs: 0,
      lastGood: null,
      failedSpecs: [],
    }),
  );
  const s = new Scenario();
  const nothing = {
    placements: [],
    tombstones: [],
    fencingTokens: new Map(),
    rollouts: [],
    wishes: [],
    policies: [],
    registries: [],
    gates: [],
    observed: new Map(),
  };
  s.world = worldFrom(
    { installation: "i0000000000000000" as InstallationId, epoch: 1, seq: 0, apps, nodes, ...nothing },
    0,
  );
  s.decide();
  for (const { id } of nodes) s.connect(id);
  return s;
}

let s: Scenario;
beforeAll(() => {
  s = fleet();
});

/** What a change costs on a copy: node checks, changes, milliseconds of the decision alone. */
function cost(
  changes: readonly Change[],
  now: number,
): { readonly checks: number; readonly out: number; readonly ms: number } {
  const world: World = copyWorld(s.world);
  for (const change of changes) applyChange(world, change);
  const effort: Effort = { nodeChecks: 0 };
  const before = performance.now();
  const out = decide(world, now, DEFAULT_SETTINGS, effort);
  return { checks: effort.nodeChecks, out: out.length, ms: performance.now() - before };
}

const dirtyApp = (name: string): Change => ({ kind: "dirty", apps: [appName(name)], nodes: [] });
const spec = (name: string, revision: number, shape: Parameters<typeof appSpec>[1]): Change => ({
  kind: "app-set",
  source: "",
  app: {
    name: appName(name),
    revision,
    spec: appSpec(name, shape),
    older: [],
    appliedBy: "a",
    appliedAtMs: 0,
    lastGood: null,
    failedSpecs: [],
  },
});

test("[H70] a beat costs nothing to decide", () => {
  expect(cost([{ kind: "heard", node: nodeId(5), atMs: 10 }], 10)).toMatchObject({ checks: 0, out: 0 });
});

test("[H71] a node's change looks at that node and at no other", () => {
  const { checks, out } = cost([{ kind: "dirty", apps: [], nodes: [nodeId(5)] }], 10);
  expect(checks).toBeLessThanOrEqual(APPS);
  expect(out).toBe(1);
});

test("[H72] an app of three copies looks at each node once or twice, not at what runs there", () => {
  const small = cost([spec("new", 1, { replicas: 3, memoryBytes: 1 }), dirtyApp("new")], 10);
  expect(small.checks).toBeLessThanOrEqual(NODES * 5);
  const whole = cost(
    Array.from({ length: APPS }, (_, index) => dirtyApp(`app-${index}`)),
    10,
  );
  const fewer = Math.min(
    ...Array.from({ length: 5 }, () => cost([spec("new", 1, { replicas: 3 }), dirtyApp("new")], 10).ms),
  );
  expect(fewer).toBeLessThan(Math.max(20, whole.ms));
});

test("[H73] the whole fleet decided anew stays within what an event loop can bear", () => {
  const all = cost(
    [
      { kind: "dirty", apps: [...s.world.apps.keys()], nodes: [...s.world.nodes.keys()] },
      { kind: "heard", node: nodeId(1), atMs: 1 },
    ],
    10,
  );
  expect(all.ms).toBeLessThan(2_000);
});

test("[H74] a node's change asks that node once for all slots of a service that found none, however many they are", () => {
  const before = s.world;
  s.world = copyWorld(before);
  s.applyApp("large", { replicas: 1_000, memoryBytes: 1e13 });
  const { checks } = cost([{ kind: "dirty", apps: [], nodes: [nodeId(5)] }], 10);
  s.world = before;
  expect(checks).toBeLessThanOrEqual(APPS + 3);
});

test("[H249] the verdicts of a batch look at each of its copies a few times, all together", () => {
  const before = s.world;
  s.world = copyWorld(before);
  const app = s.world.apps.get(appName("app-0"));
  if (app === undefined) throw new Error("the fleet has no app-0");
  applyChange(s.world, { kind: "app-set", app: { ...app, lastGood: app.revision }, source: "" });
  const update = { parallelism: { kind: "count", count: 0 }, failureAction: "pause" } as const;
  s.applyApp("app-0", { replicas: "global", image: "x:2", update });
  const looks = vi.spyOn(s.world.observations, "get");
  for (const id of s.world.nodes.keys()) s.obey(id);
  expect(s.world.rollouts.get(appName("app-0"))?.state.kind).toBe("done");
  s.world = before;
  // Each report asks some times what its own node said before; once the last verdict is in, all copies are looked at.
  expect(looks.mock.calls.length).toBeLessThan(NODES * 15);
});
