// SafeMode: a machine that restarts over and over stops changing anything until it has run for a while. Pure. Counted by boots and by
// the time that passes within one, never by a clock: after a reboot a clock may be anywhere.

/** A boot in which the agent ran for less than this was a quick one. */
export const QUICK_BOOT_MS = 120_000;
/** The fifth boot in a row, after four quick ones, is one too many: five times two minutes are ten. */
export const QUICK_BOOTS_TO_SAFE_MODE = 4;
/** Long enough for a person to look in, short enough that a machine which was plugged in badly five times is soon back to work. */
export const SAFE_MODE_MS = 600_000;

export interface BootRecord {
  readonly bootId: string;
  /** When the agent first ran in this boot, by this boot's monotonic clock. */
  readonly seenAtMs: number;
  /** Quick boots in a row before this one. */
  readonly quickBefore: number;
  /** It has lasted; what follows counts afresh. */
  readonly steady: boolean;
}

/** At each start of the agent. A start in the same boot changes nothing. */
export function bootSeen(before: BootRecord | null, bootId: string, now: number): BootRecord {
  if (before === null) return { bootId, seenAtMs: now, quickBefore: 0, steady: false };
  if (before.bootId === bootId) return before;
  const quickBefore = before.steady ? 0 : before.quickBefore + 1;
  return { bootId, seenAtMs: now, quickBefore, steady: false };
}

export function isSafeMode({ quickBefore, steady }: BootRecord): boolean {
  return quickBefore >= QUICK_BOOTS_TO_SAFE_MODE && !steady;
}

/** When it will have lasted; null: it has. In safe mode that is its end: a machine that fails again before that stays in it. */
export function steadyAtMs(record: BootRecord): number | null {
  if (record.steady) return null;
  return record.seenAtMs + (isSafeMode(record) ? SAFE_MODE_MS : QUICK_BOOT_MS);
}

export function safeModeMessage({ quickBefore }: BootRecord): string {
  return (
    `safe mode: this machine has restarted ${quickBefore} times, each time within ${QUICK_BOOT_MS / 60_000} minutes: what ran is kept ` +
    `running and nothing is changed. See to its power and its kernel log; it ends after ${SAFE_MODE_MS / 60_000} minutes without a ` +
    'restart, or with "skerry agent safe-mode off" on the node'
  );
}
