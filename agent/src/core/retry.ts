// Retry: how long to wait after which failure. Pure; the numbers are the promise "1 s to 5 min, with jitter".
import type { Restart } from "@skerry/shared/model/container.ts";
import { type BackoffShape, equalJitterMs } from "@skerry/shared/runtime/backoff.ts";

/** A second does not hammer an engine; after five minutes a person who has repaired the cause does not wait long. */
export const RETRY: BackoffShape = { baseMs: 1_000, capMs: 300_000 };
/** A run of this length was no crash loop: what follows counts afresh. Compose's `restart_policy.window` overrides. */
export const STABLE_RUN_MS = 60_000;
/** What the engine refused as invalid is tried again this seldom: a bind mount's disk may have come since. */
export const REFUSED_RETRY_MS = 300_000;

export type During = "pull" | "create" | "start" | "run";

export function stableRunMs(restart: Restart): number {
  return restart.windowMs ?? STABLE_RUN_MS;
}

/**
 * Before the try after failure number `failures` (1 = first). A container that ended for the first time is started again at once:
 * healing must not wait, and a loop shows itself from the second end on.
 */
export function retryDelayMs(restart: Restart, during: During, failures: number, chance: number): number {
  const floorMs = restart.delayMs ?? 0;
  const step = during === "run" ? failures - 1 : failures;
  return Math.max(floorMs, step <= 0 ? 0 : equalJitterMs(RETRY, step, chance));
}

/** Whether the file wants what ended with this code to run again. */
export function wantsRestart({ policy }: Restart, exitCode: number): boolean {
  return policy === "always" || policy === "unless-stopped" || (policy === "on-failure" && exitCode !== 0);
}
