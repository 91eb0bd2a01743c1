// Site: one machine with the simulated engine, a ledger on a simulated disk and a reconciler, on virtual time. For tests of the loop alone:
// no hub, no link. `run` lets time pass; everything that a person or chance would do is done to `machine` and `engine` directly.

import { initialLinkState, type LinkState } from "@skerry/agent/core/link-state.ts";
import type { Answer } from "@skerry/agent/core/probe.ts";
import type { Engine } from "@skerry/agent/engine/engine.ts";
import { type LabelKey, labelKey } from "@skerry/agent/engine/labels.ts";
import type { Identity, LedgerContent } from "@skerry/agent/ledger/ledger.ts";
import { MemoryDisk, openMemoryLedger } from "@skerry/agent/ledger/memory.ts";
import type { ProbeTarget } from "@skerry/agent/prober/prober.ts";
import { createReconciler } from "@skerry/agent/reconciler/loop.ts";
import type { Reconciler } from "@skerry/agent/reconciler/reconciler.ts";
import type { ChangeTimes } from "@skerry/agent/times/times.ts";
import type { Assignment } from "@skerry/shared/model/assignment.ts";
import type { NodeEvent } from "@skerry/shared/model/event.ts";
import type { Probe } from "@skerry/shared/model/update.ts";
import type { Clock } from "@skerry/shared/runtime/clock.ts";
import { silentLog } from "@skerry/shared/runtime/log.ts";
import { createChance } from "../../sim/chance.ts";
import { createSimEngine, type Mutation, type SimEngine } from "../../sim/engine/client.ts";
import { createMachine, type Machine, type SimContainer } from "../../sim/engine/machine.ts";
import { createHost, type Host, type Process } from "../../sim/host.ts";
import { createScheduler } from "../../sim/scheduler.ts";
import { createTrace } from "../../sim/trace.ts";
import { INSTALLATION, NODE } from "./scenario.ts";

export const IDENTITY: Identity = {
  node: NODE,
  name: "pi",
  installation: INSTALLATION,
  privateKey: "c0".repeat(32),
  hubUrl: "http://hub",
  hubKey: null,
  mark: null,
  pins: [],
  ...{ nextKey: null, keyStep: 0, labelSecret: null, formerBoxKeys: [] },
  binding: "none",
  tokens: [],
};

export interface Site {
  readonly machine: Machine;
  readonly engine: SimEngine;
  readonly disk: MemoryDisk;
  readonly key: LabelKey;
  /** Engine calls of the agent that change something, oldest first. */
  readonly mutations: Mutation[];
  /** Calls of any kind, by the interface's names. */
  readonly calls: Map<string, number>;
  reconciler(): Reconciler;
  /** Set by a test that plays what is probed. */
  ask: (target: ProbeTarget, probe: Probe) => Promise<Answer | null>;
  /** Set by a test in place of the engine's own; null: the engine's own. */
  tail: Engine["tail"] | null;
  /** Set by a test that holds updates: one for each agent's process, by its clock. null: nothing is held. */
  times: ((clock: Clock) => ChangeTimes) | null;
  /** Set by a test that plays the link. */
  link: LinkState;
  nowMs(): number;
  monotonicMs(): number;
  content(): LedgerContent;
  events(): readonly NodeEvent[];
  /** Makes it durable and wakes the loop, as the link does. */
  assign(assignment: Assignment): void;
  /** Lets `ms` pass. */
  run(ms: number): Promise<void>;
  /** kill -9 and a new process on the same disk. */
  restartAgent(): Promise<void>;
  killAgent(): void;
  startAgent(): void;
  stopAgent(): Promise<void>;
  powerCut(): void;
  container(name: string): SimContainer;
}

export function createSite(): Site {
  const scheduler = createScheduler();
  const host: Host = createHost({ scheduler, seed: 1, name: "pi", rate: 1, wrongClocks: true });
  const chance = createChance(1, "engine");
  const events: { tell: Parameters<typeof createSimEngine>[0]["events"]["tell"] } = { tell() {} };
  const machine = createMachine({
    ...{ scheduler, chance, wallMs: host.wallMs, rough: () => false },
    onFact: () => undefined,
    onEvent: (event) => events.tell(event),
  });
  const mutations: Mutation[] = [];
  const engine = createSimEngine({
    ...{ scheduler, chance, machine, events, name: "engine", arch: "arm64", memoryBytes: 2 ** 30, cores: 4 },
    trace: createTrace(scheduler.nowMs, false),
    inRegistry: (image) => !image.startsWith("missing"),
    onMutation: (mutation) => mutations.push(mutation),
  });
  const disk = new MemoryDisk();
  const calls = new Map<string, number>();
  const key = labelKey(IDENTITY);
  let process: Process | null = null;
  let reconciler: Reconciler | null = null;
  let ledger = openMemoryLedger(disk).ledger;
  ledger.commit([{ kind: "identity", identity: IDENTITY }]);
  const crashes: unknown[] = [];

  const site: Site = {
    ...{ machine, engine, disk, key, mutations, calls },
    ...{ tail: null, times: null },
    ask: () => Promise.resolve({ ok: true, what: "HTTP 200", detail: "" }),
    link: initialLinkState(host.bootId(), null, host.monotonicMs()),
    reconciler() {
      if (reconciler === null) throw new Error("no agent runs");
      return reconciler;
    },
    nowMs: scheduler.nowMs,
    monotonicMs: host.monotonicMs,
    content: () => ledger.content(),
    events: () => disk.content().outbox.map(({ event }) => event),
    assign(assignment) {
      ledger.commit([{ kind: "assignment", assignment, seal: null }]);
      reconciler?.wake("assignment");
    },
    async run(ms) {
      await scheduler.runUntil(scheduler.nowMs() + ms);
      if (crashes.length > 0) throw crashes[0];
    },
    killAgent() {
      process?.kill();
      reconciler = null;
    },
    startAgent() {
      const born = host.spawn("agent", (error) => crashes.push(error));
      const opened = openMemoryLedger(disk);
      process = born;
      ledger = opened.ledger;
      reconciler = createReconciler({
        safeMode: () => false,
        ...{ clock: born.clock, random: born.random, log: silentLog, ledger, labelKey: key, bootId: host.bootId() },
        engine: counting(withTail(engine.client(born), site), calls),
        link: () => site.link,
        ask: (target, probe) => site.ask(target, probe),
        ...(site.times === null ? {} : { times: site.times(born.clock) }),
        metered: false,
        ledgerLost: opened.rebuilt,
      });
      reconciler.run().catch((error: unknown) => crashes.push(error));
    },
    async restartAgent() {
      site.killAgent();
      site.startAgent();
      await site.run(0);
    },
    async stopAgent() {
      const stopped = reconciler?.stop();
      await scheduler.runUntil(scheduler.nowMs() + 10_000);
      await stopped;
    },
    powerCut() {
      host.powerOff();
      engine.down();
      machine.powerCut();
      host.boot();
      engine.up(false);
      site.link = initialLinkState(host.bootId(), null, host.monotonicMs());
      reconciler = null;
    },
    container(name) {
      const found = machine.find(name);
      if (found === null) throw new Error(`no container ${name}`);
      return found;
    },
  };
  return site;
}

function withTail(engine: Engine, site: Pick<Site, "tail">): Engine {
  return { ...engine, tail: (id, lines, bytes) => (site.tail ?? engine.tail)(id, lines, bytes) };
}

/** The same engine, with every call counted. */
function counting(engine: Engine, calls: Map<string, number>): Engine {
  const count = (name: string): void => void calls.set(name, (calls.get(name) ?? 0) + 1);
  return new Proxy(engine, {
    get(target, name, receiver) {
      count(String(name));
      return Reflect.get(target, name, receiver);
    },
  });
}
