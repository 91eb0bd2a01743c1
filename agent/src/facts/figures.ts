// Cheap readings from /proc and /sys: memory, disk, load, temperature, clock. No shell is started, nothing is kept open.
// What cannot be read is null or 0, never an error: a missing thermometer must not stop an agent.
import { existsSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import type { NodeFigures } from "@skerry/shared/model/node.ts";
import type { DiskReading } from "../core/conditions.ts";

/** Small wobbles are not worth a byte on the wire. */
const MEMORY_STEP_BYTES = 1_048_576;
const DISK_STEP_BYTES = 16 * 1_048_576;

const THERMAL = "/sys/class/thermal";
/** systemd-timesyncd makes the folder when it runs, and the file once the clock was set from the network in this boot. */
const TIMESYNC = "/run/systemd/timesync";

/** `root`: where /sys and /run are, for tests. */
export function readFigures(diskPath: string, root = ""): NodeFigures {
  return {
    memoryAvailableBytes: steps(memInfoBytes("MemAvailable"), MEMORY_STEP_BYTES),
    diskFreeBytes: steps(diskBytes(diskPath).free, DISK_STEP_BYTES),
    load1: Number((readText("/proc/loadavg") ?? "0").split(" ")[0]) || 0,
    temperatureC: temperatureC(root + THERMAL),
    clockSynchronised: clockSynchronised(root + TIMESYNC),
  };
}

export function memInfoBytes(name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readText("/proc/meminfo") ?? "");
  return match === null ? 0 : Number(match[1]) * 1_024;
}

/** As `diskBytes`, with its room for files. Zeros: it cannot be read. */
export function diskReading(of: DiskReading["of"], path: string): DiskReading {
  try {
    const { bsize, blocks, bavail, files, ffree } = statfsSync(path);
    return { of, path, totalBytes: bsize * blocks, freeBytes: bsize * bavail, inodes: files, freeInodes: ffree };
  } catch {
    return { of, path, totalBytes: 0, freeBytes: 0, inodes: 0, freeInodes: 0 };
  }
}

/** Of the file system that holds `path`; what root alone may use counts as used. */
export function diskBytes(path: string): { readonly total: number; readonly free: number } {
  try {
    const { bsize, blocks, bavail } = statfsSync(path);
    return { total: bsize * blocks, free: bsize * bavail };
  } catch {
    return { total: 0, free: 0 };
  }
}

export function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8").replace(/\0/g, "").trim();
  } catch {
    return null;
  }
}

/** The processor's own sensor where one is named so, else the first there is. In whole degrees. */
function temperatureC(folder: string): number | null {
  let zones: string[];
  try {
    zones = readdirSync(folder).filter((name) => name.startsWith("thermal_zone"));
  } catch {
    return null;
  }
  const readings = zones.sort().map((zone) => ({
    type: readText(`${folder}/${zone}/type`) ?? "",
    milli: Number(readText(`${folder}/${zone}/temp`) ?? Number.NaN),
  }));
  const usable = readings.filter(({ milli }) => Number.isFinite(milli));
  const best = usable.find(({ type }) => /cpu|x86_pkg|soc/i.test(type)) ?? usable[0];
  return best === undefined ? null : Math.round(best.milli / 1_000);
}

/** Now. null: this machine keeps its time by something that cannot be asked cheaply (chrony, ntpd, none). */
export function clockSynchronised(folder = TIMESYNC): boolean | null {
  if (existsSync(`${folder}/synchronized`)) return true;
  return existsSync(folder) ? false : null;
}

const steps = (value: number, step: number): number => Math.floor(value / step) * step;
