// Memory, CPU, processes, ulimits: the service's own keys and `deploy.resources`, which say the same thing in two places.
// It must never pick one of two values that contradict each other: that is told.
import type { ContainerSpec } from "@skerry/shared/model/container.ts";
import { entriesOf, type Fields, type MapSpot, type Spot } from "./fields.ts";
import { compareText } from "./problem.ts";
import { parseBytes, parseDurationMs } from "./values.ts";

type LimitKey =
  | "memoryBytes"
  | "memoryReservationBytes"
  | "memorySwapBytes"
  | "memorySwappiness"
  | "nanoCpus"
  | "cpuShares"
  | "cpuQuota"
  | "cpuPeriod"
  | "cpuset"
  | "cpuRtPeriod"
  | "cpuRtRuntime"
  | "pidsLimit"
  | "blkioWeight"
  | "oomKillDisable"
  | "oomScoreAdj"
  | "shmSizeBytes"
  | "ulimits";

export interface CompiledResources {
  readonly container: Pick<ContainerSpec, LimitKey>;
  readonly reservedMemoryBytes: number | null;
  readonly reservedNanoCpus: number | null;
}

/** The engine refuses a container with less. */
const LEAST_MEMORY_BYTES = 6 * 1_024 * 1_024;

export function compileResources(service: MapSpot, fields: Fields): CompiledResources {
  const deploy = fields.map(service, "deploy");
  const resources = deploy === null ? null : fields.map(deploy, "resources");
  const limits = resources === null ? null : fields.map(resources, "limits");
  const reservations = resources === null ? null : fields.map(resources, "reservations");
  const same = <T>(key: string, plain: T | null, deployed: T | null, path: string): T | null => {
    if (plain !== null && deployed !== null && plain !== deployed) {
      const at = fields.at(service, key) ?? service;
      fields.fault(at, "conflict", `\`${key}\` and \`deploy.resources.${path}\` say different things.`, "Keep one.");
    }
    return deployed ?? plain;
  };
  const read = <T>(of: MapSpot | null, reader: (of: MapSpot, key: string) => T | null, key: string): T | null =>
    of === null ? null : reader(of, key);
  const memoryBytes = same(
    "mem_limit",
    fields.bytes(service, "mem_limit"),
    read(limits, fields.bytes, "memory"),
    "limits.memory",
  );
  const reserved = read(reservations, fields.bytes, "memory");
  const reservedMemoryBytes = same(
    "mem_reservation",
    fields.bytes(service, "mem_reservation"),
    reserved,
    "reservations.memory",
  );
  checkMemory(service, memoryBytes, reservedMemoryBytes, fields);
  const nanoCpus = same("cpus", fields.nanoCpus(service, "cpus"), read(limits, fields.nanoCpus, "cpus"), "limits.cpus");
  const own = compileOwnLimits(service, fields);
  checkPairs(service, memoryBytes, nanoCpus, own, fields);
  const pids = (of: MapSpot, key: string): number | null => fields.integer(of, key, -1);
  return {
    container: {
      memoryBytes,
      memoryReservationBytes: reservedMemoryBytes,
      nanoCpus,
      pidsLimit: same("pids_limit", pids(service, "pids_limit"), read(limits, pids, "pids"), "limits.pids"),
      ...own,
    },
    reservedMemoryBytes,
    reservedNanoCpus: read(reservations, fields.nanoCpus, "cpus"),
  };
}

function checkMemory(service: MapSpot, limit: number | null, reserved: number | null, fields: Fields): void {
  const at = fields.at(service, "mem_limit") ?? fields.at(service, "deploy") ?? service;
  if (limit !== null && limit < LEAST_MEMORY_BYTES) {
    fields.fault(
      at,
      "value-invalid",
      "A memory limit below 6m is refused by the engine.",
      "Mind the unit: 64m, not 64.",
    );
  }
  if (limit !== null && reserved !== null && reserved > limit) {
    fields.fault(at, "conflict", "More memory is reserved than the limit allows.", "Raise the limit, or reserve less.");
  }
}

type OwnLimits = ReturnType<typeof compileOwnLimits>;

/** What an engine would refuse at the start of each container is told here, once. */
function checkPairs(
  service: MapSpot,
  memoryBytes: number | null,
  nanoCpus: number | null,
  { memorySwapBytes, cpuQuota, cpuPeriod }: OwnLimits,
  fields: Fields,
): void {
  const at = (key: string): Spot => fields.at(service, key) ?? service;
  if (nanoCpus !== null && (cpuQuota !== null || cpuPeriod !== null)) {
    const key = cpuQuota === null ? "cpu_period" : "cpu_quota";
    fields.fault(at(key), "conflict", `\`cpus\` and \`${key}\` exclude each other.`, "Keep one of them.");
  }
  if (memorySwapBytes === null || memorySwapBytes === -1) return;
  if (memoryBytes === null) {
    fields.fault(
      at("memswap_limit"),
      "conflict",
      "`memswap_limit` needs `mem_limit` beside it.",
      "Set `mem_limit` too.",
    );
  } else if (memorySwapBytes < memoryBytes) {
    const hint = "It is memory and swap together: make it at least as large as `mem_limit`.";
    fields.fault(at("memswap_limit"), "conflict", "`memswap_limit` is smaller than the memory limit.", hint);
  }
}

function compileOwnLimits(
  service: MapSpot,
  fields: Fields,
): Omit<CompiledResources["container"], "memoryBytes" | "memoryReservationBytes" | "nanoCpus" | "pidsLimit"> {
  const blkio = fields.map(service, "blkio_config");
  return {
    memorySwapBytes: swapBytes(service, fields),
    memorySwappiness: fields.integer(service, "mem_swappiness", 0, 100),
    cpuShares: fields.integer(service, "cpu_shares", 0),
    cpuQuota: microseconds(service, "cpu_quota", fields),
    cpuPeriod: microseconds(service, "cpu_period", fields),
    cpuset: cpuset(service, fields),
    cpuRtPeriod: microseconds(service, "cpu_rt_period", fields),
    cpuRtRuntime: microseconds(service, "cpu_rt_runtime", fields),
    blkioWeight: blkio === null ? null : fields.integer(blkio, "weight", 10, 1_000),
    oomKillDisable: fields.boolean(service, "oom_kill_disable"),
    oomScoreAdj: fields.integer(service, "oom_score_adj", -1_000, 1_000),
    shmSizeBytes: fields.bytes(service, "shm_size"),
    ulimits: compileUlimits(service, fields),
  };
}

/** -1: as much as there is. */
function swapBytes(service: MapSpot, fields: Fields): number | null {
  const text = fields.text(service, "memswap_limit");
  if (text === null || text === "-1") return text === null ? null : -1;
  return (
    parseBytes(text) ??
    fields.fault(
      fields.at(service, "memswap_limit") ?? service,
      "value-invalid",
      "`memswap_limit` needs a size, such as 512m, or -1.",
    )
  );
}

/** A plain number is microseconds; a duration is what it says. */
function microseconds(service: MapSpot, key: string, fields: Fields): number | null {
  const text = fields.text(service, key);
  if (text === null) return null;
  const ms = parseDurationMs(text);
  const value = /^\d+$/.test(text) ? Number(text) : ms === null ? Number.NaN : ms * 1_000;
  if (Number.isSafeInteger(value)) return value;
  const hint = "Write 50000 (microseconds) or 50ms.";
  return fields.fault(
    fields.at(service, key) ?? service,
    "value-invalid",
    `\`${key}\` needs a number of microseconds, or a duration.`,
    hint,
  );
}

function cpuset(service: MapSpot, fields: Fields): string | null {
  const text = fields.text(service, "cpuset");
  if (text === null || /^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(text)) return text;
  return fields.fault(
    fields.at(service, "cpuset") ?? service,
    "value-invalid",
    "`cpuset` needs numbers of CPUs, such as 0-3 or 0,1.",
  );
}

function compileUlimits(service: MapSpot, fields: Fields): ContainerSpec["ulimits"] {
  const map = fields.map(service, "ulimits");
  if (map === null) return [];
  const ulimits: ContainerSpec["ulimits"] = [];
  for (const { key, at } of entriesOf(map)) {
    const pair = at.tree.kind === "map" ? { tree: at.tree, path: at.path } : null;
    const soft = pair === null ? fields.integer(map, key, -1) : fields.integer(pair, "soft", -1);
    const hard = pair === null ? soft : fields.integer(pair, "hard", -1);
    if (!/^[a-z]+$/.test(key)) fields.fault(at, "value-invalid", `There is no ulimit \`${key}\`.`);
    else if (soft !== null && hard !== null) ulimits.push({ name: key, soft, hard });
    else if (pair !== null && !(pair.tree.entries.has("soft") && pair.tree.entries.has("hard"))) {
      fields.fault(at, "key-missing", `The ulimit \`${key}\` needs both \`soft\` and \`hard\`.`);
    }
  }
  return ulimits.sort((a, b) => compareText(a.name, b.name));
}
