// The law that ties store and World: what is loaded after any run of commits equals what was applied in memory. Both stores, random runs
// of the real control loop: commands, nodes that come, accept, report, say events and fall silent.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AppSpec } from "@skerry/shared/model/app.ts";
import type { NodeId, NodeName, PublicKey, SpecHash } from "@skerry/shared/model/ids.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import { silentLog } from "@skerry/shared/runtime/log.ts";
import { seededRandom } from "@skerry/shared/runtime/random.ts";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type ControlLoop, createControlLoop } from "../../hub/src/control-loop.ts";
import { worldFrom } from "../../hub/src/core/apply-change.ts";
import type { Command } from "../../hub/src/core/command.ts";
import { DEFAULT_SETTINGS } from "../../hub/src/core/decide.ts";
import { keysTaken } from "../../hub/src/core/key-roll.ts";
import type { World } from "../../hub/src/core/world.ts";
import { createMemoryDisk, openMemoryStore } from "../../hub/src/store/memory.ts";
import { openSqliteStore } from "../../hub/src/store/sqlite/store.ts";
import type { Store } from "../../hub/src/store/store.ts";
import { type HandClock, handClock } from "../unit/hub/hand-clock.ts";
import { ORIGIN } from "../unit/hub/origin.ts";
import { appSpec, facts } from "../unit/hub/scenario.ts";
import { INSTALLATION } from "./store.ts";

/** Runs against real files cost tens of milliseconds each. */
const RUNS = 12;
const MAX_STEPS = 40;

type Step =
  | {
      readonly kind: "apply";
      readonly app: number;
      readonly replicas: number | "global";
      readonly image: number;
      readonly fence: boolean;
    }
  | { readonly kind: "remove-app" | "remove-node" | "greet" | "accept" | "label"; readonly which: number }
  | { readonly kind: "roll-key" | "next-key"; readonly which: number }
  | { readonly kind: "cordon"; readonly which: number; readonly on: boolean }
  | { readonly kind: "events"; readonly which: number; readonly count: number }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "join" };

const which = fc.nat({ max: 4 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("apply" as const),
    app: fc.nat({ max: 2 }),
    replicas: fc.oneof(fc.constant("global" as const), fc.nat({ max: 4 })),
    image: fc.nat({ max: 3 }),
    fence: fc.boolean(),
  }),
  fc.record({ kind: fc.constantFrom("remove-app" as const, "remove-node" as const, "label" as const), which }),
  fc.record({ kind: fc.constantFrom("greet" as const, "accept" as const), which }),
  fc.record({ kind: fc.constantFrom("roll-key" as const, "next-key" as const), which }),
  fc.record({ kind: fc.constant("cordon" as const), which, on: fc.boolean() }),
  fc.record({ kind: fc.constant("events" as const), which, count: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(10, 5_000, 60_000, 400_000) }),
  fc.constant({ kind: "join" as const }),
);

interface Run {
  readonly loop: ControlLoop;
  readonly store: Store;
  readonly clock: HandClock;
  readonly submit: (command: Command) => void;
}

function spec({ app, replicas, image, fence }: Extract<Step, { kind: "apply" }>): AppSpec {
  const disconnect = fence
    ? ({ policy: "fence", afterMs: 5_000 } as const)
    : ({ policy: "replace", afterMs: 5_000 } as const);
  return appSpec(`app${app}`, { name: "web", replicas, image: `web:${image}`, disconnect });
}

function take({ loop, store, clock, submit }: Run, at: Step, count: number): void {
  const node = (index: number): NodeId | undefined => [...loop.world.nodes.keys()].sort()[index];
  const target = "which" in at ? node(at.which) : undefined;
  switch (at.kind) {
    case "apply":
      return submit({
        kind: "apply-app",
        retry: false,
        force: false,
        spec: spec(at),
        source: "# as given",
        ifRevision: null,
      });
    case "remove-app":
      return submit({ kind: "remove-app", app: appSpec(`app${at.which % 3}`).name, ifRevision: null });
    case "join":
      // Names and hashes that are valid by eye.
      return submit({
        kind: "join-node",
        publicKey: sha256Hex(`key ${count}`) as PublicKey,
        name: `pi-${count}` as NodeName,
        labels: { site: "shop" },
        facts: { ...facts, hostname: `pi-${count}` },
        tokenId: "t1",
      });
    case "wait":
      return clock.run(at.ms);
    default:
      if (target !== undefined) takeOn({ loop, store, clock, submit }, at, target);
  }
}

function takeOn(
  { loop, store, submit }: Run,
  at: Exclude<Step, { kind: "apply" | "join" | "wait" }>,
  node: NodeId,
): void {
  const state = loop.world.nodes.get(node);
  if (state === undefined) return;
  switch (at.kind) {
    case "remove-node":
      return submit({ kind: "remove-node", node });
    case "label":
      return submit({ kind: "set-node-labels", node, set: { turn: String(loop.world.seq) }, unset: ["site"] });
    case "cordon":
      return submit({
        kind: "set-availability",
        node,
        availability: at.on ? "cordoned" : "active",
        reason: "",
        drainForMs: null,
      });
    case "greet":
      return loop.greet(
        { ...HELLO, node },
        // The next one, once it is named; nobody's, of a node that is gone.
        keysTaken(state, store.publicKey(node)).at(-1) ?? ("0".repeat(64) as PublicKey),
        () => null,
        () => {},
      );
    case "roll-key":
      return submit({ kind: "roll-node-key", node });
    case "next-key": {
      // Signatures are checked before the loop. Several nodes that name one key are to be seen, too.
      const publicKey = sha256Hex(`next ${at.which % 2}`) as PublicKey;
      const signatures = { byPresent: "0".repeat(128), byNext: "0".repeat(128) };
      return loop.receive(node, { type: "next-key", publicKey, ...signatures }, () => {});
    }
    case "accept":
      // Only the position is looked at by the loop.
      return loop.receive(
        node,
        { type: "accepted", position: state.assigned, hash: "0".repeat(64) as SpecHash },
        () => {},
      );
    case "events": {
      const items = Array.from({ length: at.count }, (_, index) => ({
        seq: state.eventsAcked + index,
        bootId: "b",
        ageMs: null,
        event: { kind: "gap", lost: index } as const,
      }));
      return loop.receive(node, { type: "events", items }, () => {});
    }
    default:
      return undefined;
  }
}

const HELLO = {
  type: "hello",
  protocol: 2,
  protocolMinimum: 2,
  bootId: "b",
  runId: "r",
  agentVersion: "t",
  have: null,
  mark: null,
} as const;

/** What must be the same; tombstones of a node are a set. */
function durable(world: World): object {
  const tombstones = [...world.tombstonesByNode].map(([node, list]) => [
    node,
    list.toSorted((a, b) => (a.workload < b.workload ? -1 : 1)),
  ]);
  const { installation, epoch, seq, apps, nodes, placements, placementsByNode, copies, fencingTokens } = world;
  const { usage, nodesByName, tombstoneNodes } = world;
  return {
    installation,
    epoch,
    seq,
    apps,
    nodes,
    nodesByName,
    placements,
    placementsByNode,
    copies,
    tombstones: new Map(tombstones as [NodeId, unknown][]),
    tombstoneNodes,
    fencingTokens,
    usage: new Map(
      [...usage].map(([node, { ports, ...sums }]) => [
        node,
        { ...sums, ports: new Set(ports.map((port) => JSON.stringify(port))) },
      ]),
    ),
  };
}

/** Takes the steps, restarting the hub half way, and compares after each of the two halves. */
function obeysTheLaw(open: () => Store, steps: readonly Step[]): void {
  const clock = handClock();
  const random = seededRandom(steps.length);
  const context = {
    actor: "admin",
    origin: ORIGIN,
    freshToken: { id: "t1", secretHash: sha256Hex("t1") as SpecHash },
    idempotency: null,
  };
  const half = Math.ceil(steps.length / 2);
  for (const part of [steps.slice(0, half), steps.slice(half)]) {
    const store = open();
    const loop = createControlLoop({ clock, random, log: silentLog, store, settings: DEFAULT_SETTINGS });
    const submit = (command: Command): void => void loop.submit(command, context);
    loop.start();
    submit({ kind: "create-token", uses: 1_000, expiresInMs: 1e9, labels: {}, approval: false });
    for (const [index, at] of part.entries()) {
      take({ loop, store, clock, submit }, at, index);
      clock.run(0);
      expect(loop.storage()).toEqual({ kind: "ok" });
    }
    loop.stop();
    expect(durable(worldFrom(store.load(), 0))).toEqual(durable(loop.world));
    store.close();
  }
}

test("[S20] what is loaded equals what was applied (memory)", () => {
  const runs = fc.property(fc.array(step, { maxLength: MAX_STEPS, size: "max" }), (steps) => {
    const disk = createMemoryDisk({ installation: INSTALLATION, epoch: 1 });
    obeysTheLaw(() => openMemoryStore(disk), steps);
  });
  fc.assert(runs, { numRuns: 8 * RUNS, seed: 20_261_121 });
});

test("[S20] what is loaded equals what was applied (SQLite)", () => {
  const folder = mkdtempSync(join(tmpdir(), "skerry-law-"));
  let run = 0;
  const runs = fc.property(fc.array(step, { maxLength: MAX_STEPS, size: "max" }), (steps) => {
    run += 1;
    const path = join(folder, String(run), "hub.sqlite");
    obeysTheLaw(
      () => openSqliteStore({ path, startedAtMs: 0, first: () => ({ installation: INSTALLATION, epoch: 1 }) }),
      steps,
    );
  });
  try {
    fc.assert(runs, { numRuns: RUNS, seed: 20_261_121 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
