// One simulated node: its machine, its engine, its link, its ledger's disk, and the real agent running on it.
// The disk and the engine's state outlive the agent and the power; nothing else does.

import type { SavedLease } from "@skerry/agent/core/link-state.ts";
import { LABEL } from "@skerry/agent/engine/labels.ts";
import type { LedgerChange } from "@skerry/agent/ledger/ledger.ts";
import { type DiskAnswer, MemoryDisk } from "@skerry/agent/ledger/memory.ts";
import type { LeaseKeeper } from "@skerry/agent/link/link.ts";
import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import type { NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import { startAgent } from "./agent.ts";
import { needlessStop, type Wanted, wantedAfter } from "./checkers/needless.ts";
import { outsideWindow, passedUnseen } from "./checkers/times.ts";
import type { NodeConfig } from "./config.ts";
import { createSimEngine, type Mutation, type SimEngine } from "./engine/client.ts";
import { type ContainerFact, createMachine, type Machine, type SimContainer } from "./engine/machine.ts";
import { type Interval, noteRun } from "./history.ts";
import { createHost, type Host, type Process } from "./host.ts";
import type { SimHub } from "./hub.ts";
import type { Link } from "./network.ts";
import type { ProbedMachine } from "./probes.ts";
import type { SitePart } from "./site.ts";
import type { LeaseFiles } from "./times.ts";

export interface SimNode {
  readonly name: string;
  readonly config: NodeConfig;
  readonly host: Host;
  readonly link: Link;
  readonly engine: SimEngine;
  readonly machine: Machine;
  /** What its containers answer to probes. */
  readonly probed: ProbedMachine;
  readonly leaseFiles: LeaseFiles;
  readonly disk: MemoryDisk;
  /** Kept where a reboot clears it. */
  readonly leases: LeaseKeeper;
  /** Made at the first joining, and durable before anybody hears of it. */
  privateKey(): string;
  /** null until it has joined. */
  id(): NodeId | null;
  agent(): Process | null;
  startAgent(): void;
  /** Called by the agent's start: how to stop it. */
  onAgent(stop: () => Promise<void>): void;
  killAgent(): void;
  /** As an update does: it waits for calls in flight, and ends. */
  stopAgent(): void;
  /** The power goes: agent and engine with it. `boot` brings both back. */
  powerCut(): void;
  boot(engineAfterMs: number): void;
  setDisk(state: "ok" | "full" | "broken"): void;
  /** Kills the agent in its next commit: before it is durable, or after and before it goes on. `power`: the whole machine. */
  crashAtCommit(when: "before" | "after", power: boolean): void;
  /** Kills the agent at its next changing engine call, once that has taken effect. */
  crashAtMutation(): void;
  /** Forgets crashes that were ordered and have not come. */
  calm(): void;
}

interface State {
  readonly part: SitePart;
  readonly config: NodeConfig;
  readonly open: Map<string, Interval>;
  readonly disk: MemoryDisk;
  readonly machine: () => Machine;
  readonly host: () => Host;
  wanted: Wanted;
  agent: Process | null;
  diskState: "ok" | "full" | "broken";
  crash: { when: "before" | "after"; power: boolean } | null;
  crashAtMutation: boolean;
  lease: SavedLease | null;
  stop: (() => Promise<void>) | null;
}

const STOP_DEADLINE_MS = 10_000;

export function createNode(part: SitePart, config: NodeConfig, hub: SimHub): SimNode {
  const { name } = config;
  const { scheduler, trace } = part;
  const state: State = {
    part,
    config,
    open: new Map(),
    disk: new MemoryDisk(),
    machine: () => machine,
    host: () => host,
    wanted: new Map(),
    agent: null,
    diskState: "ok",
    crash: null,
    crashAtMutation: false,
    lease: null,
    stop: null,
  };
  const host = createHost({ scheduler, seed: part.seed, name, wrongClocks: part.wrongClocks, rate: config.rate });
  host.setWallErrorMs(config.wallErrorMs);
  const link = part.network.link(name);
  link.setLatencyMs(config.latencyMs.least, config.latencyMs.most);
  const privateKey = part.chance(`key ${name}`).random.hex(32);
  const events: { tell: Parameters<typeof createSimEngine>[0]["events"]["tell"] } = { tell() {} };
  const chance = part.chance(`engine ${name}`);
  const machine = createMachine({
    scheduler,
    chance,
    wallMs: host.wallMs,
    rough: part.rough,
    onFact: (fact) => noteFact(state, fact),
    onEvent: (event) => events.tell(event),
  });
  const die = (why: string): void => {
    if (state.agent === null) return;
    trace.note(name, why);
    const { agent } = state;
    state.agent = null;
    agent.kill();
  };
  /** By itself: its supervisor starts it again. */
  const crash = (why: string): void => {
    die(why);
    scheduler.after(chance.between(500, 5_000), () => node.startAgent());
  };
  const engine = createSimEngine({
    scheduler,
    chance,
    trace,
    name,
    arch: config.arch,
    memoryBytes: config.memoryBytes,
    cores: config.cores,
    inRegistry: () => true,
    machine,
    events,
    onMutation(mutation) {
      noteMutation(state, mutation);
      if (!state.crashAtMutation) return;
      state.crashAtMutation = false;
      scheduler.after(0, () => crash("agent is killed after an engine call"));
    },
  });
  const powerCut = (): void => {
    trace.note(name, "loses its power");
    state.agent = null;
    state.lease = null;
    host.powerOff();
    engine.down();
    machine.powerCut();
  };
  state.disk.onCommit = (changes) => diskAnswer(state, changes, () => crash("agent dies in a commit"), powerCut);
  const node: SimNode = {
    name,
    config,
    host,
    link,
    engine,
    machine,
    leaseFiles: new Map(),
    probed: { chance: part.chance(`probes ${name}`), machine, rough: part.rough },
    disk: state.disk,
    privateKey: () => privateKey,
    leases: {
      load: () => state.lease,
      save(lease) {
        state.lease = lease;
      },
    },
    id: () => state.disk.content().identity?.node ?? null,
    agent: () => state.agent,
    startAgent() {
      if (state.agent !== null || !host.powered()) return;
      trace.note(name, "agent starts");
      const process = host.spawn(`agent ${name}`, (error) => {
        if (part.crashed(name, error)) crash("agent crashed");
      });
      state.agent = process;
      state.stop = null;
      process.step(() => startAgent({ part, node, hub, process }));
    },
    stopAgent() {
      const process = state.agent;
      if (process === null) return;
      trace.note(name, "agent is stopped");
      const end = (): void => {
        if (state.agent === process) die("agent stops");
      };
      process.step(() => void state.stop?.().then(end));
      // Its supervisor waits no longer.
      scheduler.after(STOP_DEADLINE_MS, end);
    },
    onAgent(stop) {
      state.stop = stop;
    },
    killAgent: () => die("agent is killed"),
    powerCut,
    boot(engineAfterMs) {
      if (host.powered()) return;
      trace.note(name, "boots");
      host.boot();
      scheduler.after(engineAfterMs, () => {
        if (host.powered() && !engine.isUp()) engine.up(true);
      });
      node.startAgent();
    },
    setDisk(now) {
      trace.note(name, `ledger's disk ${now}`);
      state.diskState = now;
    },
    crashAtCommit(when, power) {
      state.crash = { when, power };
    },
    crashAtMutation() {
      state.crashAtMutation = true;
    },
    calm() {
      state.crash = null;
      state.crashAtMutation = false;
    },
  };
  return node;
}

function diskAnswer(state: State, changes: readonly LedgerChange[], die: () => void, powerCut: () => void): DiskAnswer {
  const { crash } = state;
  state.crash = null;
  if (crash !== null && state.agent !== null) {
    // The commit itself still counts when it was `after`; the process is dead by the time that anybody could look.
    if (crash.power) powerCut();
    else die();
    if (crash.when === "before") return "cut-before";
  }
  if (state.diskState !== "ok") return state.diskState;
  noteCommit(state, changes);
  return crash === null ? "written" : "cut-after";
}

function noteCommit(state: State, changes: readonly LedgerChange[]): void {
  const { part, config, disk } = state;
  const { history, scheduler, trace } = part;
  history.violations.push(
    ...passedUnseen(config.name, state.machine(), state.wanted, disk.content().memory, changes, scheduler.nowMs()),
  );
  state.wanted = wantedAfter(state.wanted, changes, scheduler.nowMs());
  history.ledgerCommits.push({ atMs: scheduler.nowMs(), node: config.name, changes });
  trace.note(config.name, `ledger ${changes.map(({ kind }) => kind).join(" ")}`);
  noteEvents(state, changes);
}

/** Numbers as the ledger gives them. */
function noteEvents({ part, config, disk }: State, changes: readonly LedgerChange[]): void {
  const { history, scheduler } = part;
  let next = disk.content().nextSeq;
  const known = history.events.get(config.name) ?? [];
  history.events.set(config.name, known);
  for (const change of changes) {
    if (change.kind === "events-acked") next = Math.max(next, change.seq + 1);
    if (change.kind !== "event") continue;
    known.push({ seq: next, text: canonicalJson(change.event), atMs: scheduler.nowMs() });
    next += 1;
  }
}

function noteMutation(state: State, mutation: Mutation): void {
  const { part, config } = state;
  part.history.mutations.push({ ...mutation, node: config.name });
  const { wanted } = state;
  const time = { wallMs: state.host().wallMs(), setAtMs: state.host().wallSetAtMs() };
  const found = [
    needlessStop(config.name, state.machine(), wanted, mutation),
    outsideWindow(config.name, state.machine(), wanted, mutation, time),
  ];
  part.history.violations.push(...found.filter((one) => one !== null));
}

function noteFact(state: State, fact: ContainerFact): void {
  const { part, config, open } = state;
  const { container } = fact;
  part.history.facts.push({ ...fact, node: config.name });
  part.trace.note(config.name, `container ${container.name} ${container.id.slice(0, 6)} ${fact.what} by ${fact.by}`);
  if (fact.what === "started") open.set(container.id, openInterval(state, container));
  if (fact.what !== "ended") return;
  const interval = open.get(container.id);
  if (interval !== undefined) interval.untilMs = fact.atMs;
  open.delete(container.id);
}

function openInterval({ part, config }: State, container: SimContainer): Interval {
  const { labels } = container;
  const workload = labels[LABEL.workload];
  const interval: Interval = {
    node: config.name,
    container: container.id,
    startedAt: container.startedAt,
    // Written by the agent from a workload id.
    workload: container.madeBy === "agent" && workload !== undefined ? (workload as WorkloadId) : null,
    specHash: labels[LABEL.specHash] ?? null,
    fencingToken: container.request.environment["SKERRY_FENCING_TOKEN"] ?? null,
    sinceMs: part.scheduler.nowMs(),
    untilMs: null,
  };
  noteRun(part.history, interval);
  return interval;
}
