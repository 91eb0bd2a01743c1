// What changes in a service from one revision to another, in the file's own words. Pure.
// It must never show a value that a variable may have brought into the file: of environment, labels and commands only names.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import type { ContainerSpec } from "@skerry/shared/model/container.ts";
import type { Amount, UpdatePolicy } from "@skerry/shared/model/update.ts";
import { sorted } from "../../core/lookup.ts";

/** Of the container; what is not here keeps its name. */
const CONTAINER_WORDS: Readonly<Partial<Record<keyof ContainerSpec, string>>> = {
  pullPolicy: "pull_policy",
  workingDir: "working_dir",
  stdinOpen: "stdin_open",
  readOnlyRootfs: "read_only",
  stopSignal: "stop_signal",
  stopGraceMs: "stop_grace_period",
  exposedPorts: "expose",
  files: "secrets or configs",
  mounts: "volumes",
  networkMode: "network_mode",
  extraHosts: "extra_hosts",
  dnsOptions: "dns_opt",
  dnsSearch: "dns_search",
  dependsOn: "depends_on",
  memoryReservationBytes: "mem_reservation",
  memorySwapBytes: "memswap_limit",
  memorySwappiness: "mem_swappiness",
  cpuShares: "cpu_shares",
  cpuQuota: "cpu_quota",
  cpuPeriod: "cpu_period",
  cpuRtPeriod: "cpu_rt_period",
  cpuRtRuntime: "cpu_rt_runtime",
  pidsLimit: "pids_limit",
  blkioWeight: "blkio_config",
  oomKillDisable: "oom_kill_disable",
  oomScoreAdj: "oom_score_adj",
  shmSizeBytes: "shm_size",
  deviceCgroupRules: "device_cgroup_rules",
  capAdd: "cap_add",
  capDrop: "cap_drop",
  securityOpt: "security_opt",
  groupAdd: "group_add",
  cgroupParent: "cgroup_parent",
  ipcMode: "ipc",
  pidMode: "pid",
  utsMode: "uts",
  usernsMode: "userns_mode",
  storageOpt: "storage_opt",
};

/** One line for each thing that differs; empty: nothing does. Networks and volumes themselves are not in a service's spec. */
export function specWords(was: ServiceSpec, is: ServiceSpec): string[] {
  return [...containerWords(was.container, is.container), ...serviceWords(was, is)];
}

function containerWords(was: ContainerSpec, is: ContainerSpec): string[] {
  const keys = sorted(Object.keys(is) as (keyof ContainerSpec)[]).filter((key) => !same(was[key], is[key]));
  const told: string[] = [];
  const rest: string[] = [];
  for (const key of keys) {
    if (key === "image") told.push(`image ${was.image} → ${is.image}`);
    else if (key === "environment") told.push(names("environment", was.environment, is.environment));
    else if (key === "labels") told.push(names("labels", was.labels, is.labels));
    else if (key === "memoryBytes") told.push(`memory limit ${size(was.memoryBytes)} → ${size(is.memoryBytes)}`);
    else if (key === "nanoCpus") told.push(`CPU limit ${cpus(was.nanoCpus)} → ${cpus(is.nanoCpus)}`);
    else rest.push(CONTAINER_WORDS[key] ?? key);
  }
  return rest.length === 0 ? told : [...told, `changes ${rest.join(", ")}`];
}

function names(what: string, was: Readonly<Record<string, string>>, is: Readonly<Record<string, string>>): string {
  const added = sorted(Object.keys(is)).filter((key) => !Object.hasOwn(was, key));
  const gone = sorted(Object.keys(was)).filter((key) => !Object.hasOwn(is, key));
  const changed = sorted(Object.keys(is)).filter((key) => Object.hasOwn(was, key) && was[key] !== is[key]);
  const parts = [
    ["adds", added],
    ["changes", changed],
    ["drops", gone],
  ] as const;
  return `${what}: ${parts.flatMap(([verb, keys]) => (keys.length === 0 ? [] : [`${verb} ${keys.join(", ")}`])).join("; ")}`;
}

function serviceWords(was: ServiceSpec, is: ServiceSpec): string[] {
  const lines: string[] = [];
  const differ = (key: keyof ServiceSpec): boolean => !same(was[key], is[key]);
  if (differ("mode")) lines.push(`${mode(was)} → ${mode(is)}`);
  if (differ("constraints") || differ("spread") || differ("maxReplicasPerNode")) lines.push("changes where it may run");
  if (differ("reservedMemoryBytes")) {
    lines.push(`memory set aside ${size(was.reservedMemoryBytes)} → ${size(is.reservedMemoryBytes)}`);
  }
  if (differ("reservedNanoCpus")) {
    lines.push(`CPU set aside ${cpus(was.reservedNanoCpus)} → ${cpus(is.reservedNanoCpus)}`);
  }
  if (differ("disconnect")) lines.push(`when a node is silent: ${silence(was)} → ${silence(is)}`);
  if (differ("priority")) lines.push(`priority ${was.priority} → ${is.priority}`);
  if (differ("probes")) lines.push("changes its probes");
  if (differ("update")) lines.push(`update_config: ${policyWords(was.update, is.update)}`);
  if (differ("rollback")) lines.push(`rollback_config: ${policyWords(was.rollback, is.rollback)}`);
  if (differ("rollout")) lines.push("changes x-skerry.rollout");
  if (differ("times")) lines.push("changes x-skerry.update (windows and holds)");
  return lines;
}

function policyWords(was: UpdatePolicy, is: UpdatePolicy): string {
  const parts: readonly (readonly [string, (policy: UpdatePolicy) => string])[] = [
    ["parallelism", ({ parallelism }) => amountWords(parallelism)],
    ["delay", ({ delayMs }) => seconds(delayMs)],
    ["monitor", ({ monitorMs }) => seconds(monitorMs)],
    ["failure_action", ({ failureAction }) => failureAction],
    ["max_failure_ratio", ({ maxFailureRatio }) => String(maxFailureRatio)],
    ["order", ({ order }) => order],
  ];
  return parts
    .filter(([, read]) => read(was) !== read(is))
    .map(([name, read]) => `${name} ${read(was)} → ${read(is)}`)
    .join(", ");
}

/** "3", "25%", "all". */
export function amountWords(amount: Amount): string {
  if (amount.kind === "percent") return `${amount.percent}%`;
  return amount.count === 0 ? "all" : String(amount.count);
}

function mode({ mode }: ServiceSpec): string {
  if (mode.kind === "global") return "one on each matching node";
  return mode.replicas === 1 ? "1 copy" : `${mode.replicas} copies`;
}

function silence({ disconnect }: ServiceSpec): string {
  return disconnect.policy === "keep" ? "keep" : `${disconnect.policy} after ${seconds(disconnect.afterMs)}`;
}

const seconds = (ms: number): string => `${ms / 1_000} s`;
const size = (bytes: number | null): string => (bytes === null ? "none" : `${Math.round(bytes / 1_048_576)} MB`);
const cpus = (nano: number | null): string => (nano === null ? "none" : String(nano / 1e9));

function same(was: unknown, is: unknown): boolean {
  return canonicalJson(was) === canonicalJson(is);
}
