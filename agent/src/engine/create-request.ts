// ContainerSpec → body of the engine's create call. Pure. The body is built from our typed fields and from nothing else: what has no
// field here cannot be asked of an engine. A null field is left out, so that the engine's own default holds.
import type { AppNetwork, AppVolume } from "@skerry/shared/model/app.ts";
import type { ContainerSpec, Healthcheck, Mount, NetworkAttachment, Port } from "@skerry/shared/model/container.ts";
import { err, ok, type Result } from "@skerry/shared/runtime/result.ts";
import type { CreateRequest } from "./engine.ts";

/** Nested plain JSON; keys are the engine's. */
export type Body = Readonly<Record<string, unknown>>;

export interface CreateCall {
  readonly query: Readonly<Record<string, string>>;
  readonly body: Body;
  /** Networks that this engine cannot take in the create call: connected one by one before the start. */
  readonly connectLater: readonly NetworkAttachment[];
}

const NANOSECONDS_PER_MS = 1_000_000;
/** From this API version on, the create call takes several networks and a MAC address for each. */
const API_MANY_ENDPOINTS = 44;

/** `apiMinor`: 41 for API 1.41. An error is one plain sentence: the spec asks for what this engine cannot do. */
export function createCall(request: CreateRequest, apiMinor: number): Result<CreateCall, string> {
  const { spec } = request;
  const refusal = refusalFor(spec, apiMinor);
  if (refusal !== null) return err(refusal);
  const attachments = byPriority(spec);
  const atCreate = apiMinor >= API_MANY_ENDPOINTS ? attachments : attachments.slice(0, 1);
  const body = withoutNulls({
    ...processFields(request),
    ...(apiMinor < API_MANY_ENDPOINTS && atCreate[0]?.macAddress ? { MacAddress: atCreate[0].macAddress } : {}),
    ExposedPorts: exposedPorts(spec),
    Healthcheck: spec.healthcheck === null ? null : healthcheck(spec.healthcheck),
    HostConfig: withoutNulls(hostConfig(spec, attachments)),
    NetworkingConfig: {
      EndpointsConfig: Object.fromEntries(atCreate.map((one) => [one.network, endpoint(one, apiMinor)])),
    },
  });
  const query = { name: request.name, ...(spec.platform === null ? {} : { platform: spec.platform }) };
  return ok({ query, body, connectLater: attachments.slice(atCreate.length) });
}

export const takesEndpointMac = (apiMinor: number): boolean => apiMinor >= API_MANY_ENDPOINTS;

/** An attachment as the engine's create and connect calls take it. */
export function endpoint(attachment: NetworkAttachment, apiMinor: number): Body {
  const ipam = withoutNulls({
    IPv4Address: attachment.ipv4Address,
    IPv6Address: attachment.ipv6Address,
    LinkLocalIPs: orNull(attachment.linkLocalIps),
  });
  return withoutNulls({
    Aliases: orNull(attachment.aliases),
    IPAMConfig: Object.keys(ipam).length > 0 ? ipam : null,
    MacAddress: takesEndpointMac(apiMinor) ? attachment.macAddress : null,
  });
}

/** Asking for these of an older engine would be ignored in silence, so it is refused here. */
function refusalFor(spec: ContainerSpec, apiMinor: number): string | null {
  const needs = (minor: number, what: string): string =>
    `${what} needs an engine with API 1.${minor} or newer; this one has 1.${apiMinor}: upgrade the engine, or leave it out`;
  if (apiMinor < 43 && Object.keys(spec.annotations).length > 0) return needs(43, "annotations");
  if (apiMinor < 44 && spec.healthcheck?.startIntervalMs != null) return needs(44, "healthcheck.start_interval");
  if (apiMinor < 45 && spec.mounts.some((mount) => mount.kind === "volume" && mount.subpath !== null)) {
    return needs(45, "a volume's subpath");
  }
  const secondary = byPriority(spec).slice(1);
  if (apiMinor < API_MANY_ENDPOINTS && secondary.some((one) => one.macAddress !== null)) {
    return needs(API_MANY_ENDPOINTS, "mac_address on a second network");
  }
  return null;
}

/** Highest priority first, as Compose asks; the first one gives the default route. */
function byPriority(spec: ContainerSpec): readonly NetworkAttachment[] {
  if (spec.networkMode !== "networks") return [];
  return [...spec.networks].sort((a, b) => (b.priority ?? 0) - (a.priority ?? 0));
}

function processFields({ spec, labels, environment }: CreateRequest): Body {
  return {
    Image: spec.image,
    Entrypoint: spec.entrypoint,
    Cmd: spec.command,
    Env: Object.entries({ ...spec.environment, ...environment })
      .map(([name, value]) => `${name}=${value}`)
      .sort(),
    Labels: { ...spec.labels, ...labels },
    WorkingDir: spec.workingDir,
    User: spec.user,
    Hostname: spec.hostname,
    Domainname: spec.domainname,
    Tty: spec.tty,
    OpenStdin: spec.stdinOpen,
    StopSignal: spec.stopSignal,
    StopTimeout: spec.stopGraceMs === null ? null : Math.ceil(spec.stopGraceMs / 1_000),
  };
}

function hostConfig(spec: ContainerSpec, attachments: readonly NetworkAttachment[]): Body {
  return {
    ...resources(spec),
    ...isolation(spec),
    NetworkMode: spec.networkMode === "networks" ? (attachments[0]?.network ?? "none") : spec.networkMode,
    PortBindings: portBindings(spec.ports),
    Binds: orNull(spec.mounts.filter(isBindString).map(bindString)),
    Mounts: orNull(spec.mounts.filter((mount) => !isBindString(mount)).map(mountBody)),
    ExtraHosts: orNull(spec.extraHosts),
    Dns: orNull(spec.dns),
    DnsOptions: orNull(spec.dnsOptions),
    DnsSearch: orNull(spec.dnsSearch),
    Init: spec.init,
    // The agent restarts, and only the agent: it must also do so where an engine's own restart does not.
    RestartPolicy: { Name: "no" },
    LogConfig: { Type: spec.logging.driver, Config: spec.logging.options },
    Annotations: Object.keys(spec.annotations).length > 0 ? spec.annotations : null,
    StorageOpt: Object.keys(spec.storageOpt).length > 0 ? spec.storageOpt : null,
  };
}

function resources(spec: ContainerSpec): Body {
  return {
    Memory: spec.memoryBytes,
    MemoryReservation: spec.memoryReservationBytes,
    MemorySwap: spec.memorySwapBytes,
    MemorySwappiness: spec.memorySwappiness,
    NanoCpus: spec.nanoCpus,
    CpuShares: spec.cpuShares,
    CpuQuota: spec.cpuQuota,
    CpuPeriod: spec.cpuPeriod,
    CpusetCpus: spec.cpuset,
    CpuRealtimePeriod: spec.cpuRtPeriod,
    CpuRealtimeRuntime: spec.cpuRtRuntime,
    PidsLimit: spec.pidsLimit,
    BlkioWeight: spec.blkioWeight,
    OomKillDisable: spec.oomKillDisable,
    OomScoreAdj: spec.oomScoreAdj,
    ShmSize: spec.shmSizeBytes,
    Ulimits: orNull(spec.ulimits.map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard }))),
  };
}

function isolation(spec: ContainerSpec): Body {
  return {
    ReadonlyRootfs: spec.readOnlyRootfs,
    Privileged: spec.privileged,
    Sysctls: Object.keys(spec.sysctls).length > 0 ? spec.sysctls : null,
    Devices: orNull(
      spec.devices.map(({ host, container, permissions }) => ({
        PathOnHost: host,
        PathInContainer: container,
        CgroupPermissions: permissions,
      })),
    ),
    DeviceCgroupRules: orNull(spec.deviceCgroupRules),
    CapAdd: orNull(spec.capAdd),
    CapDrop: orNull(spec.capDrop),
    SecurityOpt: orNull(spec.securityOpt),
    GroupAdd: orNull(spec.groupAdd),
    CgroupnsMode: spec.cgroup,
    CgroupParent: spec.cgroupParent,
    IpcMode: spec.ipcMode,
    PidMode: spec.pidMode,
    UTSMode: spec.utsMode,
    UsernsMode: spec.usernsMode,
    Isolation: spec.isolation,
    Runtime: spec.runtime,
  };
}

function healthcheck(check: Healthcheck): Body {
  const nanoseconds = (ms: number | null): number | null => (ms === null ? null : ms * NANOSECONDS_PER_MS);
  return withoutNulls({
    Test: check.test,
    Interval: nanoseconds(check.intervalMs),
    Timeout: nanoseconds(check.timeoutMs),
    StartPeriod: nanoseconds(check.startPeriodMs),
    StartInterval: nanoseconds(check.startIntervalMs),
    Retries: check.retries,
  });
}

function portBindings(ports: readonly Port[]): Body | null {
  if (ports.length === 0) return null;
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const port of ports) {
    const key = `${port.containerPort}/${port.protocol}`;
    bindings[key] ??= [];
    bindings[key].push({ HostIp: port.hostIp, HostPort: port.hostPort === null ? "" : String(port.hostPort) });
  }
  return bindings;
}

function exposedPorts(spec: ContainerSpec): Body | null {
  const published = spec.ports.map((port) => `${port.containerPort}/${port.protocol}`);
  const all = [...published, ...spec.exposedPorts.flatMap(expandPort)];
  return all.length === 0 ? null : Object.fromEntries(all.map((port) => [port, {}]));
}

/** "8000-8002/udp" → three ports; "80" → "80/tcp". The engine's API takes no ranges. */
function expandPort(text: string): readonly string[] {
  const [range = "", protocol = "tcp"] = text.split("/");
  const [first, last = first] = range.split("-").map(Number);
  if (first === undefined || last === undefined || !(first <= last) || last > 65_535) return [`${range}/${protocol}`];
  return Array.from({ length: last - first + 1 }, (_, offset) => `${first + offset}/${protocol}`);
}

/** The engine makes a missing host folder only for the old form of a bind; that form cannot hold a colon in a path. */
function isBindString(mount: Mount): mount is Extract<Mount, { kind: "bind" }> {
  return mount.kind === "bind" && mount.createHostPath && !mount.source.includes(":") && !mount.target.includes(":");
}

function bindString(mount: Extract<Mount, { kind: "bind" }>): string {
  const options = [mount.readOnly ? "ro" : "rw", ...(mount.propagation === null ? [] : [mount.propagation])];
  return `${mount.source}:${mount.target}:${options.join(",")}`;
}

function mountBody(mount: Mount): Body {
  const common = { Type: mount.kind, Target: mount.target, ReadOnly: mount.readOnly };
  switch (mount.kind) {
    case "volume":
      return withoutNulls({
        ...common,
        Source: mount.source,
        VolumeOptions: withoutNulls({ NoCopy: mount.noCopy, Subpath: mount.subpath }),
      });
    case "bind":
      return withoutNulls({
        ...common,
        Source: mount.source,
        BindOptions: mount.propagation === null ? null : { Propagation: mount.propagation },
      });
    case "tmpfs":
      return { ...common, TmpfsOptions: withoutNulls({ SizeBytes: mount.sizeBytes, Mode: mount.mode }) };
  }
}

/** Body of the engine's create call for one of an app's networks. */
export function networkBody(network: AppNetwork, labels: Readonly<Record<string, string>>): Body {
  return withoutNulls({
    Name: network.engineName,
    // Older engines else make a second network of the same name.
    CheckDuplicate: true,
    Driver: network.driver,
    Internal: network.internal,
    Attachable: network.attachable,
    EnableIPv6: network.enableIpv6,
    Options: network.driverOptions,
    IPAM: network.ipam === null ? null : ipamBody(network.ipam),
    Labels: { ...network.labels, ...labels },
  });
}

function ipamBody(ipam: NonNullable<AppNetwork["ipam"]>): Body {
  return withoutNulls({
    Driver: ipam.driver ?? "default",
    Config: orNull(
      ipam.configs.map((config) =>
        withoutNulls({
          Subnet: config.subnet,
          Gateway: config.gateway,
          IPRange: config.ipRange,
          AuxiliaryAddresses: Object.keys(config.auxAddresses).length > 0 ? config.auxAddresses : null,
        }),
      ),
    ),
    Options: Object.keys(ipam.options).length > 0 ? ipam.options : null,
  });
}

export function volumeBody(volume: AppVolume, labels: Readonly<Record<string, string>>): Body {
  return withoutNulls({
    Name: volume.engineName,
    Driver: volume.driver,
    DriverOpts: Object.keys(volume.driverOptions).length > 0 ? volume.driverOptions : null,
    Labels: { ...volume.labels, ...labels },
  });
}

function orNull<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list;
}

function withoutNulls(fields: Body): Body {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}
