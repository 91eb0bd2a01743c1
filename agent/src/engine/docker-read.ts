// The engine's answers → our types. Pure. Answers are checked as far as they are used: a broken one is an EngineError, never a
// half-filled object that looks like "nothing is there".
import { oneLine } from "./docker-errors.ts";
import type { ContainerDetails, ContainerStatus, ContainerSummary, EngineEvent } from "./engine.ts";
import { EngineError } from "./engine.ts";

type Fields = Readonly<Record<string, unknown>>;
type Health = ContainerSummary["health"];

const STATUSES: readonly ContainerStatus[] = [
  "created",
  "running",
  "paused",
  "restarting",
  "removing",
  "exited",
  "dead",
];
/** Enough of a health check's output to see what is wrong; the rest is in the container's own log. */
const MAX_HEALTH_OUTPUT = 1_000;
/** Go's zero time: never. */
const NEVER = "0001-01-01T00:00:00Z";

export function fieldsOf(value: unknown, what: string): Fields {
  if (value === null || typeof value !== "object" || Array.isArray(value) || value instanceof Uint8Array) {
    throw new EngineError("unreachable", `the engine's answer to ${what} is broken off or not JSON`);
  }
  // An object of unknown fields is just this; each field is checked where it is read.
  return value as Fields;
}

export function listOf(value: unknown, what: string): readonly Fields[] {
  // The engine writes an empty list as null.
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) {
    throw new EngineError("unreachable", `the engine's answer to ${what} is broken off or not a list`);
  }
  return value.map((item) => fieldsOf(item, what));
}

export const text = (value: unknown): string => (typeof value === "string" ? value : "");
export const number = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);
const inner = (value: unknown): Fields =>
  value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Fields) : {};

export function textMap(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(inner(value)).map(([key, member]) => [key, text(member)]));
}

export function containerSummary(item: Fields): ContainerSummary {
  return {
    id: requiredText(item["Id"], "a container's id"),
    name: mainName(item["Names"]),
    status: containerStatus(item["State"]),
    labels: textMap(item["Labels"]),
    imageId: text(item["ImageID"]),
    networks: attachments(item).map(([network]) => network),
    endpoints: attachments(item).map(([, { EndpointID }]) => text(EndpointID)),
    publishedPorts: publishedPorts(item["Ports"]),
    health: healthInStatus(text(item["Status"])),
  };
}

/** `runningForMs` gives the age of a running process; the engine has only one of the two stamps then. */
export function containerDetails(
  value: unknown,
  runningForMs: (pid: number, startedAt: string) => number,
): ContainerDetails {
  const item = fieldsOf(value, "inspect");
  const state = fieldsOf(item["State"], "inspect");
  const host = fieldsOf(item["HostConfig"], "inspect");
  const status = containerStatus(state["Status"]);
  const startedAt = text(state["StartedAt"]);
  const pid = number(state["Pid"]);
  const runs = status === "running" || status === "paused";
  return {
    id: requiredText(item["Id"], "a container's id"),
    name: text(item["Name"]).replace(/^\//, ""),
    status,
    exitCode: number(state["ExitCode"]),
    oomKilled: state["OOMKilled"] === true,
    error: text(state["Error"]) === "" ? "" : oneLine(text(state["Error"])),
    ranMs: runs ? Math.round(runningForMs(pid, startedAt)) : betweenStamps(startedAt, text(state["FinishedAt"])),
    startedAt,
    pid,
    ...healthOf(state["Health"]),
    addresses: addressesOf(item),
    aliases: Object.fromEntries(attachments(item).map(([network, { Aliases }]) => [network, aliasesOf(Aliases)])),
    limits: {
      memoryBytes: number(host["Memory"]),
      nanoCpus: number(host["NanoCpus"]),
      cpuShares: number(host["CpuShares"]),
      // Engines write "no limit" as null, 0 or -1.
      pidsLimit: number(host["PidsLimit"]) > 0 ? number(host["PidsLimit"]) : null,
      restartPolicy: text(inner(host["RestartPolicy"])["Name"]) || "no",
    },
  };
}

/** Signals that somebody sends to end a process; others ask it to read its files anew and the like. */
const ENDING_SIGNALS: ReadonlySet<string> = new Set(["2", "3", "9", "15"]);

export function engineEvent(item: Fields): EngineEvent | null {
  const kind = item["Type"];
  if (kind !== "container" && kind !== "network" && kind !== "volume" && kind !== "image" && kind !== "daemon") {
    return null;
  }
  const actor = inner(item["Actor"]);
  const action = text(item["Action"]);
  if (action === "kill" && !ENDING_SIGNALS.has(text(inner(actor["Attributes"])["signal"]))) return null;
  return { kind, action, id: text(actor["ID"]) };
}

/** Docker's words for what `uname` calls otherwise, as images and constraints use them. */
export function archInDockerWords(machine: string): string {
  const words: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64", armv7l: "arm", armv6l: "arm" };
  return words[machine] ?? machine;
}

function requiredText(value: unknown, what: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw new EngineError("unreachable", `the engine's answer lacks ${what}`);
}

function containerStatus(value: unknown): ContainerStatus {
  const status = STATUSES.find((one) => one === value);
  if (status === undefined) throw new EngineError("unreachable", `the engine gave an unknown state "${text(value)}"`);
  return status;
}

/** Old-style links add names with two slashes; the container's own has one. */
function mainName(names: unknown): string {
  const list = Array.isArray(names) ? names.map(text) : [];
  const own = list.find((name) => name.lastIndexOf("/") === 0) ?? list[0] ?? "";
  return own.replace(/^\//, "");
}

function publishedPorts(value: unknown): ContainerSummary["publishedPorts"] {
  return listOf(value, "list containers")
    .filter((port) => number(port["PublicPort"]) > 0)
    .map((port) => ({
      port: number(port["PublicPort"]),
      protocol: protocolOf(port["Type"]),
      hostIp: text(port["IP"]),
    }))
    .sort((a, b) => a.port - b.port || (a.protocol + a.hostIp < b.protocol + b.hostIp ? -1 : 1));
}

function protocolOf(value: unknown): "tcp" | "udp" | "sctp" {
  return value === "udp" || value === "sctp" ? value : "tcp";
}

/** The list shows health only inside its sentence: "Up 5 minutes (health: starting)". */
function healthInStatus(status: string): Health {
  if (status.includes("(unhealthy)")) return "unhealthy";
  if (status.includes("(healthy)")) return "healthy";
  return status.includes("(health: starting)") ? "starting" : "none";
}

function healthOf(value: unknown): { health: Health; healthOutput: string } {
  const health = inner(value);
  const log = Array.isArray(health["Log"]) ? health["Log"] : [];
  const output = text(inner(log.at(-1))["Output"]).slice(0, MAX_HEALTH_OUTPUT);
  const status = health["Status"];
  const known = status === "starting" || status === "healthy" || status === "unhealthy" ? status : "none";
  return { health: known, healthOutput: output === "" ? "" : oneLine(output) };
}

/** By the network's name, sorted. */
function attachments(item: Fields): readonly (readonly [string, Fields])[] {
  return Object.entries(inner(inner(item["NetworkSettings"])["Networks"]))
    .map(([network, attached]) => [network, inner(attached)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

const aliasesOf = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(text) : []);

function addressesOf(item: Fields): readonly string[] {
  return attachments(item).flatMap(([, { IPAddress, GlobalIPv6Address }]) => {
    const address = text(IPAddress) || text(GlobalIPv6Address);
    return address === "" ? [] : [address];
  });
}

/** How it is attached to that network; null: it is not. */
export function attachmentTo(network: string, container: unknown): Attached | null {
  const found = attachments(fieldsOf(container, "inspect")).find(([name]) => name === network);
  if (found === undefined) return null;
  const [, { IPAddress, GlobalIPv6Address, IPAMConfig, MacAddress }] = found;
  const addresses = { IPv4Address: text(IPAddress), IPv6Address: text(GlobalIPv6Address) };
  return {
    asked: inner(IPAMConfig),
    present: Object.fromEntries(Object.entries(addresses).filter(([, address]) => address !== "")),
    macAddress: text(MacAddress),
  };
}

/** In the engine's own words, to be given back to it. */
export interface Attached {
  /** What was asked of the engine's address management. */
  readonly asked: Fields;
  /** The addresses that it has. */
  readonly present: Fields;
  readonly macAddress: string;
}

/** Both stamps are the engine's own. A clock that was set in between can make this wrong, never negative. */
function betweenStamps(startedAt: string, finishedAt: string): number | null {
  if (startedAt === "" || startedAt === NEVER) return null;
  const ms = Date.parse(finishedAt) - Date.parse(startedAt);
  return Number.isFinite(ms) ? Math.max(0, Math.round(ms)) : 0;
}

/** What an image's layers are once unpacked, from its inspection. */
export function layerIds(image: unknown): readonly string[] {
  const layers = fieldsOf(fieldsOf(image, "inspect image")["RootFS"] ?? {}, "inspect image")["Layers"];
  return Array.isArray(layers) ? layers.map(text) : [];
}

/** Hosts and networks of registries that the engine asks without TLS, from its facts. */
export function insecureRegistries(info: Readonly<Record<string, unknown>>): readonly string[] {
  const registries = fieldsOf(info["RegistryConfig"] ?? {}, "info");
  const networks = registries["InsecureRegistryCIDRs"];
  const hosts = Object.entries(fieldsOf(registries["IndexConfigs"] ?? {}, "info"));
  return [
    ...(Array.isArray(networks) ? networks.map(text) : []),
    ...hosts.filter(([, of]) => fieldsOf(of, "info")["Secure"] === false).map(([host]) => host),
  ];
}
