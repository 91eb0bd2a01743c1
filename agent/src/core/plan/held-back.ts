// HeldBack: why a change that would stop a good container waits: safe mode, a window, or a lease of the workload itself. First starts
// and healing are never held back but by safe mode, a way back never at all. Pure.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { WorkloadMemory } from "../memory.ts";
import { atMost, spentAt } from "../spent.ts";
import { type Existing, isUp } from "./existing.ts";
import { imageNeed } from "./images.ts";
import type { HoldLease, Scene, WindowNow } from "./scene.ts";
import { gateOf, previousOf } from "./target.ts";

export interface HeldBack {
  readonly waits: "window" | "hold" | "safe-mode";
  readonly reason: string;
  /** When it ends by itself; null: not by time. */
  readonly wakeAtMs: Millis | null;
}

/** A lease that is given back early is noticed within this; nothing tells of it. */
const HOLD_LOOK_MS = 5_000;

type Look = Pick<Scene, "context" | "observed" | "now">;

/** null: nothing holds it back. `wanted` is what is to be changed to, and nothing of it stands yet. */
export function heldBack(look: Look, wanted: Workload, existing: Existing, memory: WorkloadMemory): HeldBack | null {
  if (existing.matching !== null || gateOf(memory, wanted).verdict.kind !== "open") return null;
  const { changeOver, times } = wanted;
  if (look.context.safeMode) {
    const reason = "safe mode: this machine restarted too often, so nothing is changed until it has run for a while";
    return { waits: "safe-mode", reason, wakeAtMs: null };
  }
  if (changeOver.force || !stopsGoodOne(wanted, existing)) return null;
  const windows = look.context.openWindows.get(wanted.id);
  if (imageNeed(look, wanted, memory).kind === "pull") {
    return times.download === null ? null : closed(windows?.download, "download");
  }
  return (times.apply === null ? null : closed(windows?.apply, "update")) ?? heldByLease(look, wanted, memory);
}

/** What is up and not proven good (a trial that is overtaken by the next one) may go at any time. */
function stopsGoodOne(wanted: Workload, { outdated }: Existing): boolean {
  const previous = previousOf(wanted);
  return outdated.some((own) => isUp(own) && (previous === null || own.specHash === previous.specHash));
}

function closed(window: WindowNow | null | undefined, which: "download" | "update"): HeldBack | null {
  if (window === null || window === undefined) {
    return { waits: "window", reason: `looks when its ${which} window opens`, wakeAtMs: null };
  }
  if (window.kind === "open") return null;
  return { waits: "window", reason: `its ${which} window is closed: ${window.reason}`, wakeAtMs: window.opensAtMs };
}

function heldByLease(look: Look, wanted: Workload, memory: WorkloadMemory): HeldBack | null {
  const lease = leaseLeft(look, wanted, memory);
  if (lease === null) return null;
  const { owner, reason, leftMs } = lease;
  const wakeAtMs = look.now + Math.min(leftMs, HOLD_LOOK_MS);
  return { waits: "hold", reason: `held by ${owner}: ${reason}`, wakeAtMs };
}

/** The workload's own lease, with what is left of it and of the most that one update may be held; null: none. */
export function leaseLeft(
  { context, now }: Pick<Scene, "context" | "now">,
  wanted: Workload,
  memory: WorkloadMemory,
): (HoldLease & { readonly leftMs: number }) | null {
  const { hold } = wanted.times;
  const lease = context.holds.get(wanted.id);
  if (hold === null || lease === undefined) return null;
  const mostMs = hold.maxMs - spentAt(gateOf(memory, wanted).held, atMost(context.bootId, now));
  const leftMs = Math.round(Math.min(lease.endsAtMs - now, mostMs));
  return leftMs <= 0 ? null : { ...lease, leftMs };
}
