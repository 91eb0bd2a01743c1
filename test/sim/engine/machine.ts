// The simulated engine's own state: containers, networks, volumes and images of one machine, and what becomes of them. Every change
// names who made it, so that checkers can tell an agent's deeds from an operator's and from chance.
// It answers at once and truthfully; being slow, hanging and lying is the business of client.ts.

import {
  type ContainerDetails,
  type ContainerStatus,
  type ContainerSummary,
  type CreateRequest,
  EngineError,
  type EngineEvent,
  type LogLine,
} from "@skerry/agent/engine/engine.ts";
import type { AppNetwork, AppVolume } from "@skerry/shared/model/app.ts";
import type { Chance } from "../chance.ts";
import type { Due, Scheduler } from "../scheduler.ts";
import { drawLife, kindOf, type Life } from "./life.ts";

/** agent: through its client. outside: a person with the docker command. itself: the process's own end. engine: its crash, or the machine's. */
export type Actor = "agent" | "outside" | "itself" | "engine";

/** A thing that happened to a container, in true time. */
export interface ContainerFact {
  readonly atMs: number;
  readonly what: "created" | "started" | "ended" | "removed" | "renamed" | "edited" | "healthy" | "unhealthy";
  readonly by: Actor;
  readonly container: SimContainer;
}

export interface SimContainer {
  readonly id: string;
  name: string;
  readonly request: CreateRequest;
  readonly labels: Readonly<Record<string, string>>;
  readonly imageId: string;
  readonly madeBy: Actor;
  readonly madeAtMs: number;
  status: ContainerStatus;
  exitCode: number;
  oom: boolean;
  error: string;
  /** What it wrote. */
  lines: string[];
  life: Life | null;
  /** In true time; null: not running. */
  runningSinceMs: number | null;
  /** By the machine's wall clock, as engines do. */
  startedWallMs: number | null;
  finishedWallMs: number | null;
  startedAt: string;
  health: ContainerSummary["health"];
  networks: Set<string>;
  /** By network. */
  aliases: Map<string, readonly string[]>;
  /** How often it was attached to one: an engine's endpoints never look the same twice. */
  attachments: number;
  limits: ContainerDetails["limits"];
  /** When it last fell sick in this run: it serves badly for a while, and its health check fails for good. null: not. */
  sickSinceMs: number | null;
  /** When it last turned from unhealthy to healthy. */
  recoveredAtMs: number | null;
  /** Somebody changed it from outside since it was made. */
  edited: boolean;
  dues: Due[];
  /** What its process wrote: at each start the same three lines. */
  readonly log: LogLine[];
}

export interface SimNetwork {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly madeBy: Actor;
}
export interface SimVolume {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly madeBy: Actor;
}

export interface Machine {
  readonly containers: ReadonlyMap<string, SimContainer>;
  readonly networks: ReadonlyMap<string, SimNetwork>;
  readonly volumes: ReadonlyMap<string, SimVolume>;
  readonly images: Map<string, { readonly id: string; readonly arch: string }>;
  /** Names of all volumes that ever were. */
  volumesEver(): readonly string[];
  find(nameOrId: string): SimContainer | null;
  /** It would answer a probe well at this moment. */
  serves(container: SimContainer): boolean;
  summary(container: SimContainer): ContainerSummary;
  details(container: SimContainer): ContainerDetails;
  create(request: CreateRequest, by: Actor): SimContainer;
  start(id: string, by: Actor): void;
  /** `done` is called when it has stopped, at once when it was not running. */
  stop(id: string, graceMs: number, by: Actor, done: () => void): void;
  kill(id: string, by: Actor, exitCode: number): void;
  /** `done` is called when it is gone. */
  remove(id: string, force: boolean, by: Actor, done: () => void): void;
  rename(id: string, name: string, by: Actor): void;
  edit(id: string, memoryBytes: number, by: Actor): void;
  sicken(id: string): void;
  connect(network: string, id: string, by: Actor, aliases?: readonly string[]): void;
  disconnect(network: string, id: string, by: Actor): void;
  createNetwork(network: Pick<AppNetwork, "engineName">, labels: Readonly<Record<string, string>>, by: Actor): void;
  removeNetwork(id: string, by: Actor): void;
  deleteImage(reference: string): void;
  createVolume(volume: Pick<AppVolume, "engineName">, labels: Readonly<Record<string, string>>, by: Actor): void;
  /** Only for planted bugs and outside edits: agents have no such call. */
  removeVolume(name: string): void;
  /** The engine's process came back without live-restore: what ran is killed. */
  killAll(): void;
  /** The machine lost its power: what ran is ended, and what was made in the last moments may never have reached the disk. */
  powerCut(): void;
}

export interface MachineOptions {
  readonly scheduler: Pick<Scheduler, "nowMs" | "after">;
  readonly chance: Chance;
  readonly wallMs: () => number;
  /** Faults are being made: some kinds of containers fail only then. */
  readonly rough: () => boolean;
  readonly onFact: (fact: ContainerFact) => void;
  readonly onEvent: (event: EngineEvent) => void;
}

/** An engine writes its metadata without waiting for the disk: a power cut takes this much of it along. */
const UNSYNCED_MS = 1_000;
const DEFAULT_GRACE_MS = 10_000;
const KILLED = 137;
/** Nothing listens anywhere in the simulator. */
const SOME_ADDRESS = "172.17.0.2";

export function createMachine(options: MachineOptions): Machine {
  const state: State = {
    options,
    containers: new Map(),
    networks: new Map(),
    volumes: new Map(),
    images: new Map(),
    volumesEver: new Set(),
    starts: 0,
  };
  for (const name of ["bridge", "host", "none"]) addNetwork(state, name, {}, "engine");
  return {
    containers: state.containers,
    networks: state.networks,
    volumes: state.volumes,
    images: state.images,
    volumesEver: () => [...state.volumesEver].sort(),
    find: (nameOrId) => findContainer(state, nameOrId),
    serves: (container) => serves(container, options.scheduler.nowMs()),
    summary,
    details: (container) => detailsOf(state, container),
    create: (request, by) => create(state, request, by),
    start: (id, by) => start(state, mustFind(state, id), by),
    stop: (id, graceMs, by, done) => stop(state, mustFind(state, id), graceMs, by, done),
    kill(id, by, exitCode) {
      const container = mustFind(state, id);
      if (container.status === "running") end(state, container, by, exitCode, false);
    },
    remove: (id, force, by, done) => remove(state, mustFind(state, id), force, by, done),
    rename: (id, name, by) => rename(state, mustFind(state, id), name, by),
    edit(id, memoryBytes, by) {
      const container = mustFind(state, id);
      container.limits = { ...container.limits, memoryBytes };
      container.edited ||= by === "outside";
      fact(state, container, "edited", by);
      tell(state, "container", "update", id);
    },
    sicken(id) {
      const container = mustFind(state, id);
      if (container.status === "running") fallSick(state, container);
    },
    connect(network, id, by, aliases = []) {
      const container = mustFind(state, id);
      if (networkNamed(state, network) === null) throw new EngineError("not-found", `network ${network} not found`);
      if (container.networks.has(network)) {
        throw new EngineError("conflict", `endpoint with name ${container.name} already exists in network ${network}`);
      }
      container.networks.add(network);
      container.aliases.set(network, aliases);
      container.attachments += 1;
      fact(state, container, "edited", by);
      tell(state, "network", "connect", network);
    },
    disconnect(network, id, by) {
      const container = mustFind(state, id);
      container.networks.delete(network);
      container.aliases.delete(network);
      container.edited ||= by === "outside";
      fact(state, container, "edited", by);
      tell(state, "network", "disconnect", network);
    },
    createNetwork({ engineName }, labels, by) {
      if (networkNamed(state, engineName) !== null) {
        throw new EngineError("conflict", `network with name ${engineName} already exists`);
      }
      addNetwork(state, engineName, labels, by);
      tell(state, "network", "create", engineName);
    },
    removeNetwork: (id, _by) => removeNetwork(state, id),
    deleteImage(reference) {
      state.images.delete(reference);
      tell(state, "image", "delete", reference);
    },
    createVolume({ engineName }, labels, by) {
      // An engine answers with the existing one, whoever made it.
      addVolume(state, { name: engineName, labels, madeBy: by });
    },
    removeVolume(name) {
      state.volumes.delete(name);
    },
    killAll() {
      for (const one of [...state.containers.values()]) {
        if (one.status === "running") end(state, one, "engine", KILLED, false);
      }
    },
    powerCut: () => powerCut(state),
  };
}

interface State {
  readonly options: MachineOptions;
  readonly containers: Map<string, SimContainer>;
  readonly networks: Map<string, SimNetwork>;
  readonly volumes: Map<string, SimVolume>;
  readonly images: Map<string, { readonly id: string; readonly arch: string }>;
  readonly volumesEver: Set<string>;
  starts: number;
}

function fact(state: State, container: SimContainer, what: ContainerFact["what"], by: Actor): void {
  state.options.onFact({ atMs: state.options.scheduler.nowMs(), what, by, container });
}

const tell = (state: State, kind: EngineEvent["kind"], action: string, id: string): void =>
  state.options.onEvent({ kind, action, id });

function findContainer(state: State, nameOrId: string): SimContainer | null {
  const byId = state.containers.get(nameOrId);
  if (byId !== undefined) return byId;
  for (const one of state.containers.values()) if (one.name === nameOrId) return one;
  return null;
}

function mustFind(state: State, id: string): SimContainer {
  const found = findContainer(state, id);
  if (found === null) throw new EngineError("not-found", `No such container: ${id}`);
  return found;
}

function networkNamed(state: State, name: string): SimNetwork | null {
  for (const one of state.networks.values()) if (one.name === name || one.id === name) return one;
  return null;
}

function addNetwork(state: State, name: string, labels: Readonly<Record<string, string>>, madeBy: Actor): void {
  const id = state.options.chance.random.hex(32);
  state.networks.set(id, { id, name, labels, madeBy });
}

function addVolume(state: State, volume: SimVolume): void {
  if (!state.volumes.has(volume.name)) state.volumes.set(volume.name, volume);
  state.volumesEver.add(volume.name);
}

function removeNetwork(state: State, nameOrId: string): void {
  const network = networkNamed(state, nameOrId);
  if (network === null) throw new EngineError("not-found", `network ${nameOrId} not found`);
  for (const one of state.containers.values()) {
    if (one.status === "running" && one.networks.has(network.name)) {
      throw new EngineError("conflict", `network ${network.name} has active endpoints`);
    }
  }
  state.networks.delete(network.id);
  tell(state, "network", "destroy", network.id);
}

function create(state: State, request: CreateRequest, by: Actor): SimContainer {
  const { spec, name } = request;
  const holder = findContainer(state, name);
  if (holder !== null) {
    throw new EngineError("conflict", `The container name "/${name}" is already in use by container "${holder.id}"`);
  }
  if (spec.runtime === "no-such-runtime") throw new EngineError("invalid", "unknown or invalid runtime name");
  const image = state.images.get(spec.image);
  if (image === undefined) throw new EngineError("not-found", `No such image: ${spec.image}`);
  for (const mount of spec.mounts) {
    // An engine makes a volume that a container names, without labels.
    if (mount.kind === "volume" && mount.source !== null) {
      addVolume(state, { name: mount.source, labels: {}, madeBy: "engine" });
    }
  }
  const container: SimContainer = {
    id: state.options.chance.random.hex(32),
    name,
    request,
    labels: { ...spec.labels, ...request.labels },
    imageId: image.id,
    madeBy: by,
    madeAtMs: state.options.scheduler.nowMs(),
    status: "created",
    exitCode: 0,
    oom: false,
    error: "",
    lines: [],
    life: null,
    runningSinceMs: null,
    startedWallMs: null,
    finishedWallMs: null,
    startedAt: "0001-01-01T00:00:00Z",
    health: "none",
    networks: new Set(
      spec.networkMode === "networks" ? spec.networks.map(({ network }) => network) : [spec.networkMode],
    ),
    aliases: new Map(
      spec.networkMode === "networks" ? spec.networks.map(({ network, aliases }) => [network, aliases]) : [],
    ),
    attachments: 0,
    limits: {
      memoryBytes: spec.memoryBytes ?? 0,
      nanoCpus: spec.nanoCpus ?? 0,
      cpuShares: spec.cpuShares ?? 0,
      pidsLimit: spec.pidsLimit !== null && spec.pidsLimit > 0 ? spec.pidsLimit : null,
      restartPolicy: "no",
    },
    sickSinceMs: null,
    recoveredAtMs: null,
    edited: false,
    dues: [],
    log: [],
  };
  state.containers.set(container.id, container);
  fact(state, container, "created", by);
  tell(state, "container", "create", container.id);
  return container;
}

function start(state: State, container: SimContainer, by: Actor): void {
  if (container.status === "running") return;
  if (container.status === "removing" || container.status === "dead") {
    throw new EngineError("conflict", "container is marked for removal and cannot be started");
  }
  for (const network of container.networks) {
    if (networkNamed(state, network) === null) {
      container.error = `network ${network} not found`;
      throw new EngineError("not-found", container.error);
    }
  }
  const taken = portTaken(state, container);
  if (taken !== null) {
    container.error = `Bind for 0.0.0.0:${taken} failed: port is already allocated`;
    throw new EngineError("conflict", container.error);
  }
  const { options } = state;
  const life = drawLife(kindOf(container.request.spec.image), options.chance, options.rough());
  if (life.startError !== null) {
    container.error = life.startError;
    container.exitCode = life.exitCode;
    throw new EngineError("retry", life.startError);
  }
  run(state, container, life, by);
}

function portTaken(state: State, container: SimContainer): number | null {
  for (const wanted of container.request.spec.ports) {
    for (const other of state.containers.values()) {
      if (other === container || other.status !== "running") continue;
      const clash = other.request.spec.ports.some(
        (port) => port.hostPort !== null && port.hostPort === wanted.hostPort && port.protocol === wanted.protocol,
      );
      if (clash) return wanted.hostPort;
    }
  }
  return null;
}

function run(state: State, container: SimContainer, life: Life, by: Actor): void {
  const { options } = state;
  state.starts += 1;
  const wallMs = options.wallMs();
  container.status = "running";
  container.life = life;
  if (kindOf(container.request.spec.image) === "doomed") container.lines.push("first", "second");
  container.exitCode = 0;
  container.oom = false;
  container.error = "";
  container.sickSinceMs = null;
  container.runningSinceMs = options.scheduler.nowMs();
  container.startedWallMs = wallMs;
  container.finishedWallMs = null;
  // Engines stamp nanoseconds: two starts never look the same.
  container.startedAt = new Date(wallMs).toISOString().replace("Z", `${String(state.starts).padStart(6, "0")}Z`);
  const checked =
    container.request.spec.healthcheck !== null && container.request.spec.healthcheck.test?.[0] !== "NONE";
  container.health = checked ? "starting" : "none";
  for (const [index, text] of ["one", "two", "three"].entries()) {
    const at = container.startedAt.replace("Z", `${index}Z`);
    container.log.push({ stream: text === "two" ? "stderr" : "stdout", at, text, more: false });
  }
  fact(state, container, "started", by);
  tell(state, "container", "start", container.id);
  const later = (delayMs: number, what: () => void): void => {
    container.dues.push(options.scheduler.after(delayMs, what));
  };
  const due = (): boolean => !life.onlyRough || options.rough();
  if (life.endsAfterMs !== null) {
    later(life.endsAfterMs, () => {
      if (due()) end(state, container, "itself", life.exitCode, life.oom);
    });
  }
  if (life.sickAfterMs !== null && life.healthyAfterMs !== null) {
    later(life.healthyAfterMs + life.sickAfterMs, () => {
      if (due()) fallSick(state, container);
    });
  }
  if (!checked) return;
  if (life.healthyAfterMs === null) later(8_000, () => setHealth(state, container, "unhealthy"));
  else later(life.healthyAfterMs, () => setHealth(state, container, "healthy"));
}

/** For so long a sick one serves badly: longer than most thresholds of its probes. */
const SICK_MS = 15_000;

function fallSick(state: State, container: SimContainer): void {
  container.sickSinceMs = state.options.scheduler.nowMs();
  if (container.health !== "none") setHealth(state, container, "unhealthy");
}

function serves({ status, life, runningSinceMs, sickSinceMs }: SimContainer, nowMs: number): boolean {
  if (status !== "running" || runningSinceMs === null) return false;
  const afterMs = life?.healthyAfterMs ?? null;
  if (afterMs === null || nowMs < runningSinceMs + afterMs) return false;
  return sickSinceMs === null || nowMs >= sickSinceMs + SICK_MS;
}

function setHealth(state: State, container: SimContainer, health: "healthy" | "unhealthy"): void {
  if (container.health === health) return;
  if (container.health === "unhealthy") container.recoveredAtMs = state.options.scheduler.nowMs();
  container.health = health;
  fact(state, container, health, "itself");
  tell(state, "container", `health_status: ${health}`, container.id);
}

function end(state: State, container: SimContainer, by: Actor, exitCode: number, oom: boolean): void {
  for (const due of container.dues) due.cancel();
  container.dues = [];
  if (container.status === "running") container.status = "exited";
  container.exitCode = exitCode;
  container.oom = oom;
  container.runningSinceMs = null;
  container.finishedWallMs = state.options.wallMs();
  fact(state, container, "ended", by);
  tell(state, "container", "die", container.id);
}

function stop(state: State, container: SimContainer, graceMs: number, by: Actor, done: () => void): void {
  if (container.status !== "running") {
    done();
    return;
  }
  const wish = container.life?.stopsWithinMs ?? null;
  const grace = graceMs >= 0 ? graceMs : (container.request.spec.stopGraceMs ?? DEFAULT_GRACE_MS);
  const kept = wish !== null && wish <= grace;
  const since = container.startedAt;
  state.options.scheduler.after(kept ? wish : grace, () => {
    if (container.status === "running" && container.startedAt === since) {
      end(state, container, by, kept ? 143 : KILLED, false);
    }
    done();
  });
}

function remove(state: State, container: SimContainer, force: boolean, by: Actor, done: () => void): void {
  if (container.status === "removing") {
    throw new EngineError("conflict", `removal of container ${container.id} is already in progress`);
  }
  if (container.status === "running") {
    if (!force) throw new EngineError("conflict", `cannot remove container "/${container.name}": it is running`);
    end(state, container, by, KILLED, false);
  }
  container.status = "removing";
  const { scheduler, chance, rough } = state.options;
  // Now and then an engine takes its time to remove; never where a test counts seconds.
  scheduler.after(chance.yes(rough() ? 0.1 : 0) ? chance.between(500, 4_000) : chance.between(2, 60), () => {
    if (state.containers.get(container.id) === container && container.status === "removing") {
      state.containers.delete(container.id);
      fact(state, container, "removed", by);
      tell(state, "container", "destroy", container.id);
    }
    done();
  });
}

function rename(state: State, container: SimContainer, name: string, by: Actor): void {
  const holder = findContainer(state, name);
  if (holder !== null && holder !== container) {
    throw new EngineError("conflict", `The container name "/${name}" is already in use by container "${holder.id}"`);
  }
  container.name = name;
  container.edited ||= by === "outside";
  fact(state, container, "renamed", by);
  tell(state, "container", "rename", container.id);
}

function powerCut(state: State): void {
  const { scheduler, chance } = state.options;
  for (const one of [...state.containers.values()]) {
    if (one.status === "running") end(state, one, "engine", 255, false);
    const unsynced = scheduler.nowMs() - one.madeAtMs < UNSYNCED_MS;
    if (one.status === "removing" || (unsynced && chance.yes(0.5))) {
      // A removal under way may be done or undone after the boot.
      if (one.status === "removing" && chance.yes(0.5)) one.status = "exited";
      else {
        state.containers.delete(one.id);
        fact(state, one, "removed", "engine");
      }
    }
  }
}

function summary(container: SimContainer): ContainerSummary {
  const { spec } = container.request;
  const running = container.status === "running";
  return {
    id: container.id,
    name: container.name,
    status: container.status,
    labels: container.labels,
    imageId: container.imageId,
    networks: [...container.networks].sort(),
    endpoints: [...container.networks].map(() => (running ? `${container.startedAt} ${container.attachments}` : "")),
    publishedPorts: running
      ? spec.ports.flatMap(({ hostPort, protocol, hostIp }) =>
          hostPort === null ? [] : [{ port: hostPort, protocol, hostIp: hostIp === "" ? "0.0.0.0" : hostIp }],
        )
      : [],
    health: running ? container.health : "none",
  };
}

function detailsOf(state: State, container: SimContainer): ContainerDetails {
  return {
    id: container.id,
    name: container.name,
    status: container.status,
    exitCode: container.exitCode,
    oomKilled: container.oom,
    error: container.error,
    ranMs: ranMs(state, container),
    startedAt: container.startedAt,
    pid: container.status === "running" ? 1_000 + Number.parseInt(container.id.slice(0, 4), 16) : 0,
    health: container.health,
    healthOutput: container.health === "unhealthy" ? "no answer on port 8080" : "",
    addresses: container.status === "running" && container.networks.size > 0 ? [SOME_ADDRESS] : [],
    aliases: Object.fromEntries(container.aliases),
    limits: container.limits,
  };
}

/** A running process's age is true; an ended one's comes from two wall-clock stamps, between which the clock may have been set. */
function ranMs(state: State, container: SimContainer): number | null {
  if (container.runningSinceMs !== null) return Math.round(state.options.scheduler.nowMs() - container.runningSinceMs);
  if (container.startedWallMs === null || container.finishedWallMs === null) return null;
  return Math.max(0, container.finishedWallMs - container.startedWallMs);
}
