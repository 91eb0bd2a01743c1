// Random apps, as the Compose compiler would give them, and random changes to them. An app's images say how its containers behave
// (engine/life.ts), so an app alone says what its end state must be.

import type { AppSpec, AppVolume, Disconnect, ServiceSpec } from "@skerry/shared/model/app.ts";
import { specHashInput } from "@skerry/shared/model/assignment-hash.ts";
import { type ContainerSpec, defaultContainerSpec } from "@skerry/shared/model/container.ts";
import type { AppName, ServiceName, SpecHash } from "@skerry/shared/model/ids.ts";
import type { RolloutPolicy } from "@skerry/shared/model/update.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import type { Chance } from "./chance.ts";
import { imageOf, type Kind, MISSING_IMAGE, NOT_TO_BE_HAD } from "./engine/life.ts";
import { drawProbes } from "./probes.ts";
import { drawTimes } from "./times.ts";
import { drawUpdate, type ServiceUpdate } from "./updates.ts";

export interface AppStyle {
  readonly kinds: readonly Kind[];
  readonly policies: readonly Disconnect["policy"][];
  readonly nodes: number;
  /** Draws how services are changed; null: every file says nothing of it. */
  readonly updates: Chance | null;
  /** Draws probes, windows, holds, and worse bad revisions; null: there are none. */
  readonly extras: Chance | null;
  /** Of the services: so many have windows or holds. */
  readonly timedShare: number;
  /** Of every service; null: as drawn. */
  readonly budget: RolloutPolicy["budget"];
}

/** Label values that nodes and constraints are drawn from. */
export const SITES = ["shop", "farm"] as const;

export function drawApp(chance: Chance, name: string, style: AppStyle): AppSpec {
  const count = chance.int(1, 3);
  const services: ServiceSpec[] = [];
  for (let number = 1; number <= count; number += 1) {
    services.push(drawService(chance, name, `s${number}`, services, style));
  }
  return finish(name, services);
}

/** Room for new names, and for a site that settles within its time. */
const MOST_SERVICES = 5;

/** The next revision: something about it is different. */
export function changeApp(chance: Chance, spec: AppSpec, style: AppStyle): AppSpec {
  const services = [...spec.services];
  const index = chance.int(0, services.length - 1);
  const service = services[index];
  const add = services.length < MOST_SERVICES ? (["add"] as const) : [];
  const what = chance.pick(["image", "environment", "replicas", "constraints", "remove", "policy", ...add] as const);
  if (service === undefined || (what === "remove" && services.length < 2)) return bump(spec, services, index);
  switch (what) {
    case "remove":
      services.splice(index, 1);
      return finish(
        spec.name,
        services.map((one) => withoutDependency(one, service.name)),
      );
    case "add":
      services.push(drawService(chance, spec.name, freshName(chance, services), [], style));
      return finish(spec.name, services);
    case "image": {
      const tag = chance.int(2, 9);
      const container = { ...service.container, image: service.container.image.replace(/:\d+$/, `:${tag}`) };
      services[index] = { ...service, container };
      return finish(spec.name, services);
    }
    case "replicas":
      if (service.mode.kind === "global") return bump(spec, services, index);
      services[index] = { ...service, mode: { kind: "replicated", replicas: chance.int(0, 3) } };
      return finish(spec.name, services);
    case "constraints":
      services[index] = { ...service, constraints: drawConstraints(chance) };
      return finish(spec.name, services);
    case "policy":
      services[index] = { ...service, disconnect: drawDisconnect(chance, style, false) };
      return finish(spec.name, services);
    case "environment":
      return bump(spec, services, index);
  }
}

/** A revision in which one service never gets good. */
export function spoilApp(chance: Chance, spec: AppSpec, { extras }: AppStyle): AppSpec {
  const services = [...spec.services];
  const index = chance.int(0, services.length - 1);
  const service = services[index];
  if (service === undefined) return spec;
  const drawn = chance.pick([imageOf("doomed", chance.int(1, 3)), imageOf("broken", 1), MISSING_IMAGE]);
  // Never ready, by a probe that says so; or an image that no node can have.
  const sickly = extras?.yes(0.4) === true ? drawProbes(extras) : null;
  const image =
    sickly !== null ? imageOf("sickly", 1) : extras?.yes(0.4) === true ? extras.pick([...NOT_TO_BE_HAD.keys()]) : drawn;
  services[index] = { ...service, container: { ...service.container, image }, probes: sickly ?? service.probes };
  return finish(spec.name, services);
}

/** Service names are unique in a file; one that was removed may come back as something else. */
function freshName(chance: Chance, services: readonly ServiceSpec[]): string {
  const taken = new Set<string>(services.map(({ name }) => name));
  for (;;) {
    const name = `s${chance.int(1, 9)}`;
    if (!taken.has(name)) return name;
  }
}

function bump(spec: AppSpec, services: ServiceSpec[], index: number): AppSpec {
  const service = services[index];
  if (service === undefined) return spec;
  const turn = Number(service.container.environment["TURN"] ?? "0") + 1;
  const environment = { ...service.container.environment, TURN: String(turn) };
  services[index] = { ...service, container: { ...service.container, environment } };
  return finish(spec.name, services);
}

const withoutDependency = (service: ServiceSpec, gone: ServiceName): ServiceSpec => ({
  ...service,
  container: { ...service.container, dependsOn: service.container.dependsOn.filter((one) => one.service !== gone) },
});

/** Sorted, with the volumes and the network that its services use, and the hashes that follow. */
function finish(name: string, services: readonly ServiceSpec[]): AppSpec {
  const networks = [defaultNetwork(name)];
  const volumes = new Map<string, AppVolume>();
  for (const { container } of services) {
    for (const mount of container.mounts) {
      if (mount.kind === "volume" && mount.source !== null) volumes.set(mount.source, volumeNamed(mount.source));
    }
  }
  return {
    // Names here are lower-case letters and digits, which is what the brand asks for.
    name: name as AppName,
    services: services
      .map((service) => withHash(service, networks, volumes))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    networks,
    volumes: [...volumes.values()].sort((a, b) => (a.key < b.key ? -1 : 1)),
  };
}

function withHash(
  service: ServiceSpec,
  networks: AppSpec["networks"],
  volumes: ReadonlyMap<string, AppVolume>,
): ServiceSpec {
  const { container } = service;
  const used = container.mounts.flatMap((mount) => {
    const volume = mount.kind === "volume" && mount.source !== null ? volumes.get(mount.source) : undefined;
    return volume === undefined ? [] : [volume];
  });
  // SHA-256 as hex is what the brand says.
  return { ...service, specHash: sha256Hex(specHashInput(container, networks, used)) as SpecHash };
}

function drawService(
  chance: Chance,
  app: string,
  name: string,
  earlier: readonly ServiceSpec[],
  style: AppStyle,
): ServiceSpec {
  const kind = chance.pick(style.kinds);
  const hasVolume = chance.yes(0.2);
  const container: ContainerSpec = {
    ...defaultContainerSpec,
    image: chance.yes(0.03) ? MISSING_IMAGE : imageOf(kind, 1),
    pullPolicy: chance.yes(0.1) ? "always" : "missing",
    environment: { NAME: name },
    networks: [attachment(app, name)],
    stopGraceMs: chance.pick([null, 1_000, 3_000]),
    restart: drawRestart(chance, kind),
    dependsOn: earlier.filter(() => chance.yes(0.3)).map((service) => dependencyOn(chance, service)),
    healthcheck:
      chance.yes(0.5) || kind === "sickly" || kind === "flappy"
        ? {
            test: ["CMD", "true"],
            intervalMs: 5_000,
            timeoutMs: null,
            startPeriodMs: null,
            startIntervalMs: null,
            retries: 3,
          }
        : null,
    memoryBytes: chance.pick([null, 64, 128].map((mb) => (mb === null ? null : mb * 1_048_576))),
    mounts: hasVolume ? [volumeMount(`${app}_${name}`)] : [],
    ports: chance.yes(0.3)
      ? [{ hostPort: 8_000 + chance.int(0, 4), containerPort: 80, protocol: "tcp", hostIp: "" }]
      : [],
  };
  const update = drawUpdate(style.updates);
  return {
    name: name as ServiceName,
    specHash: "" as SpecHash,
    container,
    mode: chance.yes(0.4) ? { kind: "global" } : { kind: "replicated", replicas: chance.int(1, 3) },
    constraints: chance.yes(0.25) ? drawConstraints(chance) : [],
    spread: chance.yes(0.2) ? ["site"] : [],
    maxReplicasPerNode: chance.yes(0.2) ? chance.int(1, 2) : null,
    reservedMemoryBytes: chance.yes(0.3) ? chance.int(1, 4) * 64 * 1_048_576 : null,
    reservedNanoCpus: null,
    disconnect: drawDisconnect(chance, style, hasVolume),
    ...update,
    ...drawExtras(style, update),
    probes: kind === "job" || style.extras?.yes(0.35) !== true ? null : drawProbes(style.extras),
  };
}

/** What was wished for instead of what was drawn changes no other draw. */
function drawExtras(style: AppStyle, update: ServiceUpdate): Partial<ServiceSpec> {
  const drawn = drawTimesAndBudget(style, update);
  const { rollout = update.rollout } = drawn;
  return style.budget === null ? drawn : { ...drawn, rollout: { ...rollout, budget: style.budget } };
}

/** Windows and holds, and budgets by label or in percent: none for most. */
function drawTimesAndBudget(
  { extras: chance, timedShare }: AppStyle,
  { rollout }: ServiceUpdate,
): Partial<ServiceSpec> {
  if (chance === null) return {};
  const times = chance.yes(timedShare) ? { times: drawTimes(chance) } : {};
  if (rollout.budget === null || !chance.yes(0.6)) return times;
  const maxUnavailable = chance.yes(0.5) ? ({ kind: "percent", percent: 34 } as const) : rollout.budget.maxUnavailable;
  const per = chance.yes(0.6) ? "site" : null;
  return { ...times, rollout: { ...rollout, budget: { maxUnavailable, per } } };
}

function drawRestart(chance: Chance, kind: Kind): ContainerSpec["restart"] {
  const policy =
    kind === "job" ? chance.pick(["no", "on-failure"] as const) : chance.pick(["always", "unless-stopped"] as const);
  return { policy, maxAttempts: null, delayMs: null, windowMs: null };
}

function dependencyOn(chance: Chance, service: ServiceSpec): ContainerSpec["dependsOn"][number] {
  const isJob = service.container.image.startsWith("sim/job:");
  const condition = isJob
    ? "service_completed_successfully"
    : service.container.healthcheck !== null && chance.yes(0.7)
      ? "service_healthy"
      : "service_started";
  return { service: service.name, condition, restart: chance.yes(0.3), required: chance.yes(0.7) };
}

function drawDisconnect(chance: Chance, style: AppStyle, hasVolume: boolean): Disconnect {
  const policy = hasVolume ? "keep" : chance.pick(style.policies);
  return policy === "keep" ? { policy } : { policy, afterMs: chance.pick([3_000, 5_000, 10_000, 30_000]) };
}

function drawConstraints(chance: Chance): ServiceSpec["constraints"] {
  if (chance.yes(0.3)) return [{ attribute: { kind: "arch" }, operator: "==", value: "arm64" }];
  const operator = chance.pick(["==", "!="] as const);
  return [{ attribute: { kind: "label", key: "site" }, operator, value: chance.pick(SITES) }];
}

function attachment(app: string, name: string): ContainerSpec["networks"][number] {
  return {
    network: `${app}_default`,
    aliases: [name],
    ipv4Address: null,
    ipv6Address: null,
    macAddress: null,
    linkLocalIps: [],
    priority: null,
  };
}

function defaultNetwork(app: string): AppSpec["networks"][number] {
  return {
    key: "default",
    engineName: `${app}_default`,
    external: false,
    driver: null,
    driverOptions: {},
    internal: false,
    attachable: false,
    enableIpv6: false,
    ipam: null,
    labels: {},
  };
}

const volumeNamed = (name: string): AppVolume => ({
  key: name,
  engineName: name,
  external: false,
  driver: null,
  driverOptions: {},
  labels: {},
});

const volumeMount = (source: string): ContainerSpec["mounts"][number] => ({
  kind: "volume",
  source,
  target: "/data",
  readOnly: false,
  noCopy: false,
  subpath: null,
});
