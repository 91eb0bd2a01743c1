// The laws of the hub's core as properties: random fleets, files and faults, and what must hold after every step.

import type { Disconnect } from "@skerry/shared/model/app.ts";
import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import type { NodeId } from "@skerry/shared/model/ids.ts";
import { assignmentHash } from "@skerry/shared/protocol/assignment-digest.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { appName, GIB, nodeId, Scenario, type ServiceShape } from "../../../test/unit/hub/scenario.ts";
import { runs } from "../../../test/unit/runs.ts";
import { copyWorld, worldFrom } from "./apply-change.ts";
import { applyDelta, assignmentDelta, buildAssignment } from "./assign.ts";
import type { Change } from "./change.ts";
import { DEFAULT_SETTINGS, decide } from "./decide.ts";
import { serviceAt } from "./lookup.ts";
import { NO_USAGE, withWorkload } from "./usage.ts";
import type { Placement, World } from "./world.ts";

/** Enough to find what examples miss within seconds; a failing seed is printed and stays as a test. */
const RUNS = runs(30);
const MOST_NODES = 5;

type Step =
  | { readonly kind: "join"; readonly site: string; readonly memoryBytes: number }
  | { readonly kind: "apply"; readonly app: string; readonly services: readonly ServiceShape[] }
  | { readonly kind: "remove-app"; readonly app: string }
  | { readonly kind: "remove-node"; readonly node: number }
  | { readonly kind: "label"; readonly node: number; readonly site: string }
  | { readonly kind: "cordon"; readonly node: number; readonly on: boolean }
  | { readonly kind: "obey"; readonly node: number }
  | { readonly kind: "connect"; readonly node: number }
  | { readonly kind: "foreign-port"; readonly node: number; readonly port: number | null }
  | { readonly kind: "pass"; readonly ms: number; readonly alive: readonly number[] }
  /** `apps` null: it is removed. */
  | { readonly kind: "credential"; readonly apps: readonly string[] | null; readonly version: string }
  | { readonly kind: "restart" };

const node = fc.integer({ min: 1, max: MOST_NODES });
const site = fc.constantFrom("shop", "farm");
const app = fc.constantFrom("a", "b");
const disconnect: fc.Arbitrary<Disconnect> = fc.oneof(
  fc.constant<Disconnect>({ policy: "keep" }),
  fc.constantFrom(2_000, 30_000).map((afterMs): Disconnect => ({ policy: "replace", afterMs })),
  fc.constantFrom(2_000, 30_000).map((afterMs): Disconnect => ({ policy: "fence", afterMs })),
);
const serviceShape = (name: string): fc.Arbitrary<ServiceShape> =>
  fc.record({
    name: fc.constant(name),
    image: fc.constantFrom("x:1", "x:2"),
    replicas: fc.oneof(fc.constant<"global">("global"), fc.integer({ min: 0, max: 4 })),
    constraints: fc.constantFrom<readonly string[]>([], ["node.labels.site == shop"], ["node.labels.site != shop"]),
    spread: fc.constantFrom<readonly string[]>([], ["site"]),
    memoryBytes: fc.constantFrom(0, GIB / 4, GIB / 2),
    ports: fc.constantFrom<readonly number[]>([], [80], [81]),
    disconnect,
  });
const services = fc
  .tuple(fc.option(serviceShape("x")), fc.option(serviceShape("y")))
  .map((both) => both.filter((one) => one !== null));
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("join" as const), site, memoryBytes: fc.constantFrom(GIB / 2, GIB) }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("apply" as const), app, services }) },
  fc.record({ kind: fc.constant("remove-app" as const), app }),
  fc.record({ kind: fc.constant("remove-node" as const), node }),
  fc.record({ kind: fc.constant("label" as const), node, site }),
  fc.record({ kind: fc.constant("cordon" as const), node, on: fc.boolean() }),
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("obey" as const), node }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("connect" as const), node }) },
  fc.record({ kind: fc.constant("foreign-port" as const), node, port: fc.constantFrom(80, null) }),
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.constantFrom(1, 1_900, 2_500, 30_000, 50_000, 120_000),
      alive: fc.uniqueArray(node, { maxLength: MOST_NODES }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("credential" as const),
      apps: fc.constantFrom<readonly string[] | null>(["a"], ["b"], ["a", "b"], null),
      version: fc.constantFrom("1", "2"),
    }),
  },
  fc.record({ kind: fc.constant("restart" as const) }),
);
const story = fc
  .tuple(
    fc.array(fc.record({ kind: fc.constant("join" as const), site, memoryBytes: fc.constant(GIB) }), {
      minLength: 2,
      maxLength: 4,
    }),
    fc.array(step, { maxLength: 25 }),
  )
  .map(([joins, steps]): readonly Step[] => [...joins, ...steps]);

/** What the store would load: the durable parts of a World, in another order than they were made. */
function reloaded(world: World, now: number): World {
  const backwards = <T>(values: Iterable<T>): readonly T[] => [...values].reverse();
  return worldFrom(
    {
      installation: world.installation,
      epoch: world.epoch,
      seq: world.seq,
      apps: backwards(world.apps.values()),
      nodes: backwards(world.nodes.values()),
      placements: backwards(world.placements.values()),
      tombstones: backwards([...world.tombstonesByNode.values()].flat()),
      fencingTokens: world.fencingTokens,
      rollouts: backwards(world.rollouts.values()),
      wishes: backwards(world.wishes.values()),
      policies: backwards(world.policies.values()),
      registries: backwards(world.registries.values()),
      gates: backwards(world.gates.values()),
      observed: new Map(),
    },
    now,
  );
}

function take(s: Scenario, one: Step): void {
  const id = "node" in one ? nodeId(one.node) : null;
  const exists = id !== null && s.world.nodes.has(id);
  switch (one.kind) {
    case "join":
      if (s.world.nodes.size + s.removed < MOST_NODES)
        s.join({ labels: { site: one.site }, facts: { memoryBytes: one.memoryBytes } });
      return;
    case "apply":
      s.applyApp(one.app, ...one.services);
      return;
    case "remove-app":
      s.removeApp(one.app);
      return;
    case "pass":
      s.pass(one.ms, ...one.alive.map(nodeId).filter((alive) => s.world.nodes.has(alive)));
      return;
    case "credential":
      takeCredential(s, one);
      return;
    case "restart":
      s.world = reloaded(s.world, s.now);
      s.decide();
      return;
    default:
      if (id !== null && exists) takeOnNode(s, one, id);
  }
}

/** For the registry of all images here. */
function takeCredential(s: Scenario, { apps, version }: Extract<Step, { readonly kind: "credential" }>): void {
  const value = { kind: "registry", app: null, name: "docker.io" } as const;
  if (apps === null) {
    s.send({ kind: "remove-value", value });
    return;
  }
  const fresh = { version: version.repeat(32), bytes: 1, sealed: { key: "", wrapped: "", body: "" } };
  s.send({ kind: "set-value", value, apps: apps.map(appName), fresh, specs: [] });
}

function takeOnNode(s: Scenario, one: Extract<Step, { readonly node: number }>, id: NodeId): void {
  switch (one.kind) {
    case "remove-node":
      s.send({ kind: "remove-node", node: id });
      return;
    case "label":
      s.send({ kind: "set-node-labels", node: id, set: { site: one.site }, unset: [] });
      return;
    case "cordon":
      s.send({
        kind: "set-availability",
        node: id,
        availability: one.on ? "cordoned" : "active",
        reason: "",
        drainForMs: null,
      });
      return;
    case "obey":
      s.connect(id);
      s.obey(id);
      return;
    case "connect":
      s.connect(id);
      return;
    case "foreign-port": {
      const held = { protocol: "tcp", hostIp: "", container: "other", managed: false } as const;
      s.report(id, [], one.port === null ? [] : [{ ...held, port: one.port }]);
      return;
    }
  }
}

function tell(steps: readonly Step[], check: (s: Scenario, one: Step, before: World) => void): void {
  const s = new Scenario();
  for (const one of steps) {
    const before = copyWorld(s.world);
    take(s, one);
    check(s, one, before);
  }
}

const plain = (value: unknown): unknown =>
  value instanceof Map
    ? Object.fromEntries(
        [...value]
          .map(([key, inner]) => [String(key), plain(inner)])
          .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
      )
    : value instanceof Set
      ? [...value].sort()
      : Array.isArray(value)
        ? value.map(plain)
        : value !== null && typeof value === "object"
          ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
          : value;
const text = (value: unknown): string => canonicalJson(plain(value));

/** Freezes everything that is reachable; Maps and Sets throw when written to. */
function frozen<T>(value: T): T {
  if (value === null || typeof value !== "object" || Object.isFrozen(value)) return value;
  if (value instanceof Map || value instanceof Set) {
    for (const name of ["set", "add", "delete", "clear"])
      Object.defineProperty(value, name, {
        value: () => {
          throw new Error("the World was written to");
        },
      });
    for (const inner of value.values()) frozen(inner);
  } else for (const inner of Object.values(value)) frozen(inner);
  return Object.freeze(value);
}

describe("laws", () => {
  test("[H50] decide is pure: it writes to nothing and gives the same answer twice", () => {
    fc.assert(
      fc.property(story, (steps) => {
        tell(steps, (s) => {
          const world = frozen(copyWorld(reloaded(s.world, s.now)));
          const first = decide(world, s.now, DEFAULT_SETTINGS);
          expect(text(decide(world, s.now, DEFAULT_SETTINGS))).toBe(text(first));
        });
      }),
      runs(10),
    );
  });

  test("[H51] the order in which things were made or loaded decides nothing", () => {
    fc.assert(
      fc.property(story, (steps) => {
        tell(steps, (s) => {
          const once = reloaded(s.world, s.now);
          const twice = reloaded(once, s.now);
          expect(text(decide(twice, s.now, DEFAULT_SETTINGS))).toBe(text(decide(once, s.now, DEFAULT_SETTINGS)));
        });
      }),
      runs(10),
    );
  });

  test("[H52] fixed point: deciding again after applying yields nothing", () => {
    fc.assert(
      fc.property(story, (steps) => tell(steps, (s) => expect(decide(s.world, s.now, DEFAULT_SETTINGS)).toEqual([]))),
      RUNS,
    );
  });

  test("[H53] a restart changes no placement, no tombstone and no position", () => {
    fc.assert(
      fc.property(story, (steps) => {
        tell(steps, (s) => {
          const world = reloaded(s.world, s.now);
          const durable: readonly Change["kind"][] = [
            "placement-set",
            "placement-removed",
            "tombstone-set",
            "node-set",
          ];
          const moves = decide(world, s.now, DEFAULT_SETTINGS).filter(({ kind }) => durable.includes(kind));
          const placing = moves.filter(
            (change) => change.kind !== "placement-set" || s.world.placements.has(change.placement.workload),
          );
          // A slot that waited for something that is forgotten in a restart (a foreign port, a report) may be given a node.
          if (s.world.unplaced.size === 0) expect(placing).toEqual([]);
        });
      }),
      RUNS,
    );
  });

  test("[H54] the indexes are what they index", () => {
    fc.assert(
      fc.property(story, (steps) => {
        tell(steps, ({ world }) => {
          const anew = reloaded(world, 0);
          for (const key of ["placementsByNode", "copies", "tombstoneNodes", "nodesByName"] as const)
            expect(text(world[key])).toBe(text(anew[key]));
          for (const id of world.nodes.keys()) {
            const { ports, ...sums } = world.usage.get(id) ?? NO_USAGE;
            const again = usageAnew(world, id);
            expect({ ...sums, ports: ports.length }).toEqual({ ...again, ports: again.ports.length });
          }
        });
      }),
      RUNS,
    );
  });

  test("[H55] positions never go back, and a position's content never changes", () => {
    fc.assert(
      fc.property(story, (steps) => {
        const contents = new Map<string, string>();
        tell(steps, (s, _one, before) => {
          for (const [id, { assigned, accepted }] of s.world.nodes) {
            expect(assigned.generation).toBeGreaterThanOrEqual(before.nodes.get(id)?.assigned.generation ?? 0);
            expect(accepted?.generation ?? 0).toBeLessThanOrEqual(assigned.generation);
            const built = buildAssignment(s.world, id);
            if (built === null) continue;
            const key = `${id}/${assigned.generation}`;
            const content = assignmentHash(built) + text(built.workloads.map(({ spec }) => spec));
            expect(contents.get(key) ?? content).toBe(content);
            contents.set(key, content);
          }
        });
      }),
      RUNS,
    );
  });

  test("[H56] what leaves a node leaves a tombstone there, until the node has accepted it", () => {
    fc.assert(
      fc.property(story, (steps) => {
        tell(steps, (s) => {
          for (const [id, held] of s.ledgers) {
            const current = buildAssignment(s.world, id);
            if (current === null || !s.world.nodes.has(id)) continue;
            const named = new Set([...current.workloads.map((one) => one.id), ...current.retired.map((one) => one.id)]);
            for (const one of held.workloads) expect(named.has(one.id), `${one.id} on ${id}`).toBe(true);
            const ids = current.workloads.map((one) => one.id);
            for (const { id: retired } of current.retired) expect(ids).not.toContain(retired);
          }
        });
      }),
      RUNS,
    );
  });

  test("[H57] stability: only what was meant moves", () => {
    fc.assert(
      fc.property(story, (steps) => {
        tell(steps, (s, one, before) => {
          for (const [id, was] of before.placements) {
            if (mayMove(one, was, before)) continue;
            expect(s.world.placements.get(id)?.node, `${id} after ${one.kind}`).toBe(was.node);
          }
        });
      }),
      RUNS,
    );
  });

  test("[H58] a slot has one placement, on a node that is there, and no more copies than wanted", () => {
    fc.assert(
      fc.property(story, (steps) => {
        tell(steps, ({ world }) => {
          for (const { node: host, app: name } of world.placements.values()) {
            expect(world.nodes.has(host)).toBe(true);
            expect(world.apps.has(name)).toBe(true);
          }
          for (const { name, spec } of world.apps.values())
            for (const { name: service, mode } of spec.services) {
              if (mode.kind === "global") continue;
              const copies = [...world.placements.values()].filter(
                (one) => one.app === name && one.service === service,
              );
              const waiting = [...world.unplaced].filter(
                ([id, one]) => one.app === name && one.service === service && !world.placements.has(id),
              );
              expect(copies.length + waiting.length).toBe(mode.replicas);
            }
        });
      }),
      RUNS,
    );
  });

  test("[H60] keep never moves by itself", () => {
    fc.assert(
      fc.property(story, (steps) => {
        tell(steps, (s, one, before) => {
          if (one.kind !== "pass" && one.kind !== "connect" && one.kind !== "restart" && one.kind !== "obey") return;
          for (const [id, was] of before.placements) {
            const service = serviceAt(before, was);
            if (service?.disconnect.policy !== "keep" || before.unplaced.has(id)) continue;
            expect(s.world.placements.get(id)?.node).toBe(was.node);
          }
        });
      }),
      RUNS,
    );
  });

  test("[H61] a delta gives what the whole gives", () => {
    fc.assert(
      fc.property(story, (steps) => {
        tell(steps, (s) => {
          for (const [id, held] of s.ledgers) {
            const current = s.assignment(id);
            if (current === null || !s.world.nodes.has(id)) continue;
            const delta = assignmentDelta(held, current);
            if (delta !== null) expect(text(applyDelta(held, delta))).toBe(text(current));
          }
        });
      }),
      RUNS,
    );
  });
});

function usageAnew(world: World, id: NodeId) {
  let usage = NO_USAGE;
  for (const workload of world.placementsByNode.get(id) ?? []) {
    const placement = world.placements.get(workload);
    if (placement !== undefined) usage = withWorkload(usage, workload, serviceAt(world, placement));
  }
  return usage;
}

/** What a step may move of its own nature. */
function mayMove(one: Step, was: Placement, before: World): boolean {
  switch (one.kind) {
    case "apply":
    case "remove-app":
      return one.app === was.app || before.unplaced.has(was.workload);
    case "remove-node":
    case "label":
      return nodeId(one.node) === was.node || before.unplaced.has(was.workload);
    case "pass":
      return serviceAt(before, was)?.disconnect.policy !== "keep" || before.unplaced.has(was.workload);
    default:
      // A slot that wants another node, and told so, may get it whenever a node changes; one that the brake held, when it is released.
      return before.unplaced.has(was.workload) || (before.brake !== null && isLost(before, was));
  }
}

const isLost = (world: World, { node: host }: Placement): boolean =>
  world.reachability.get(host)?.kind === "unreachable";
