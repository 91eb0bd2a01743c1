// The laws of planning, from arbitrary nodes: whatever stands there, a plan is pure, keeps its hands off what is not ours, and repeated
// it comes to rest with everything wanted running.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  assignment,
  BOOT,
  container,
  context,
  hashOf,
  type ModelNode,
  NO_MEMORY,
  observed,
  round,
  tombstone,
  workload,
} from "../../../test/unit/agent/scenario.ts";
import { runs } from "../../../test/unit/runs.ts";
import type { ContainerStatus } from "../engine/engine.ts";
import type { Action } from "./action.ts";
import type { OwnContainer } from "./observed.ts";
import { plan } from "./plan.ts";
import type { Outcome } from "./remember.ts";

const SERVICES = ["db", "web", "job", "cache"] as const;
const STATUSES: readonly ContainerStatus[] = ["created", "running", "paused", "restarting", "exited", "dead"];
/** Each round is a look and all its lanes; waits are jumped over. Two pulls, networks, replacing, healing: well below it. */
const ROUNDS = 40;

const wantedWorkload = (service: (typeof SERVICES)[number]): fc.Arbitrary<Workload> =>
  fc
    .record({
      hash: fc.constantFrom("a1", "b2"),
      pullPolicy: fc.constantFrom("always" as const, "missing" as const),
      policy: fc.constantFrom("always" as const, "unless-stopped" as const),
      after: fc.constantFrom(...SERVICES.slice(0, SERVICES.indexOf(service)), null),
      condition: fc.constantFrom("service_started" as const, "service_healthy" as const),
      restart: fc.boolean(),
    })
    .map(({ hash, pullPolicy, policy, after, condition, restart }) =>
      workload(service, {
        hash,
        spec: {
          pullPolicy,
          restart: { policy, maxAttempts: null, delayMs: null, windowMs: null },
          // A test's own names.
          dependsOn:
            after === null ? [] : [{ service: after as Workload["service"], condition, restart, required: true }],
        },
      }),
    );

const standing = (id: string): fc.Arbitrary<OwnContainer> =>
  fc
    .record({
      service: fc.constantFrom(...SERVICES, "stray", "retired"),
      hash: fc.constantFrom("a1", "b2", "c3"),
      status: fc.constantFrom(...STATUSES),
      name: fc.constantFrom(null, `odd-${id}`),
      networks: fc.constantFrom(["shop_default"], []),
      memoryBytes: fc.constantFrom(0, 0, 0, 4_096),
      exitCode: fc.constantFrom(0, 1, 137),
      ranMs: fc.constantFrom(100, 600_000),
      health: fc.constantFrom("none" as const, "none" as const, "unhealthy" as const),
    })
    .map(({ service, hash, status, name, networks, memoryBytes, exitCode, ranMs, health }) => {
      const of = workload(service, { hash });
      const made = container(of, { id, status, summary: { networks, health: status === "running" ? health : "none" } });
      // Only an engine that was told to restart by itself is ever seen restarting.
      const restartPolicy = status === "restarting" ? "always" : "no";
      const limits = { ...made.details.limits, memoryBytes, restartPolicy };
      const ran = status === "created" ? null : ranMs;
      return {
        ...made,
        summary: { ...made.summary, name: name ?? made.summary.name },
        details: { ...made.details, limits, exitCode, ranMs: ran },
      };
    });

/** Engines hold each name once: a second one of a name is called otherwise. */
function uniqueNames(own: readonly OwnContainer[]): readonly OwnContainer[] {
  const taken = new Set<string>();
  return own.map((one) => {
    const name = taken.has(one.summary.name) ? `odd-${one.summary.id}` : one.summary.name;
    taken.add(name);
    return { ...one, summary: { ...one.summary, name } };
  });
}

const nodes: fc.Arbitrary<ModelNode> = fc
  .record({
    wanted: fc.tuple(...SERVICES.map((service) => fc.option(wantedWorkload(service)))),
    own: fc
      .array(fc.constant(null), { maxLength: 6 })
      .chain((slots) => fc.tuple(...slots.map((_, index) => standing(`c${index}`)))),
    networks: fc.boolean(),
    images: fc.boolean(),
  })
  .map(({ wanted, own, networks, images }) => {
    const workloads = wanted.filter((one) => one !== null);
    const retired = SERVICES.filter((name) => !workloads.some(({ service }) => service === name));
    const desired = assignment(workloads, {
      retired: [...retired, "retired"].map((name) => tombstone(workload(name).id)),
    });
    const seen = observed(workloads, uniqueNames(own), {
      ...(networks ? {} : { networks: new Map() }),
      ...(images ? {} : { images: new Map(workloads.map(({ spec }) => [spec.image, null])) }),
      foreignNames: new Map([["decoy", { id: "decoy", reason: "foreign" }]]),
    });
    return { desired, observed: seen, memory: NO_MEMORY, now: 1_000_000, count: 1 };
  });

function targets(action: Action): string | null {
  return "containerId" in action ? action.containerId : null;
}

function run(node: ModelNode, faults?: (action: Action) => Outcome | undefined): { last: ModelNode; seen: Action[] } {
  const link = { connected: true, changedAtMs: 0, leaseFromMs: null, pending: [] };
  const seen: Action[] = [];
  let at = node;
  for (let turn = 0; turn < ROUNDS; turn += 1) {
    const next = round(at, { link }, faults);
    seen.push(...next.plan.lanes.flatMap(({ actions }) => actions));
    at = next.node;
  }
  return { last: at, seen };
}

describe("laws of planning", () => {
  test("[N44] pure: the same input gives the same plan, and is not changed", () => {
    fc.assert(
      fc.property(nodes, (node) => {
        const before = structuredClone(node);
        const once = plan(node.desired, node.observed, node.memory, context(), node.now);
        expect(plan(node.desired, node.observed, node.memory, context(), node.now)).toEqual(once);
        expect(node).toEqual(before);
      }),
    );
  });

  test("[N45] from anything that stands there it converges: all that is wanted runs, once, and nothing is left to do", () => {
    fc.assert(
      fc.property(nodes, (node) => {
        const { last } = run(node);
        const rest = round(last).plan;
        expect(rest.lanes).toEqual([]);
        expect(rest.memory).toEqual([]);
        expect(rest.events).toEqual([]);
        for (const { id, specHash } of last.desired?.workloads ?? []) {
          const own = last.observed.own.filter(({ workload: of }) => of === id);
          expect(own.map((one) => [one.specHash, one.summary.status])).toEqual([[specHash, "running"]]);
        }
        const retired = new Set(last.desired?.retired.map(({ id }) => id));
        expect(last.observed.own.filter(({ workload: of }) => retired.has(of))).toEqual([]);
      }),
      runs(30),
    );
  });

  test("[N46] hands off: no action ever names a container that is not ours, or ours that is neither wanted nor retired", () => {
    fc.assert(
      fc.property(nodes, (node) => {
        const stray = node.observed.own.filter(({ workload: of }) => of === workload("stray").id);
        const { last, seen } = run(node);
        const touched = new Set(seen.map(targets));
        expect(touched.has("decoy")).toBe(false);
        for (const { summary } of stray) expect(touched.has(summary.id)).toBe(false);
        for (const own of stray) expect(last.observed.own).toContainEqual(own);
      }),
    );
  });

  test("[N47] nothing is stopped to be replaced before its successor's image and networks are there", () => {
    fc.assert(
      fc.property(nodes, (node) => {
        let at = node;
        for (let turn = 0; turn < ROUNDS; turn += 1) {
          const next = round(at);
          for (const { actions } of next.plan.lanes) {
            const create = actions.find((action) => action.kind === "create-container");
            if (create?.kind !== "create-container") continue;
            const { spec } = create.workload;
            expect(at.observed.images.get(spec.image)).toBeTypeOf("string");
            for (const { network } of spec.networks) expect(at.observed.networks.has(network)).toBe(true);
          }
          at = next.node;
        }
      }),
    );
  });

  test("[N42] with any one workload failing for ever, every other one that does not depend on it comes to run", () => {
    fc.assert(
      fc.property(nodes, fc.constantFrom(...SERVICES), (node, broken) => {
        const bad = workload(broken).id;
        const fail: Outcome = { ok: false, kind: "retry", message: "broken" };
        const faults = (action: Action): Outcome | undefined =>
          (action.kind === "create-container" && action.workload.id === bad) ||
          (action.kind === "start-container" && action.workload === bad)
            ? fail
            : undefined;
        const { last } = run(node, faults);
        for (const one of independentOf(last.desired?.workloads ?? [], broken)) {
          const running = last.observed.own.filter(
            ({ workload: of, specHash, summary }) =>
              of === one.id && specHash === one.specHash && summary.status === "running",
          );
          expect(running).toHaveLength(1);
        }
      }),
      runs(30),
    );
  });

  test("[N48] a workload that is as wanted is not touched by the arrival of any other assignment of the same spec hash", () => {
    fc.assert(
      fc.property(nodes, fc.nat(1_000), (node, generation) => {
        const { last } = run(node);
        const desired =
          last.desired === null ? null : { ...last.desired, position: { epoch: 2, generation }, hash: hashOf("e0") };
        const again = plan(desired, last.observed, last.memory, context({ bootId: BOOT }), last.now);
        expect(again.lanes).toEqual([]);
      }),
    );
  });
});

function independentOf(workloads: readonly Workload[], broken: string): readonly Workload[] {
  const tainted = new Set<string>([broken]);
  for (const service of SERVICES) {
    const one = workloads.find((candidate) => candidate.service === service);
    if (one?.spec.dependsOn.some((dependency) => tainted.has(dependency.service)) === true) tainted.add(service);
  }
  return workloads.filter(({ service }) => !tainted.has(service));
}
