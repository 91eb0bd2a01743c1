// Conditions: what is wrong with this machine, judged from a few readings, and what to do about it. Pure. Each has two marks, one to
// come on and one to go off, so that a figure which wobbles around a mark is not news every minute.
import type { Condition } from "@skerry/shared/model/node.ts";

const MEBIBYTE = 1_048_576;
const GIBIBYTE = 1_024 * MEBIBYTE;

/** Of a disk: an engine needs room to unpack, to log and to be repaired. Large disks need no twentieth, small ones have no 512 MB. */
const RESERVE = { share: 0.05, leastBytes: 512 * MEBIBYTE, mostBytes: 5 * GIBIBYTE, mostShare: 0.2 } as const;
/** A disk that was freed of one file only should not come back at the next log line. */
const DISK_OFF = 1.25;
/** ext4 makes them with the file system, and none later. */
const INODES = { onBelow: 0.05, offAbove: 0.075 } as const;
/** Below this the kernel spends its time finding pages, and kills before long. */
const MEMORY = { onShare: 0.05, leastBytes: 32 * MEBIBYTE, off: 1.5 } as const;
/** One look may fall into a start of something large. */
const MEMORY_LOOKS = 2;
/** A Pi's firmware slows it down from 80 °C, and much from 85 °C; a PC is hot there, too. */
const TEMPERATURE = { onAtC: 85, offBelowC: 80 } as const;
/** A machine without a clock of its own and with a slow link needs a while to be told the time. */
const CLOCK_GRACE_MS = 1_800_000;

export interface DiskReading {
  readonly of: "engine" | "agent";
  readonly path: string;
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** 0: this file system does not count them. */
  readonly inodes: number;
  readonly freeInodes: number;
}

/** null in any of them: this machine does not say. */
export interface Readings {
  readonly disks: readonly DiskReading[];
  readonly memory: { readonly totalBytes: number; readonly availableBytes: number } | null;
  readonly clockSynchronised: boolean | null;
  readonly temperatureC: number | null;
  readonly underVoltage: "no" | "now" | "since-boot" | null;
  /** What the engine says: whether it can hold containers to their memory limits. */
  readonly memoryLimits: "enforced" | "not-enforced" | null;
}

export interface Judged {
  /** Sorted by kind. */
  readonly conditions: readonly Condition[];
  /** Looks in a row that found too little memory. */
  readonly lowMemoryLooks: number;
  /** Since when the clock is known not to be set; null: it is, or nobody knows. */
  readonly clockOffSinceMs: number | null;
}

export const NOTHING_JUDGED: Judged = { conditions: [], lowMemoryLooks: 0, clockOffSinceMs: null };

/** Free room below this is pressure. */
export function diskReserveBytes(totalBytes: number): number {
  const share = Math.min(RESERVE.mostBytes, Math.max(RESERVE.leastBytes, totalBytes * RESERVE.share));
  return Math.floor(Math.min(share, totalBytes * RESERVE.mostShare));
}

/** `limits`: a wanted workload has a memory limit. `now`: this boot's monotonic time. */
export function judge(before: Judged, readings: Readings, limits: boolean, now: number): Judged {
  const wasOn = (kind: Condition["kind"]): boolean => before.conditions.some((one) => one.kind === kind);
  const lowMemoryLooks = isLowOnMemory(readings.memory, wasOn("memory-pressure")) ? before.lowMemoryLooks + 1 : 0;
  const clockOffSinceMs = readings.clockSynchronised === false ? (before.clockOffSinceMs ?? now) : null;
  const found: readonly (Condition | null)[] = [
    clockOffSinceMs !== null && now - clockOffSinceMs >= CLOCK_GRACE_MS ? CLOCK_OFF : null,
    diskPressure(readings.disks, wasOn("disk-pressure")),
    inodePressure(readings.disks, wasOn("inode-pressure")),
    limits && readings.memoryLimits === "not-enforced" ? LIMITS_NOT_ENFORCED : null,
    lowMemoryLooks >= MEMORY_LOOKS || (lowMemoryLooks > 0 && wasOn("memory-pressure"))
      ? memoryPressure(readings.memory)
      : null,
    temperature(readings.temperatureC, wasOn("temperature")),
    underVoltage(readings.underVoltage),
  ];
  return { conditions: found.filter((one) => one !== null), lowMemoryLooks, clockOffSinceMs };
}

/** What came on and what went off. A message that only counts on is no news. */
export function turned(
  before: readonly Condition[],
  after: readonly Condition[],
): { readonly on: readonly Condition[]; readonly off: readonly Condition[] } {
  const has = (list: readonly Condition[], { kind }: Condition): boolean => list.some((one) => one.kind === kind);
  return { on: after.filter((one) => !has(before, one)), off: before.filter((one) => !has(after, one)) };
}

const CLOCK_OFF: Condition = {
  kind: "clock-unsynchronised",
  message:
    "its clock has not been set from the network: certificates and logs may be off; see to its time service (NTP)",
};

const LIMITS_NOT_ENFORCED: Condition = {
  kind: "memory-limits-not-enforced",
  message:
    "memory limits have no effect here, and a workload has one: the kernel counts no memory; on a Raspberry Pi add " +
    '"cgroup_enable=memory" to the end of /boot/firmware/cmdline.txt and reboot',
};

function diskPressure(disks: readonly DiskReading[], on: boolean): Condition | null {
  const short = disks.find(({ totalBytes, freeBytes }) => {
    return totalBytes > 0 && freeBytes < diskReserveBytes(totalBytes) * (on ? DISK_OFF : 1);
  });
  if (short === undefined) return null;
  const { path, freeBytes, totalBytes } = short;
  const message =
    `its disk is nearly full: ${inMegabytes(freeBytes)} of ${inMegabytes(totalBytes)} left for ${whose(short)} (${path}); ` +
    "remove unused images and files there. Nothing new is placed here until then";
  return { kind: "disk-pressure", message };
}

function inodePressure(disks: readonly DiskReading[], on: boolean): Condition | null {
  const mark = on ? INODES.offAbove : INODES.onBelow;
  const short = disks.find(({ inodes, freeInodes }) => inodes > 0 && freeInodes < inodes * mark);
  if (short === undefined) return null;
  const left = Math.floor((100 * short.freeInodes) / short.inodes);
  const message =
    `its disk has hardly any room for further files: ${left} % of the inodes left for ${whose(short)} (${short.path}); ` +
    "remove unused images and small files there. Nothing new is placed here until then";
  return { kind: "inode-pressure", message };
}

const whose = ({ of }: DiskReading): string => (of === "engine" ? "the engine" : "the agent");

function isLowOnMemory(memory: Readings["memory"], on: boolean): boolean {
  if (memory === null || memory.totalBytes === 0) return false;
  const mark = Math.max(MEMORY.leastBytes, memory.totalBytes * MEMORY.onShare);
  return memory.availableBytes < mark * (on ? MEMORY.off : 1);
}

function memoryPressure(memory: Readings["memory"]): Condition | null {
  if (memory === null) return null;
  const message =
    `its memory is nearly used up: ${inMegabytes(memory.availableBytes)} of ${inMegabytes(memory.totalBytes)} left; ` +
    "give workloads limits or move some away. Nothing new is placed here until then";
  return { kind: "memory-pressure", message };
}

function temperature(degrees: number | null, on: boolean): Condition | null {
  if (degrees === null || degrees < (on ? TEMPERATURE.offBelowC : TEMPERATURE.onAtC)) return null;
  const message = `it is too hot: ${degrees} °C, so it slows itself down; see to its cooling`;
  return { kind: "temperature", message };
}

function underVoltage(voltage: Readings["underVoltage"]): Condition | null {
  if (voltage === null || voltage === "no") return null;
  const when = voltage === "now" ? "is too low" : "was too low since it started";
  const message = `its supply voltage ${when}: such a machine restarts by itself and spoils its card; use a stronger power supply or a shorter cable`;
  return { kind: "under-voltage", message };
}

/** In whole steps, so that the message stays the same while a figure wobbles. */
function inMegabytes(bytes: number): string {
  const megabytes = bytes / MEBIBYTE;
  return megabytes < 1_024 ? `${Math.floor(megabytes)} MB` : `${Math.floor(megabytes / 102.4) / 10} GB`;
}
