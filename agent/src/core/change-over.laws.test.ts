// The laws of changing over, from arbitrary mixtures of containers and with the agent cut off between any two actions: it comes to rest
// with one good container, two of a fenced workload never run, and what serves is not stopped before its successor may come.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import { PLAIN_CHANGE_OVER } from "@skerry/shared/model/plain.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  assignment,
  container,
  exited,
  type Faults,
  type ModelNode,
  NO_MEMORY,
  observed,
  passedMemory,
  round,
  workload,
} from "../../../test/unit/agent/scenario.ts";
import { runs } from "../../../test/unit/runs.ts";
import type { ContainerStatus } from "../engine/engine.ts";
import type { Action } from "./action.ts";
import type { OwnContainer } from "./observed.ts";
import { isUp } from "./plan/existing.ts";
import { gateOf, targetOf } from "./plan/target.ts";
import type { Outcome } from "./remember.ts";

const ROUNDS = 60;
const v1 = workload("web", { revision: 1, spec: { image: "web:1" } });
const NAMES = ["shop-web-1", "shop-web-1-previous", "shop-web-1-next", "odd"] as const;
const STATUSES: readonly ContainerStatus[] = ["created", "running", "running", "exited", "exited"];

interface Start {
  readonly node: ModelNode;
  readonly wanted: Workload;
  readonly fenced: boolean;
}

const wantedOnes: fc.Arbitrary<{ readonly wanted: Workload; readonly fenced: boolean }> = fc
  .record({
    hash: fc.constantFrom("a1", "b2"),
    order: fc.constantFrom("stop-first" as const, "start-first" as const),
    onFailure: fc.constantFrom("revert" as const, "wait" as const, "carry-on" as const),
    hasPrevious: fc.boolean(),
    fenced: fc.boolean(),
    run: fc.constantFrom(true, true, true, false),
    restarts: fc.constantFrom(0, 0, 1),
  })
  .map(({ hash, order, onFailure, hasPrevious, fenced, run, restarts }) => {
    const { revision, specHash, spec, probes } = v1;
    const previous = hasPrevious ? { revision, specHash, spec, probes } : null;
    const changeOver = { ...PLAIN_CHANGE_OVER, order, onFailure, monitorMs: 5_000, deadlineMs: 120_000, previous };
    const made = workload("web", { revision: 2, hash, spec: { image: hash === "a1" ? "web:1" : "web:2" } });
    const disconnect: Workload["disconnect"] = fenced ? { policy: "fence", afterMs: 1e12 } : { policy: "keep" };
    return { wanted: { ...made, changeOver, disconnect, intent: { run, restarts } }, fenced };
  });

const standing = (id: string): fc.Arbitrary<OwnContainer> =>
  fc
    .record({
      hash: fc.constantFrom("a1", "b2", "c3"),
      status: fc.constantFrom(...STATUSES),
      name: fc.constantFrom(...NAMES),
      ranMs: fc.constantFrom(100, 600_000),
      aliases: fc.constantFrom({ shop_default: ["web"] }, { shop_default: ["web"] }, { shop_default: [] }),
    })
    .map(({ hash, status, name, ranMs, aliases }) => {
      const made = container(workload("web", { hash }), { id, status, summary: { name } });
      return { ...made, details: { ...made.details, aliases, ranMs: status === "created" ? null : ranMs } };
    });

function uniqueNames(own: readonly OwnContainer[]): readonly OwnContainer[] {
  const taken = new Set<string>();
  return own.map((one) => {
    const name = taken.has(one.summary.name) ? `odd-${one.summary.id}` : one.summary.name;
    taken.add(name);
    return { ...one, summary: { ...one.summary, name } };
  });
}

const starts: fc.Arbitrary<Start> = fc
  .record({
    one: wantedOnes,
    own: fc.tuple(fc.option(standing("c1")), fc.option(standing("c2")), fc.option(standing("c3"))),
    knows: fc.boolean(),
    images: fc.boolean(),
  })
  .map(({ one: { wanted, fenced }, own, knows, images }) => {
    const there = own.filter((container) => container !== null);
    // A fence that holds has at most one of them up.
    const firstUp = there.findIndex(isUp);
    const fit = fenced ? there.filter((container, index) => !isUp(container) || index === firstUp) : there;
    const known = images
      ? {}
      : {
          images: new Map([
            ["web:1", null],
            ["web:2", null],
          ]),
        };
    const seen = observed([v1, wanted], uniqueNames(fit), known);
    const memory = knows ? passedMemory(v1) : NO_MEMORY;
    return {
      wanted,
      fenced,
      node: { desired: assignment([wanted]), observed: seen, memory, now: 1_000_000, count: 1 },
    };
  });

/** The hub is heard all the time. */
const heard = ({ now }: ModelNode) => ({ link: { connected: true, changedAtMs: 0, leaseFromMs: now, pending: [] } });
const CUT_OFF: Outcome = { ok: false, kind: "unreachable", message: "the agent was killed" };

const upOnes = ({ observed: seen }: ModelNode): readonly OwnContainer[] => seen.own.filter(isUp);

/** Rounds; in each, `cuts` says after how many actions the agent is killed. `check` sees the node between any two of those. */
function run(start: ModelNode, where: readonly number[], check: Check): ModelNode {
  return rounds(start, where, ROUNDS, check);
}

type Check = (before: ModelNode, after: ModelNode, did: readonly Action[]) => void;

function rounds(start: ModelNode, where: readonly number[], many: number, check: Check): ModelNode {
  let at = start;
  for (let turn = 0; turn < many; turn += 1) {
    let left = where[turn] ?? Number.POSITIVE_INFINITY;
    const did: Action[] = [];
    const faults: Faults = (action) => {
      left -= 1;
      if (left < 0) return CUT_OFF;
      did.push(action);
      return undefined;
    };
    const next = round(at, heard(at), faults);
    check(at, next.node, did);
    at = next.node;
  }
  return at;
}

function newOneDies(node: ModelNode, { specHash }: Workload): ModelNode {
  const own = node.observed.own.map((one) => (one.specHash === specHash && isUp(one) ? exited(one, node, 1, 10) : one));
  return { ...node, observed: { ...node.observed, own } };
}

/** One action a round: every point between two actions is seen, and each is one at which the agent is killed. */
const STEP_BY_STEP = Array.from({ length: ROUNDS - 20 }, () => 1);
const cuts = fc.oneof(fc.constant(STEP_BY_STEP), fc.array(fc.nat(4), { maxLength: 20 }));

describe("laws of changing over", () => {
  test("[N122] from any mixture, killed anywhere, it comes to rest: one container of the target runs under its right name, or it stands stopped", () => {
    fc.assert(
      fc.property(starts, cuts, ({ node, wanted }, where) => {
        const last = run(node, where, () => undefined);
        const rest = round(last, heard(last));
        expect(rest.plan).toMatchObject({ lanes: [], memory: [], events: [] });
        const target = targetOf(wanted, gateOf(last.memory.get(wanted.id), wanted));
        const own = last.observed.own.map(({ specHash, summary: { status, name } }) => [specHash, status, name]);
        if (!wanted.intent.run) {
          expect(upOnes(last)).toEqual([]);
          return;
        }
        const [first, ...more] = own.filter(([, status]) => status === "running");
        expect([first, more]).toEqual([[target.specHash, "running", "shop-web-1"], []]);
        expect(upOnes(last).map(({ details }) => details.aliases)).toEqual([{ shop_default: ["web"] }]);
        // What waits for an operator keeps its way back; nothing else stands.
        expect(own.length).toBeLessThanOrEqual(
          gateOf(last.memory.get(wanted.id), wanted).verdict.kind === "passed" ? 1 : 2,
        );
      }),
      runs(150),
    );
  });

  test("[N123] of a fenced workload two never run at once, and none is stopped to be replaced before its successor's image is there", () => {
    fc.assert(
      fc.property(starts, ({ node, wanted, fenced }) => {
        run(node, STEP_BY_STEP, (before, after, did) => {
          if (fenced) expect(upOnes(after).length).toBeLessThanOrEqual(1);
          const created = did.find((action) => action.kind === "create-container");
          if (created?.kind === "create-container") {
            expect(before.observed.images.get(created.workload.spec.image)).toBeTypeOf("string");
          }
          const stopsOld = did.some(
            (action) => action.kind === "stop-container" && /takes its place/.test(action.reason),
          );
          if (stopsOld) expect(before.observed.images.get(wanted.spec.image)).toBeTypeOf("string");
        });
      }),
      runs(100),
    );
  });

  test("[N124] [N134] start-first, something that serves is up and found between any two actions, whether the new one passes or fails", () => {
    fc.assert(
      fc.property(cuts, fc.boolean(), (where, bad) => {
        const { revision, specHash, spec, probes } = v1;
        const made = workload("web", { revision: 2, hash: "b2", spec: { image: "web:2" } });
        const order = { ...PLAIN_CHANGE_OVER, order: "start-first", onFailure: "revert", monitorMs: 5_000 } as const;
        const wanted: Workload = { ...made, changeOver: { ...order, previous: { revision, specHash, spec, probes } } };
        const seen = observed([v1, wanted], [container(v1, { id: "c1" })]);
        const own = {
          desired: assignment([wanted]),
          observed: seen,
          memory: passedMemory(v1),
          now: 1_000_000,
          count: 1,
        };
        const serves = (_before: ModelNode, after: ModelNode): void => {
          expect(upOnes(after).length).toBeGreaterThanOrEqual(1);
          const found = upOnes(after).filter(({ details }) => details.aliases["shop_default"]?.includes("web"));
          expect(found.length).toBeGreaterThanOrEqual(1);
          const decided = gateOf(after.memory.get(wanted.id), wanted).verdict.kind;
          if (decided === "open") expect(found.map((own) => own.specHash)).toEqual([specHash]);
        };
        const begun = rounds(own, where.slice(0, 2), 2, serves);
        const last = run(bad ? newOneDies(begun, wanted) : begun, where.slice(2), serves);
        const passed = gateOf(last.memory.get(wanted.id), wanted).verdict.kind;
        if (!bad) expect(passed).toBe("passed");
        expect(upOnes(last).map(({ details }) => details.aliases)).toEqual([{ shop_default: ["web"] }]);
      }),
      runs(50),
    );
  });
});
