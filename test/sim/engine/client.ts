// The simulated engine as an agent sees it: slow, now and then wrong, hanging, restarted under its hands, and sometimes doing what it
// was asked without saying so. Implements the same interface as the real one; every call has a deadline.
import {
  type CreateRequest,
  type Engine,
  EngineError,
  type EngineErrorKind,
  type EngineEvent,
  type LogLine,
  type LogOptions,
  type PullProgress,
} from "@skerry/agent/engine/engine.ts";
import type { PullFailure } from "@skerry/shared/model/report.ts";
import { sleep } from "@skerry/shared/runtime/clock.ts";
import type { Chance } from "../chance.ts";
import type { Process } from "../host.ts";
import type { Scheduler } from "../scheduler.ts";
import type { Trace } from "../trace.ts";
import { NOT_TO_BE_HAD, PROBE_COMMAND } from "./life.ts";
import type { Machine, SimContainer } from "./machine.ts";

/** How bad an engine is at the moment. All zero: as good as engines get. */
export interface EngineFaults {
  /** Of each changing call: fails without effect, as `retry` or `conflict`. */
  failure: number;
  /** Of each call: takes effect, and the answer is lost. */
  lostAnswer: number;
  /** Of each call: no effect and no answer. */
  lostCall: number;
  /** Of each call that names a container, save a removal: "no such container" (or sandbox), though it is there. */
  notFound: number;
  /** Times as slow. */
  slowness: number;
  /** Of each event: never told. */
  lostEvent: number;
  /** Of each pull: breaks off. */
  pullFailure: number;
  registryUp: boolean;
}

export const NO_FAULTS: Readonly<EngineFaults> = {
  failure: 0,
  lostAnswer: 0,
  lostCall: 0,
  notFound: 0,
  slowness: 1,
  lostEvent: 0,
  pullFailure: 0,
  registryUp: true,
};

/** One changing call of the agent, at the moment of its effect. */
export interface Mutation {
  readonly atMs: number;
  /** When the agent asked; the effect may come much later. */
  readonly askedAtMs: number;
  readonly call: string;
  /** The object named, if it was there. */
  readonly target: SimContainer | null;
  readonly text: string;
}

export interface SimEngine {
  readonly machine: Machine;
  readonly faults: EngineFaults;
  client(process: Process): Engine;
  /** The engine's process is gone; calls fail at once. */
  down(): void;
  /** It is back. Without live-restore it kills what ran. */
  up(liveRestore: boolean): void;
  isUp(): boolean;
  hang(): void;
  unhang(): void;
  /** Calls that changed or may have changed something, since the start. */
  mutations(): number;
}

export interface SimEngineOptions {
  readonly scheduler: Pick<Scheduler, "nowMs" | "after">;
  readonly chance: Chance;
  readonly trace: Trace;
  readonly name: string;
  readonly arch: string;
  readonly memoryBytes: number;
  readonly cores: number;
  /** What the registry has. */
  readonly inRegistry: (image: string) => boolean;
  readonly onMutation: (mutation: Mutation) => void;
  readonly machine: Machine;
  /** Set by the maker of `machine`: where its events go. */
  readonly events: { tell: (event: EngineEvent) => void };
}

const READ_MS = { least: 1, most: 15, deadline: 20_000 } as const;
const CHANGE_MS = { least: 5, most: 120, deadline: 60_000 } as const;
const START_MS = { least: 40, most: 350, deadline: 120_000 } as const;
/** A look is many reads: with every third of them lost nobody would ever see anything, and no real engine is like that. */
const READ_SHARE = 0.1;
const ASIDE_MS = 2;
const STOP_MARGIN_MS = 30_000;
const PING_DEADLINE_MS = 5_000;

interface Subscriber {
  readonly process: Process;
  readonly onEvent: (event: EngineEvent) => void;
  readonly onEnd: (reason: string) => void;
}

interface State {
  readonly options: SimEngineOptions;
  readonly faults: EngineFaults;
  readonly subscribers: Set<Subscriber>;
  mode: "up" | "down" | "hung";
  /** Counts starts: a call begun before one is lost. */
  instance: number;
  pending: (() => void)[];
  mutations: number;
}

interface Call<T> {
  readonly name: string;
  readonly changes: boolean;
  readonly times: { readonly least: number; readonly most: number; readonly deadline: number };
  /** The container named. */
  readonly target: string | null;
  readonly effect: (answer: (value: T) => void) => void;
}

export function createSimEngine(options: SimEngineOptions): SimEngine {
  const state: State = {
    options,
    faults: { ...NO_FAULTS },
    subscribers: new Set(),
    mode: "up",
    instance: 1,
    pending: [],
    mutations: 0,
  };
  options.events.tell = (event) => publish(state, event);
  return {
    machine: options.machine,
    faults: state.faults,
    client: (process) => clientFor(state, process),
    isUp: () => state.mode === "up",
    mutations: () => state.mutations,
    down() {
      options.trace.note(options.name, "engine down");
      state.mode = "down";
      state.instance += 1;
      state.pending = [];
      endStreams(state);
    },
    up(liveRestore) {
      options.trace.note(options.name, `engine up ${liveRestore ? "with" : "without"} live-restore`);
      state.mode = "up";
      state.instance += 1;
      if (!liveRestore) options.machine.killAll();
    },
    hang() {
      options.trace.note(options.name, "engine hangs");
      if (state.mode === "up") state.mode = "hung";
    },
    unhang() {
      if (state.mode !== "hung") return;
      options.trace.note(options.name, "engine goes on");
      state.mode = "up";
      const late = state.pending;
      state.pending = [];
      // What was asked while it hung is done now, also for callers that have long given up.
      for (const go of late) options.scheduler.after(options.chance.between(0, 50), go);
    },
  };
}

function publish(state: State, event: EngineEvent): void {
  const { scheduler, chance } = state.options;
  for (const one of state.subscribers) {
    if (chance.yes(state.faults.lostEvent)) continue;
    const { instance } = state;
    scheduler.after(chance.between(1, 25), () => {
      if (state.instance !== instance || !state.subscribers.has(one)) return;
      one.process.step(() => one.onEvent(event));
    });
  }
}

function endStreams(state: State): void {
  for (const one of state.subscribers) {
    state.subscribers.delete(one);
    state.options.scheduler.after(1, () => one.process.step(() => one.onEnd("the engine ended the stream of events")));
  }
}

function perform<T>(state: State, process: Process, call: Call<T>): Promise<T> {
  const { scheduler, chance, trace, name } = state.options;
  return new Promise<T>((resolve, reject) => {
    let open = true;
    const settle = (how: () => void): void =>
      process.step(() => {
        if (!open) return;
        open = false;
        deadline.cancel();
        how();
      });
    const fail = (kind: EngineErrorKind, why: string): void =>
      settle(() => reject(new EngineError(kind, `${call.name}: ${why}`)));
    const deadline = process.clock.setTimer(call.times.deadline, () =>
      fail("unreachable", "the engine did not answer"),
    );
    const { instance } = state;
    const askedAtMs = scheduler.nowMs();
    const go = (): void => {
      if (state.instance !== instance || state.mode === "down") return fail("unreachable", "the engine broke off");
      if (state.mode === "hung") {
        state.pending.push(go);
        return;
      }
      const share = call.changes ? 1 : READ_SHARE;
      if (chance.yes(state.faults.lostCall * share)) return fail("unreachable", "the engine broke off");
      if (call.changes && chance.yes(state.faults.failure)) {
        return fail(chance.pick(["retry", "retry", "conflict"] as const), "something went wrong");
      }
      if (call.target !== null && !call.name.startsWith("remove ") && chance.yes(state.faults.notFound))
        return fail("not-found", "No such container");
      const lost = chance.yes(state.faults.lostAnswer * share);
      if (call.changes) record(state, call.name, call.target, askedAtMs);
      try {
        call.effect((value) => {
          if (state.instance !== instance || lost) return fail("unreachable", "the engine broke off");
          scheduler.after(chance.between(0, 2), () => settle(() => resolve(value)));
        });
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        if (call.changes) trace.note(name, `${call.name} refused: ${error.kind} ${error.message.slice(0, 60)}`);
        scheduler.after(chance.between(0, 2), () => settle(() => reject(error)));
      }
    };
    if (state.mode === "down") scheduler.after(1, () => fail("unreachable", "no container engine listens"));
    else scheduler.after(chance.between(call.times.least, call.times.most) * state.faults.slowness, go);
  });
}

function record(state: State, name: string, target: string | null, askedAtMs: number): void {
  const { options } = state;
  const container = target === null ? null : options.machine.find(target);
  state.mutations += 1;
  options.trace.note(options.name, `engine ${name}`);
  const atMs = options.scheduler.nowMs();
  options.onMutation({ atMs, askedAtMs, call: name, target: container, text: target ?? "" });
}

const short = (id: string): string => id.slice(0, 12);

function clientFor(state: State, process: Process): Engine {
  const { machine } = state.options;
  const read = <T>(name: string, target: string | null, look: () => T): Promise<T> =>
    perform(state, process, { name, changes: false, times: READ_MS, target, effect: (answer) => answer(look()) });
  const change = <T>(name: string, target: string | null, work: (answer: (value: T) => void) => void): Promise<T> =>
    perform(state, process, { name, changes: true, times: CHANGE_MS, target, effect: work });
  return {
    ping: () =>
      perform<void>(state, process, {
        name: "ping",
        changes: false,
        times: { ...READ_MS, deadline: PING_DEADLINE_MS },
        target: null,
        effect: (answer) => answer(),
      }),
    facts: () => read("facts", null, () => factsOf(state)),
    listContainers: () => read("list containers", null, () => [...machine.containers.values()].map(machine.summary)),
    inspectContainer: (id) => read(`inspect ${short(id)}`, id, () => machine.details(mustFind(machine, id))),
    inspectImage: (image) => read(`inspect image ${image}`, null, () => machine.images.get(image) ?? null),
    pullImage: (image, _platform, _login, progress, signal) => pull(state, process, image, progress, signal),
    createContainer: (request) => create(state, process, request),
    startContainer: (id) =>
      perform<void>(state, process, {
        name: `start ${short(id)}`,
        changes: true,
        times: START_MS,
        target: id,
        effect(answer) {
          machine.start(id, "agent");
          answer();
        },
      }),
    stopContainer: (id, graceMs) => stop(state, process, id, graceMs),
    exec: (id, command, signal) => {
      const what = `run ${command[0] ?? "nothing"} in ${short(id)}`;
      const asked = aside(state, process, what, () => {
        const container = mustFind(machine, id);
        if (container.status !== "running") throw new EngineError("conflict", "it is not running");
        if (command[0] === "echo") return { exitCode: 0, output: `${command.slice(1).join(" ")}\n` };
        return { exitCode: command[0] === PROBE_COMMAND && machine.serves(container) ? 0 : 1, output: "" };
      });
      // No command here takes long: what is late is the engine.
      return orGivenUp(asked, signal, what);
    },
    tail: (id, lines, maxBytes) =>
      aside(state, process, `tail ${short(id)}`, () => lastOf(mustFind(machine, id).lines, lines, maxBytes)),
    removeContainer: (id, force) =>
      change<void>(`remove ${short(id)}`, id, (answer) => machine.remove(id, force, "agent", () => answer())),
    renameContainer: (id, name) =>
      change<void>(`rename ${short(id)} to ${name}`, id, (answer) => answer(machine.rename(id, name, "agent"))),
    connectNetwork: (network, id, { aliases }) =>
      change<void>(`connect ${short(id)} to ${network}`, id, (answer) =>
        answer(machine.connect(network, id, "agent", aliases)),
      ),
    async changeAliases(network, id, { aliases }) {
      // Two calls, as of a real one: an agent may die between them, and either may fail.
      await change<void>(`disconnect ${short(id)} from ${network}`, id, (answer) => {
        if (mustFind(machine, id).networks.has(network)) machine.disconnect(network, id, "agent");
        answer();
      });
      await change<void>(`connect ${short(id)} to ${network}`, id, (answer) =>
        answer(machine.connect(network, id, "agent", aliases)),
      );
    },
    listNetworks: () =>
      read("list networks", null, () =>
        [...machine.networks.values()].map(({ id, name, labels }) => ({ id, name, labels })),
      ),
    createNetwork: (network, labels) =>
      change<void>(`create network ${network.engineName}`, null, (answer) =>
        answer(machine.createNetwork(network, labels, "agent")),
      ),
    removeNetwork: (id) =>
      change<void>(`remove network ${short(id)}`, null, (answer) => answer(machine.removeNetwork(id, "agent"))),
    listVolumes: () =>
      read("list volumes", null, () => [...machine.volumes.values()].map(({ name, labels }) => ({ name, labels }))),
    createVolume: (volume, labels) =>
      change<void>(`create volume ${volume.engineName}`, null, (answer) =>
        answer(machine.createVolume(volume, labels, "agent")),
      ),
    watch: (onEvent, onEnd) => watch(state, { process, onEvent, onEnd }),
    logs: (id, options, signal) => logs(state, process, id, options, signal),
  };
}

/** Takes the same time always and is never wrong: it draws no chance, so that what it is asked changes no other draw. */
function aside<T>(state: State, process: Process, name: string, look: () => T): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const { instance } = state;
    const go = (): void =>
      process.step(() => {
        if (state.mode === "hung") {
          state.pending.push(go);
          return;
        }
        if (state.mode === "down" || state.instance !== instance) {
          reject(new EngineError("unreachable", `${name}: the engine broke off`));
          return;
        }
        try {
          resolve(look());
        } catch (error) {
          reject(error);
        }
      });
    state.options.scheduler.after(ASIDE_MS, go);
  });
}

function orGivenUp<T>(asked: Promise<T>, signal: AbortSignal, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    asked.then(resolve, reject);
    signal.addEventListener("abort", () => reject(new EngineError("retry", `${what} was given up`)));
  });
}

/** As an engine reads them: the last lines, together at most so many bytes. */
function lastOf(lines: readonly string[], count: number, maxBytes: number): readonly string[] {
  const last = lines.slice(-count);
  while (last.length > 1 && last.reduce((sum, line) => sum + line.length + 1, 0) > maxBytes) last.shift();
  return last.map((line) => line.slice(-maxBytes));
}

/** How often a followed log is looked at. */
const LOG_LOOK_MS = 50;

async function* logs(
  state: State,
  process: Process,
  id: string,
  { follow, tail, since }: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const { machine } = state.options;
  const name = `read the log of ${short(id)}`;
  const look = (): Promise<{ lines: LogLine[]; ends: boolean }> =>
    perform(state, process, {
      ...{ name, changes: false, times: READ_MS, target: id },
      effect(answer) {
        const { log, status } = mustFind(machine, id);
        answer({ lines: [...log], ends: status !== "running" });
      },
    });
  let told = 0;
  for (let first = true; ; first = false) {
    const { lines, ends } = await look();
    const fresh = lines.slice(told).filter(({ at }) => since === null || at >= since);
    told = lines.length;
    yield* first && tail !== null ? fresh.slice(Math.max(0, fresh.length - tail)) : fresh;
    if (!follow || ends || signal.aborted) return;
    await sleep(process.clock, LOG_LOOK_MS);
    if (signal.aborted) return;
  }
}

function mustFind(machine: Machine, id: string): SimContainer {
  const found = machine.find(id);
  if (found === null) throw new EngineError("not-found", `No such container: ${id}`);
  return found;
}

function factsOf({ options, instance }: State) {
  return {
    instance: `instance-${instance}`,
    version: "28.0.0-sim",
    apiVersion: "1.47",
    arch: options.arch,
    cores: options.cores,
    memoryBytes: options.memoryBytes,
    dataRoot: "/var/lib/docker",
    warnings: [],
  };
}

function create(state: State, process: Process, request: CreateRequest): Promise<string> {
  const { machine } = state.options;
  return perform(state, process, {
    name: `create ${request.name}`,
    changes: true,
    times: CHANGE_MS,
    target: null,
    effect: (answer) => answer(machine.create(request, "agent").id),
  });
}

function stop(state: State, process: Process, id: string, graceMs: number | null): Promise<void> {
  const { machine } = state.options;
  const own = machine.find(id)?.request.spec.stopGraceMs ?? 10_000;
  return perform<void>(state, process, {
    name: `stop ${short(id)}`,
    changes: true,
    times: { ...CHANGE_MS, deadline: (graceMs ?? own) + STOP_MARGIN_MS },
    target: id,
    effect: (answer) => machine.stop(id, graceMs ?? own, "agent", () => answer()),
  });
}

function watch(state: State, one: Subscriber): { close(): void } {
  const { scheduler } = state.options;
  if (state.mode === "down") {
    scheduler.after(1, () => one.process.step(() => one.onEnd("no container engine listens")));
    return { close() {} };
  }
  let live = true;
  // The stream begins a moment after it was asked for: what happens in between is not told.
  scheduler.after(state.options.chance.between(1, 10), () => {
    if (!live) return;
    if (state.mode === "down") one.process.step(() => one.onEnd("the engine broke off"));
    else state.subscribers.add(one);
  });
  one.process.onDeath(() => state.subscribers.delete(one));
  return {
    close() {
      live = false;
      state.subscribers.delete(one);
    },
  };
}

function pull(
  state: State,
  process: Process,
  image: string,
  progress: (now: PullProgress) => void,
  signal: AbortSignal,
): Promise<void> {
  const { scheduler, chance, machine, trace, name, inRegistry, arch } = state.options;
  const { instance } = state;
  const totalBytes = chance.int(1_000_000, 90_000_000);
  const steps = chance.int(2, 5);
  trace.note(name, `engine pull ${image}`);
  return new Promise((resolve, reject) => {
    let open = true;
    const settle = (how: () => void): void =>
      process.step(() => {
        if (!open) return;
        open = false;
        how();
      });
    const fail = (kind: EngineErrorKind, why: string, pullFailure?: PullFailure): void =>
      settle(() =>
        reject(new EngineError(kind, `pull ${image}: ${why}`, pullFailure === undefined ? {} : { pullFailure })),
      );
    const never = NOT_TO_BE_HAD.get(image);
    const step = (number: number): void => {
      if (state.mode === "hung") {
        state.pending.push(() => step(number));
        return;
      }
      if (state.instance !== instance || state.mode === "down") return fail("unreachable", "the engine broke off");
      if (signal.aborted) return fail("retry", "was cancelled");
      if (!state.faults.registryUp) return fail("retry", "dial tcp: no route to host", "unreachable");
      if (never !== undefined) return fail("retry", never.says, never.why);
      if (!inRegistry(image)) return fail("retry", "manifest unknown");
      if (chance.yes(state.faults.pullFailure)) return fail("retry", "unexpected EOF");
      if (number >= steps) {
        machine.images.set(image, { id: `sha256:${image}`, arch });
        return settle(resolve);
      }
      process.step(() => {
        const doneBytes = Math.floor((totalBytes * number) / steps);
        if (open) progress({ doneBytes, totalBytes, doneLayers: number - 1, totalLayers: steps });
      });
      scheduler.after(chance.between(100, 1_500) * state.faults.slowness, () => step(number + 1));
    };
    scheduler.after(chance.between(20, 300), () => step(1));
  });
}
