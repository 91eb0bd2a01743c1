// How long a process has been running, by the kernel's own clock since boot: right whatever the wall clock does.
// Linux only; null where the process cannot be seen (another pid namespace, another system).
import { readFileSync } from "node:fs";

/** /proc counts in hundredths of a second on every Linux architecture that Node supports (USER_HZ). */
const TICKS_PER_SECOND = 100;
/** Position of `starttime` among the fields that follow the command's closing bracket in /proc/PID/stat (field 22 of proc(5)). */
const START_FIELD = 19;

export function processAgeMs(pid: number): number | null {
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  try {
    const uptimeS = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const startedS = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[START_FIELD]) / TICKS_PER_SECOND;
    const ageMs = (uptimeS - startedS) * 1_000;
    return Number.isFinite(ageMs) ? Math.max(0, ageMs) : null;
  } catch {
    return null;
  }
}
