// Asks: everything in a container's spec that goes beyond `restricted`, each with what would allow it. Pure. Every field of the spec that
// reaches an engine is looked at here or named in `FREE_FIELDS`; a test fails for one that is neither.
import type { AppNetwork, AppVolume } from "../model/app.ts";
import type { ContainerSpec, Mount } from "../model/container.ts";
import { capability, optionName, optionValue } from "./confined.ts";
import { plainPath, touches } from "./paths.ts";
import type { HostNamespace } from "./policy.ts";
import {
  BASELINE_CAPABILITIES,
  CLOSED_PATHS,
  type Level,
  MOST_LOG_BYTES,
  MOST_PIDS,
  SAFE_SYSCTLS,
  SELINUX_TYPES,
  SILENT_CAPABILITIES,
} from "./profiles.ts";

/** By which name a policy would grant it. */
export type Grantable =
  | { readonly kind: "device"; readonly path: string }
  | { readonly kind: "deviceCgroupRule"; readonly text: string }
  | { readonly kind: "hostPath"; readonly path: string; readonly readOnly: boolean }
  | { readonly kind: "capability"; readonly name: string }
  | { readonly kind: "sysctl"; readonly name: string }
  | { readonly kind: "hostNamespace"; readonly name: HostNamespace }
  | { readonly kind: "runtime"; readonly name: string }
  | { readonly kind: "securityOption"; readonly text: string }
  | { readonly kind: "volume"; readonly name: string };

export interface Ask {
  /** As in the file: "cap_add". */
  readonly field: string;
  readonly rule: string;
  readonly value: string;
  /** The lowest profile that allows it. */
  readonly needs: Level;
  /** null: no grant does, the profile alone. */
  readonly grant: Grantable | null;
}

/** What is judged: one service's container, with its app's networks and volumes. */
export interface Subject {
  readonly app: string;
  readonly spec: ContainerSpec;
  readonly networks: readonly AppNetwork[];
  readonly volumes: readonly AppVolume[];
}

/** They reach no further than the container itself, or are bounded by the schema; labels are looked at for ours. */
export const FREE_FIELDS = [
  ...["image", "pullPolicy", "platform", "entrypoint", "command", "environment", "hostname", "domainname", "init"],
  ...["tty", "stdinOpen", "readOnlyRootfs", "stopSignal", "stopGraceMs", "exposedPorts", "extraHosts", "dns"],
  ...["dnsOptions", "dnsSearch", "healthcheck", "restart", "dependsOn", "memoryBytes", "memoryReservationBytes"],
  ...["memorySwapBytes", "memorySwappiness", "nanoCpus", "cpuShares", "cpuQuota", "cpuPeriod", "cpuset", "blkioWeight"],
  // Groups open what is mounted, and nothing is mounted that is not granted. Published ports: see docs/adr/0022.
  // Secrets and configs come from the node's own memory, to where the container has them: nothing of the machine.
  ...["shmSizeBytes", "groupAdd", "ports", "capDrop", "files"],
] as const satisfies readonly (keyof ContainerSpec)[];

const ask = (field: string, rule: string, value: string, needs: Level, grant: Grantable | null = null): Ask => ({
  ...{ field, rule, value, needs, grant },
});

/** `closed`: host paths beside CLOSED_PATHS that no grant covers, the agent's own. */
export function asksOf(subject: Subject, closed: readonly string[] = []): readonly Ask[] {
  const { spec } = subject;
  return [
    ...(spec.privileged ? [ask("privileged", "privileged", "true", "privileged")] : []),
    ...namespaces(spec),
    ...capabilities(spec),
    ...devices(spec),
    ...spec.securityOpt.flatMap(securityOption),
    ...sysctls(spec),
    ...identity(spec),
    ...resources(spec),
    ...mounts(subject, [...CLOSED_PATHS, ...closed]),
    ...networks(subject),
    ...logging(spec),
    ...ownWords(spec),
  ];
}

const namespaceAsk = (field: string, name: HostNamespace): Ask =>
  ask(field, "host-namespaces", "host", "privileged", { kind: "hostNamespace", name });

/** `container:` of any kind is closed for good: what is joined need not be ours, and may be anybody's. */
function namespaces(spec: ContainerSpec): readonly Ask[] {
  const modes = [
    { field: "pid", value: spec.pidMode, name: "pid", own: [] },
    { field: "ipc", value: spec.ipcMode, name: "ipc", own: ["private", "shareable", "none"] },
    { field: "uts", value: spec.utsMode, name: "uts", own: [] },
    { field: "userns_mode", value: spec.usernsMode, name: "user", own: [] },
    { field: "cgroup", value: spec.cgroup, name: "cgroup", own: ["private"] },
  ] as const;
  return [
    ...(spec.networkMode === "host" ? [namespaceAsk("network_mode", "network")] : []),
    ...modes.flatMap(({ field, value, name, own }) => {
      if (value === null || value === "" || own.some((mode) => mode === value)) return [];
      return [value === "host" ? namespaceAsk(field, name) : ask(field, "host-namespaces", value, "never")];
    }),
  ];
}

function capabilities(spec: ContainerSpec): readonly Ask[] {
  return spec.capAdd.map(capability).flatMap((name) => {
    if (SILENT_CAPABILITIES.includes(name)) return [];
    const needs = BASELINE_CAPABILITIES.has(name) ? "baseline" : "privileged";
    return [ask("cap_add", "capabilities", name, needs, { kind: "capability", name })];
  });
}

function devices(spec: ContainerSpec): readonly Ask[] {
  return [
    ...spec.devices.map(({ host }) => {
      const path = plainPath(host);
      return ask("devices", "devices", host, "privileged", path === null ? null : { kind: "device", path });
    }),
    ...spec.deviceCgroupRules.map((text) =>
      ask("device_cgroup_rules", "devices", text, "privileged", { kind: "deviceCgroupRule", text }),
    ),
  ];
}

function securityOption(option: string): readonly Ask[] {
  const [name, value] = [optionName(option), optionValue(option)];
  const beyond = (rule: string, needs: Level): readonly Ask[] => [
    ask("security_opt", rule, option, needs, { kind: "securityOption", text: option }),
  ];
  switch (name) {
    case "no-new-privileges":
      return value === null || value === "true" ? [] : beyond("privilege-escalation", "baseline");
    case "seccomp":
      return value === "builtin" ? [] : beyond("seccomp", "privileged");
    case "apparmor":
      return value === null || value === "" || value === "unconfined" ? beyond("apparmor", "privileged") : [];
    case "label": {
      const [kind = "", type = ""] = (value ?? "").split(":");
      return kind === "level" || (kind === "type" && SELINUX_TYPES.has(type)) ? [] : beyond("selinux", "privileged");
    }
    default:
      return beyond(name === "systempaths" ? "proc-mount" : "security-options", "privileged");
  }
}

function sysctls(spec: ContainerSpec): readonly Ask[] {
  return Object.keys(spec.sysctls)
    .filter((name) => !SAFE_SYSCTLS.has(name))
    .map((name) => ask("sysctls", "sysctls", name, "privileged", { kind: "sysctl", name }));
}

/** Root by name or by any way to write zero. */
export const isRoot = (user: string): boolean => /^(?:root|[+-]?0+)(?::|$)/.test(user);

function identity(spec: ContainerSpec): readonly Ask[] {
  const { user, workingDir, runtime, isolation, cgroupParent } = spec;
  // A way out of a container through a file that the runtime had open: runc's CVE-2024-21626. What goes up may lead there as well.
  const steps = (workingDir ?? "").split("/").filter((step) => step !== "" && step !== ".");
  const intoProc = workingDir !== null && (steps[0] === "proc" || steps.includes(".."));
  return [
    ...(user !== null && isRoot(user) ? [ask("user", "run-as-non-root", user, "baseline")] : []),
    ...(intoProc ? [ask("working_dir", "proc-mount", workingDir, "never")] : []),
    ...(runtime === null || runtime === "runc"
      ? []
      : [ask("runtime", "runtime", runtime, "privileged", { kind: "runtime", name: runtime })]),
    ...(isolation === null || isolation === "" || isolation === "default"
      ? []
      : [ask("isolation", "runtime", isolation, "privileged")]),
    ...(cgroupParent === null ? [] : [ask("cgroup_parent", "cgroup", cgroupParent, "privileged")]),
  ];
}

/** Without these a machine has time and memory left for what is more important than any container: the agent and the engine. */
function resources(spec: ContainerSpec): readonly Ask[] {
  const { pidsLimit, oomScoreAdj, cpuRtRuntime, cpuRtPeriod } = spec;
  const endless = pidsLimit !== null && (pidsLimit <= 0 || pidsLimit > MOST_PIDS);
  return [
    ...(endless ? [ask("pids_limit", "pids", String(pidsLimit), "baseline")] : []),
    ...(spec.oomKillDisable === true ? [ask("oom_kill_disable", "oom", "true", "privileged")] : []),
    ...(oomScoreAdj !== null && oomScoreAdj < 0
      ? [ask("oom_score_adj", "oom", String(oomScoreAdj), "privileged")]
      : []),
    ...(cpuRtRuntime === null ? [] : [ask("cpu_rt_runtime", "realtime", String(cpuRtRuntime), "baseline")]),
    ...(cpuRtPeriod === null ? [] : [ask("cpu_rt_period", "realtime", String(cpuRtPeriod), "baseline")]),
    ...spec.ulimits
      .filter(({ name }) => name === "rtprio" || name === "nice")
      .map(({ name }) => ask("ulimits", "realtime", name, "baseline")),
    ...Object.keys(spec.storageOpt)
      .filter((name) => name !== "size")
      .map((name) => ask("storage_opt", "storage", name, "privileged")),
  ];
}

function mounts(subject: Subject, closed: readonly string[]): readonly Ask[] {
  return subject.spec.mounts.flatMap((mount) => mountAsks(subject, mount, closed));
}

function mountAsks({ app, volumes }: Subject, mount: Mount, closed: readonly string[]): readonly Ask[] {
  switch (mount.kind) {
    case "bind": {
      const isOwn = mount.propagation === null || /^r?private$/.test(mount.propagation);
      return [
        hostPath(mount.source, mount.readOnly, closed),
        ...(isOwn ? [] : [ask("volumes", "mount-propagation", mount.propagation ?? "", "privileged")]),
      ];
    }
    case "volume": {
      const outside = mount.subpath?.split("/").includes("..") === true;
      return [
        ...(outside ? [ask("volumes", "volume-types", mount.subpath ?? "", "never")] : []),
        ...(mount.source === null ? [] : namedVolume(app, mount.source, mount.readOnly, volumes, closed)),
      ];
    }
    case "tmpfs":
      return [];
  }
}

function hostPath(source: string, readOnly: boolean, closed: readonly string[]): Ask {
  const path = plainPath(source);
  const isClosed = path === null || closed.some((one) => touches(path, one));
  const grant = isClosed ? null : ({ kind: "hostPath", path, readOnly } as const);
  return ask("volumes", isClosed ? "closed-host-path" : "host-path", source, "privileged", grant);
}

/** One that the app does not make itself may hold another's data, or have been made with options that nobody looked at. */
function namedVolume(
  app: string,
  name: string,
  readOnly: boolean,
  volumes: readonly AppVolume[],
  closed: readonly string[],
): readonly Ask[] {
  const volume = volumes.find(({ engineName }) => engineName === name);
  const own = volume !== undefined && !volume.external && name.startsWith(`${app}_`);
  const foreign = own ? [] : [ask("volumes", "foreign-volume", name, "baseline", { kind: "volume", name })];
  return [...foreign, ...(volume === undefined ? [] : volumeOptions(volume, readOnly, closed))];
}

const NETWORK_FILE_SYSTEMS = new Set(["nfs", "nfs4", "cifs"]);

/** The engine's own driver mounts whatever its options say: a folder or a disk of the machine as well. */
export function volumeOptions(
  { driver, driverOptions }: AppVolume,
  readOnly: boolean,
  closed: readonly string[] = CLOSED_PATHS,
): readonly Ask[] {
  const field = "volumes.driver_opts";
  if (driver !== null && driver !== "local") return [ask("volumes.driver", "volume-types", driver, "baseline")];
  const { type = "", o = "", device = "", ...others } = driverOptions;
  const unknown = Object.keys(others).filter((name) => name !== "size");
  const rest = unknown.map((name) => ask(field, "volume-types", name, "privileged"));
  if (type === "" && o === "" && device === "") return rest;
  const binds = o.split(",").some((option) => option === "bind" || option === "rbind") || type === "bind";
  if (binds) return [...rest, { ...hostPath(device, readOnly, closed), field }];
  if (type === "tmpfs") return rest;
  return [...rest, ask(field, "volume-types", type, NETWORK_FILE_SYSTEMS.has(type) ? "baseline" : "privileged")];
}

/** They set nothing on the machine but the network itself. */
const HARMLESS_NETWORK_OPTIONS = new Set([
  "com.docker.network.driver.mtu",
  "com.docker.network.bridge.enable_icc",
  "com.docker.network.bridge.enable_ip_masquerade",
  "com.docker.network.bridge.host_binding_ipv4",
]);

function networks({ spec, networks: declared }: Subject): readonly Ask[] {
  if (spec.networkMode !== "networks") return [];
  return spec.networks.flatMap(({ network: name }) => {
    if (name === "host") return [namespaceAsk("networks", "network")];
    if (name.includes(":")) return [ask("networks", "host-namespaces", name, "never")];
    const network = declared.find(({ engineName }) => engineName === name);
    return network === undefined ? [] : networkOptions(network);
  });
}

/** A macvlan puts a container into the machine's own network, where it can pass for a neighbour. */
function networkOptions({ external, driver, driverOptions }: AppNetwork): readonly Ask[] {
  if (external) return [];
  return [
    ...(driver === null || driver === "bridge" ? [] : [ask("networks.driver", "networks", driver, "baseline")]),
    ...Object.keys(driverOptions)
      .filter((name) => !HARMLESS_NETWORK_OPTIONS.has(name))
      .map((name) => ask("networks.driver_opts", "networks", name, "baseline")),
  ];
}

/** They write to the node's own disk or journal; others send to an address from the engine itself, past every network. */
const LOG_DRIVERS = new Set(["json-file", "local", "journald", "none"]);

/** What the engine takes where the file is silent (Docker's documentation of its logging drivers). null: no bound. */
const ENGINE_LOGS = {
  local: { size: "20m", files: "5" },
  "json-file": { size: null, files: "1" },
} as const;

function logging({ logging: { driver, options } }: ContainerSpec): readonly Ask[] {
  if (!LOG_DRIVERS.has(driver)) return [ask("logging", "log-driver", driver, "baseline")];
  if (driver === "journald" || driver === "none") return [];
  const { size, files } = ENGINE_LOGS[driver === "local" ? "local" : "json-file"];
  const [maxSize, maxFiles] = [options["max-size"] ?? size, options["max-file"] ?? files];
  const bytes = maxSize === null ? Number.POSITIVE_INFINITY : sizeBytes(maxSize) * Number(maxFiles);
  if (bytes <= MOST_LOG_BYTES) return [];
  return [ask("logging", "log-size", `${maxSize ?? "no max-size"} × ${maxFiles}`, "baseline")];
}

/** "10m" as engines read it; infinite for what has no bound or is not understood. */
function sizeBytes(size: string): number {
  const found = /^(\d+)([kmgt]?)b?$/i.exec(size.trim());
  if (found === null) return Number.POSITIVE_INFINITY;
  return Number(found[1]) * 1_024 ** ["", "k", "m", "g", "t"].indexOf((found[2] ?? "").toLowerCase());
}

/** Annotations that a runtime obeys: hooks, and properties of the unit that it makes. */
const OBEYED = /^(?:org\.systemd\.property\.|run\.oci\.|io\.katacontainers\.|io\.kubernetes\.|nri\.)/;

function ownWords({ labels, annotations }: ContainerSpec): readonly Ask[] {
  return [
    ...Object.keys(labels)
      .filter((name) => name.startsWith("io.skerry."))
      .map((name) => ask("labels", "own-labels", name, "never")),
    ...Object.keys(annotations).map((name) =>
      ask("annotations", "annotations", name, OBEYED.test(name) ? "privileged" : "baseline"),
    ),
  ];
}
