// The agent's clock: milliseconds since the machine booted, the time spent suspended included where the system tells it. Values of one
// boot can be compared across restarts of the agent, which back-off memory and leases need. Timers are the system's: they do not
// count a suspend, so after one everything due is looked at when the first of them fires.
import { readFileSync } from "node:fs";
import { type Clock, systemClock } from "@skerry/shared/runtime/clock.ts";

/** How stale the measured suspend time may be: a suspend is seen at the first call so long after the last look. */
const LOOK_PERIOD_MS = 100;
/** /proc/uptime counts in hundredths of a second: smaller differences are its rounding, not a suspend. */
const ROUNDING_MS = 50;

/** /proc/uptime counts suspended time (CLOCK_BOOTTIME), process.hrtime does not (CLOCK_MONOTONIC): their difference is the suspended time. */
export function bootClock(
  readMonotonicMs: () => number = () => Number(process.hrtime.bigint()) / 1e6,
  readUptimeMs: () => number | null = uptimeMs,
): Clock {
  let suspendedMs = 0;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  const monotonicMs = (): number => {
    let awake = readMonotonicMs();
    if (awake - lookedAtMs >= LOOK_PERIOD_MS) {
      lookedAtMs = awake;
      const uptime = readUptimeMs();
      // Once more, and after the other: a busy machine that lets the agent stand still between the two would count as suspended, for good.
      awake = readMonotonicMs();
      if (uptime !== null && uptime - awake > suspendedMs + ROUNDING_MS) suspendedMs = uptime - awake;
    }
    return awake + suspendedMs;
  };
  return { ...systemClock, monotonicMs };
}

function uptimeMs(): number | null {
  try {
    return Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1_000;
  } catch {
    return null;
  }
}
