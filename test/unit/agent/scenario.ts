// Scenario builder for the agent's core: workloads, containers and looks at an engine in a line each, and a small pure model of what
// actions do to a node. The model is for properties of `plan`; the simulated engine, with its faults and times, is another thing.

import type { Action, Lane, Plan } from "@skerry/agent/core/action.ts";
import { chanceFrom } from "@skerry/agent/core/chance.ts";
import { expectedLimits, limitsText } from "@skerry/agent/core/compare.ts";
import { initialLinkState } from "@skerry/agent/core/link-state.ts";
import type { WorkloadMemory } from "@skerry/agent/core/memory.ts";
import type { Observed, OwnContainer } from "@skerry/agent/core/observed.ts";
import { NO_VALUES, type PlanContext } from "@skerry/agent/core/plan/scene.ts";
import { gateOf, targetsOf } from "@skerry/agent/core/plan/target.ts";
import { plan } from "@skerry/agent/core/plan.ts";
import { freshMemory, type Outcome, rememberOutcome } from "@skerry/agent/core/remember.ts";
import type { ContainerDetails, ContainerStatus, ContainerSummary } from "@skerry/agent/engine/engine.ts";
import type { AppNetwork, AppVolume } from "@skerry/shared/model/app.ts";
import type { AssignedApp, Assignment, Workload } from "@skerry/shared/model/assignment.ts";
import { type ContainerSpec, defaultContainerSpec } from "@skerry/shared/model/container.ts";
import type {
  AppName,
  InstallationId,
  NodeId,
  ServiceName,
  Slot,
  SpecHash,
  WorkloadId,
} from "@skerry/shared/model/ids.ts";
import { containerName, workloadId } from "@skerry/shared/model/names.ts";
import { defaultWorkloadExtras } from "@skerry/shared/model/plain.ts";

/** The types brand ids; a test writes them as they are. */
export const INSTALLATION = "i0000000000000001" as InstallationId;
export const NODE = "n0000000000000001" as NodeId;
export const BOOT = "boot-1";

export const hashOf = (text: string): SpecHash => text.padEnd(64, "0").slice(0, 64) as SpecHash;

interface WorkloadOptions extends Partial<Omit<Workload, "spec" | "specHash" | "app" | "service" | "slot">> {
  readonly app?: string;
  readonly slot?: string;
  readonly hash?: string;
  readonly spec?: Partial<ContainerSpec>;
}

/** One copy of service `service` of app `shop`, attached to the app's default network. */
export function workload(service: string, options: WorkloadOptions = {}): Workload {
  const { app = "shop", slot = "1", hash = "a1", spec = {}, ...rest } = options;
  const [appName, serviceName, slotName] = [app as AppName, service as ServiceName, slot as Slot];
  const attachment = { network: `${app}_default`, aliases: [service], ipv4Address: null, ipv6Address: null };
  return {
    id: workloadId(appName, serviceName, slotName),
    app: appName,
    service: serviceName,
    slot: slotName,
    revision: 1,
    specHash: hashOf(hash),
    spec: {
      ...defaultContainerSpec,
      image: `${service}:1`,
      networks: [{ ...attachment, macAddress: null, linkLocalIps: [], priority: null }],
      ...spec,
    },
    disconnect: { policy: "keep" },
    fencingToken: 0,
    ...defaultWorkloadExtras,
    ...rest,
  };
}

export function network(engineName: string, options: Partial<AppNetwork> = {}): AppNetwork {
  return {
    key: engineName,
    engineName,
    external: false,
    driver: null,
    driverOptions: {},
    internal: false,
    attachable: false,
    enableIpv6: false,
    ipam: null,
    labels: {},
    ...options,
  };
}

export function volume(engineName: string, options: Partial<AppVolume> = {}): AppVolume {
  return { key: engineName, engineName, external: false, driver: null, driverOptions: {}, labels: {}, ...options };
}

/** Apps with their default networks are made up for the workloads, unless given. */
export function assignment(workloads: readonly Workload[], options: Partial<Assignment> = {}): Assignment {
  const names = [...new Set(workloads.map(({ app }) => app))].sort();
  const apps = names.map((name): AssignedApp => ({ name, networks: [network(`${name}_default`)], volumes: [] }));
  return {
    installation: INSTALLATION,
    node: NODE,
    position: { epoch: 1, generation: 1 },
    hash: hashOf("f1"),
    apps,
    workloads: [...workloads].sort((a, b) => (a.id < b.id ? -1 : 1)),
    retired: [],
    ...options,
  };
}

export const tombstone = (id: WorkloadId): Assignment["retired"][number] => ({ id, generation: 1 });

type ContainerOptions = Partial<Omit<OwnContainer, "summary" | "details">> & {
  readonly id?: string;
  readonly status?: ContainerStatus;
  readonly summary?: Partial<ContainerSummary>;
  readonly details?: Partial<ContainerDetails>;
};

export const aliasesOf = ({ networks }: Pick<ContainerSpec, "networks">): Readonly<Record<string, readonly string[]>> =>
  Object.fromEntries(networks.map(({ network: attached, aliases }) => [attached, aliases]));

/** A container of this workload as it should be, running for ten minutes, but for what is said. */
export function container(of: Workload, options: ContainerOptions = {}): OwnContainer {
  const { id = `c-${of.id}`, status = "running", summary = {}, details = {}, ...rest } = options;
  const name = containerName(of.app, of.service, of.slot);
  const health = summary.health ?? details.health ?? "none";
  return {
    workload: of.id,
    specHash: of.specHash,
    revision: of.revision,
    fencingToken: of.fencingToken,
    summary: {
      id,
      name,
      status,
      labels: {},
      imageId: `sha256:${of.spec.image}`,
      networks: of.spec.networks.map(({ network: attached }) => attached),
      endpoints: of.spec.networks.map(({ network: attached }) => `${attached} 0`),
      publishedPorts: [],
      ...summary,
      health,
    },
    details: {
      id,
      name: summary.name ?? name,
      status,
      exitCode: 0,
      oomKilled: false,
      error: "",
      ranMs: status === "created" ? null : 600_000,
      startedAt: status === "created" ? "" : "2026-11-21T10:00:00Z",
      pid: status === "running" ? 100 : 0,
      healthOutput: "",
      addresses: status === "running" ? ["172.17.0.2"] : [],
      aliases: aliasesOf(of.spec),
      limits: expectedLimits(of.spec),
      ...details,
      health,
    },
    recordedLimits: limitsText(expectedLimits(of.spec)),
    sinceMs: 0,
    ...rest,
  };
}

/** A node on which everything that the workloads need is there, and these containers of ours. */
export function observed(
  workloads: readonly Workload[],
  own: readonly OwnContainer[],
  options: Partial<Observed> = {},
): Observed {
  const networks = workloads.flatMap(({ spec }) => spec.networks.map((attached) => attached.network));
  return {
    own: [...own].sort((a, b) => (a.summary.id < b.summary.id ? -1 : 1)),
    foreignNames: new Map(),
    vanished: [],
    ports: [],
    networks: new Map(networks.map((name) => [name, { id: `net-${name}`, ours: true }])),
    volumes: new Map(),
    images: new Map(workloads.map(({ spec }) => [spec.image, `sha256:${spec.image}`])),
    ...options,
  };
}

export function context(options: Partial<PlanContext> = {}): PlanContext {
  return {
    busy: new Map(),
    pulls: new Map(),
    resting: new Map(),
    link: initialLinkState(BOOT, null, 0),
    bootId: BOOT,
    chance: (key) => chanceFrom(1, key),
    formerDependencies: new Map(),
    readiness: new Map(),
    safeMode: false,
    openWindows: new Map(),
    holds: new Map(),
    values: NO_VALUES,
    ends: new Map(),
    metered: false,
    unbrokenSinceMs: 0,
    ...options,
  };
}

export type MemoryMap = ReadonlyMap<WorkloadId, WorkloadMemory>;

export const NO_MEMORY: MemoryMap = new Map();

/** Memory of workloads that have passed their gates long ago. */
export function passedMemory(...of: readonly Workload[]): MemoryMap {
  const passed = (one: Workload): WorkloadMemory => {
    const gate = { ...gateOf(undefined, one), verdict: { kind: "passed" } } as const;
    return { ...freshMemory(one.specHash), restartsDone: one.intent.restarts, gate };
  };
  return new Map(of.map((one) => [one.id, passed(one)]));
}

/** Kinds of a lane's actions, for reading: "stop remove create start". */
export function kinds(found: Plan, key: string): string {
  const lane = found.lanes.find((one) => one.key === key);
  return (lane?.actions ?? []).map(({ kind }) => kind.replace(/-(container|network|image|volume)$/, "")).join(" ");
}

export function statusOf(found: Plan, { id }: Pick<Workload, "id">): Plan["statuses"][number] {
  const status = found.statuses.find((one) => one.id === id);
  if (status === undefined) throw new Error(`no status of ${id}`);
  return status;
}

export function memoryAfter(before: MemoryMap, changes: Plan["memory"]): MemoryMap {
  const after = new Map(before);
  for (const { id, memory } of changes) {
    if (memory === null) after.delete(id);
    else after.set(id, memory);
  }
  return after;
}

// ---- a pure model of what actions do

export interface ModelNode {
  readonly desired: Assignment | null;
  readonly observed: Observed;
  readonly memory: MemoryMap;
  readonly now: number;
  /** For ids and start stamps. */
  readonly count: number;
}

/** Which actions fail, and how. undefined: it works. */
export type Faults = (action: Action) => Outcome | undefined;

export interface Round {
  readonly node: ModelNode;
  readonly plan: Plan;
}

/** One plan, carried out to its end, and the time until the next one is due. */
export function round(node: ModelNode, options: Partial<PlanContext> = {}, faults: Faults = () => undefined): Round {
  const { desired, observed: seen, memory, now } = node;
  const found = plan(desired, seen, memory, context(options), now);
  const remembered: ModelNode = {
    ...node,
    memory: memoryAfter(memory, found.memory),
    observed: { ...seen, vanished: [] },
  };
  const done = found.lanes.reduce((at, lane) => runLane(at, lane, faults), remembered);
  const next = found.lanes.length > 0 ? now + 10 : Math.max(now + 10, found.wakeAtMs ?? now + 30_000);
  return { node: { ...done, now: next }, plan: found };
}

function runLane(node: ModelNode, lane: Lane, faults: Faults): ModelNode {
  let at = node;
  let created: string | null = null;
  for (const action of lane.actions) {
    const failed = faults(action);
    if (failed === undefined && action.kind === "create-container") created = `m${at.count}`;
    const outcome: Outcome = failed ?? { ok: true, containerId: created, tookMs: 5 };
    if (outcome.ok) at = effect(at, action, created);
    const moment = { bootId: BOOT, now: at.now, chance: (key: string) => chanceFrom(1, key) };
    const targets = at.desired === null ? null : targetsOf(at.desired, at.memory);
    const changes = rememberOutcome(targets, at.memory, action, outcome, moment);
    at = { ...at, memory: memoryAfter(at.memory, changes.memory) };
    if (!outcome.ok) return at;
  }
  return at;
}

function effect(node: ModelNode, action: Action, created: string | null): ModelNode {
  const seen = node.observed;
  const look = (change: Partial<Observed>): ModelNode => ({
    ...node,
    count: node.count + 1,
    observed: { ...seen, ...change },
  });
  const change = (id: string | null, turn: (own: OwnContainer) => OwnContainer): ModelNode =>
    look({ own: seen.own.map((own) => (own.summary.id === id ? turn(own) : own)) });
  switch (action.kind) {
    case "pull-image":
      return look({ images: new Map([...seen.images, [action.image, `sha256:${action.image}`]]) });
    case "create-network": {
      const { engineName } = action.network;
      return look({ networks: new Map([...seen.networks, [engineName, { id: engineName, ours: true }]]) });
    }
    case "remove-network":
      return look({ networks: new Map([...seen.networks].filter(([name]) => name !== action.name)) });
    case "create-volume":
      return look({ volumes: new Map([...seen.volumes, [action.volume.engineName, { ours: true }]]) });
    case "create-container": {
      const networks = action.workload.spec.networks.map((one) => (action.named ? one : { ...one, aliases: [] }));
      const given = { details: { aliases: aliasesOf({ networks }) }, summary: { name: action.name } };
      const made = container(action.workload, { id: created ?? "", status: "created", ...given });
      return look({ own: [...seen.own, made].sort((a, b) => (a.summary.id < b.summary.id ? -1 : 1)) });
    }
    case "start-container":
      return change(action.containerId ?? created, (own) => started(own, node));
    case "stop-container":
      return change(action.containerId, (own) => exited(own, node, 143));
    case "remove-container":
      return look({ own: seen.own.filter(({ summary }) => summary.id !== action.containerId) });
    case "rename-container":
      return change(action.containerId, (own) => ({ ...own, summary: { ...own.summary, name: action.name } }));
    case "connect-network":
      return change(action.containerId, (own) => ({
        ...own,
        summary: { ...own.summary, networks: [...own.summary.networks, action.network] },
        details: { ...own.details, aliases: { ...own.details.aliases, [action.network]: action.aliases } },
      }));
    case "change-aliases":
      return change(action.containerId, (own) => ({
        ...own,
        details: { ...own.details, aliases: { ...own.details.aliases, [action.network]: action.aliases } },
      }));
    case "let-settle":
      return node;
  }
}

export function started(own: OwnContainer, { now, count }: Pick<ModelNode, "now" | "count">): OwnContainer {
  const health = own.summary.health === "none" ? "none" : "healthy";
  return {
    ...own,
    sinceMs: now,
    summary: { ...own.summary, status: "running", health },
    details: { ...own.details, status: "running", ranMs: 0, startedAt: `start ${count}`, health },
  };
}

/** `ranMs`: how long this run was; by default what the details say. */
export function exited(
  own: OwnContainer,
  { now }: Pick<ModelNode, "now">,
  exitCode: number,
  ranMs?: number,
): OwnContainer {
  return {
    ...own,
    sinceMs: now,
    summary: { ...own.summary, status: "exited" },
    details: { ...own.details, status: "exited", exitCode, ranMs: ranMs ?? own.details.ranMs ?? 0 },
  };
}

/** Rounds until a plan has nothing to do and nothing to wait for, at most `most`. */
export function settle(node: ModelNode, most: number, options: Partial<PlanContext> = {}, faults?: Faults): Round {
  let at = round(node, options, faults);
  for (let turn = 1; turn < most && at.plan.lanes.length > 0; turn += 1) at = round(at.node, options, faults);
  return at;
}
