// The next batch: which slots of a service are let through to the new revision now, and if none, for what it waits. Pure.
// It never takes a good slot down beyond the policy's parallelism or the budget, counting what is down already.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { ServiceName, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Rollout, ServiceRollout } from "../rollout-state.ts";
import { constraintRefusal } from "../schedule.ts";
import { amountOf, labelValue, mostDown, policyOf } from "./policy.ts";
import { isInFlight, type Slot, wantedSlots } from "./slots.ts";

/** Why a service's rollout does not go on just now. */
export type Hold =
  | { readonly kind: "in-flight"; readonly slots: readonly Slot[] }
  | { readonly kind: "delay"; readonly untilMs: Millis }
  /** An operator's `rollout resume`, or the time that the file gives; null: only the operator. */
  | { readonly kind: "canary"; readonly untilMs: Millis | null }
  /** So many others are not good; taking one more down would be too many. */
  | { readonly kind: "others-down"; readonly slots: readonly Slot[]; readonly most: number }
  | { readonly kind: "budget"; readonly group: string | null; readonly down: number; readonly most: number }
  /** Not heard since the hub's start. */
  | { readonly kind: "awaited"; readonly slots: readonly Slot[] }
  /** Nothing has passed, and all that are left stand stopped: what does not run cannot be judged, so it goes on when they are started. */
  | { readonly kind: "stopped"; readonly service: ServiceName; readonly slots: readonly Slot[] }
  /** Nothing that is heard is left: those that are away get the revision when they are back. */
  | { readonly kind: "nothing-left" };

export type Next =
  | { readonly kind: "batch"; readonly slots: readonly Slot[] }
  | { readonly kind: "hold"; readonly hold: Hold };

export interface Turn {
  readonly kind: Rollout["kind"];
  readonly state: ServiceRollout;
  readonly service: ServiceSpec;
  readonly slots: readonly Slot[];
  /** Let through before, and no node takes them: they wait for room and hold nothing up. */
  readonly stuck: ReadonlySet<WorkloadId>;
  /** Since when its last batch is settled; null: it is not. */
  readonly settledSinceMs: Millis | null;
  readonly now: Millis;
}

const hold = (why: Hold): Next => ({ kind: "hold", hold: why });

/** Slots with the same container cost nothing: see `freeSlots`. */
export function nextBatch(turn: Turn): Next {
  const { slots, state, settledSinceMs, now } = turn;
  const inFlight = slots.filter(isInFlight);
  if (inFlight.length > 0) return hold({ kind: "in-flight", slots: inFlight });
  const left = slots.filter((slot) => isLeft(turn, slot));
  const heard = left.filter(({ reach }) => reach === "heard");
  if (heard.length === 0) return hold(left.length === 0 ? noneLeft(turn) : { kind: "awaited", slots: left });
  const policy = policyOf(turn.kind, turn.service);
  const since = settledSinceMs ?? now;
  if (state.batch > 0 && now < since + policy.delayMs) return hold({ kind: "delay", untilMs: since + policy.delayMs });
  const candidates = state.canary === "open" ? canariesLeft(turn, heard) : heard;
  if (candidates.length === 0) return hold(canaryHold(turn));
  return choose(turn, candidates);
}

/** Of a service that has passed somewhere, what stands stopped is no reason to wait: it gets the revision in the end, like what is away. */
function noneLeft({ service, slots }: Turn): Hold {
  const stopped = slots.filter(({ phase, placement }) => !placement.intent.run && phase !== "passed");
  if (stopped.length === 0 || slots.some(({ phase }) => phase === "passed")) return { kind: "nothing-left" };
  return { kind: "stopped", service: service.name, slots: stopped };
}

/** Behind, with another container, and to be let through in its turn. Silent ones get the revision when they are back. */
const isLeft = ({ stuck }: Turn, { phase, same, reach, placement }: Slot): boolean =>
  phase === "behind" && !same && reach !== "silent" && placement.intent.run && !stuck.has(placement.workload);

/** Let through at any time while the rollout is not paused: their container stays as it is. */
export const freeSlots = (slots: readonly Slot[]): readonly Slot[] =>
  slots.filter(({ phase, same }) => phase === "behind" && same);

/** The last batch is settled, others are to follow, and too few have passed for that; failures that an operator went on in spite of do not count. */
export function thresholdMissed(
  { rollout: { successThreshold } }: ServiceSpec,
  { forgiven }: ServiceRollout,
  slots: readonly Slot[],
): { readonly passed: number; readonly failed: number } | null {
  const passed = slots.filter(({ phase }) => phase === "passed").length;
  const failed = slots.filter(({ phase }) => phase === "failed").length - forgiven;
  if (failed <= 0 || passed / (passed + failed) >= successThreshold || slots.some(isInFlight)) return null;
  return slots.some(({ phase, same, placement }) => phase === "behind" && !same && placement.intent.run)
    ? { passed, failed }
    : null;
}

/** The canaries are chosen once: one that is silent is not made up for by another, and one that had this container before counts. */
function canariesLeft(turn: Turn, heard: readonly Slot[]): readonly Slot[] {
  const who = turn.service.rollout.canary?.who;
  if (who === undefined) return heard;
  if (who.kind === "nodes")
    return heard.filter(({ node }) => node !== null && constraintRefusal([who.constraint], node) === null);
  const through = turn.slots.filter(({ phase, same }) => phase !== "behind" || same).length;
  const wanted = amountOf(who.amount, wantedSlots(turn.service, turn.slots.length));
  return heard.slice(0, Math.max(0, wanted - through));
}

function canaryHold({ service, slots, settledSinceMs, now }: Turn): Hold {
  // Time promotes none of which one failed.
  const failed = slots.some(({ phase }) => phase === "failed");
  const after = failed ? null : (service.rollout.canary?.promoteAfterMs ?? null);
  return { kind: "canary", untilMs: after === null ? null : (settledSinceMs ?? now) + after };
}

/** Those that are down already first: they have nothing to lose. With `batchBy`, all of one value of that label. */
function choose(turn: Turn, candidates: readonly Slot[]): Next {
  const { batchBy } = turn.service.rollout;
  const ordered = [...candidates.filter(({ good }) => !good), ...candidates.filter(({ good }) => good)];
  const groups = Map.groupBy(ordered, ({ node }) => labelValue(node, batchBy));
  let refused: Next | null = null;
  // A group whose budget a dead node has used up must not keep the others waiting for that node.
  for (const group of groups.values()) {
    const next = chooseIn(turn, group);
    if (next.kind === "batch") return next;
    refused ??= next;
  }
  return refused ?? hold({ kind: "nothing-left" });
}

function chooseIn(turn: Turn, group: readonly Slot[]): Next {
  const { service, slots } = turn;
  const policy = policyOf(turn.kind, service);
  const most = amountOf(policy.parallelism, wantedSlots(service, slots.length));
  const down = slots.filter(isDownElsewhere);
  const budget = new Budget(service, slots);
  const chosen: Slot[] = [];
  let refused: Hold | null = null;
  let taken = 0;
  for (const slot of group) {
    if (chosen.length >= most) break;
    const costs = slot.good && policy.order === "stop-first";
    if (costs && down.length + taken >= most) refused ??= { kind: "others-down", slots: down, most };
    else if (costs && !budget.allows(slot)) refused ??= budget.hold(slot);
    else {
      if (costs) {
        taken += 1;
        budget.take(slot);
      }
      chosen.push(slot);
    }
  }
  if (chosen.length > 0) return { kind: "batch", slots: chosen };
  return hold(refused ?? { kind: "nothing-left" });
}

/** Not good although its node is heard, and not known to have failed: what failed is counted by the failure ratio. */
const isDownElsewhere = ({ good, reach, phase, placement }: Slot): boolean =>
  !good && reach !== "silent" && phase !== "failed" && placement.intent.run;

/** `x-skerry.rollout.budget`: counts everything that is not good, those on silent nodes too. */
class Budget {
  readonly #service: ServiceSpec;
  readonly #down = new Map<string | null, number>();
  readonly #total = new Map<string | null, number>();

  constructor(service: ServiceSpec, slots: readonly Slot[]) {
    this.#service = service;
    for (const slot of slots) {
      if (!slot.placement.intent.run) continue;
      const group = this.#groupOf(slot);
      this.#total.set(group, (this.#total.get(group) ?? 0) + 1);
      if (!slot.good || slot.reach !== "heard") this.take(slot);
    }
  }

  allows(slot: Slot): boolean {
    const { budget } = this.#service.rollout;
    if (budget === null) return true;
    const group = this.#groupOf(slot);
    return (this.#down.get(group) ?? 0) < mostDown(budget.maxUnavailable, this.#total.get(group) ?? 0);
  }

  take(slot: Slot): void {
    const group = this.#groupOf(slot);
    this.#down.set(group, (this.#down.get(group) ?? 0) + 1);
  }

  hold(slot: Slot): Hold {
    const group = this.#groupOf(slot);
    const { budget } = this.#service.rollout;
    const most = budget === null ? 0 : mostDown(budget.maxUnavailable, this.#total.get(group) ?? 0);
    return { kind: "budget", group, down: this.#down.get(group) ?? 0, most };
  }

  #groupOf({ node }: Slot): string | null {
    return labelValue(node, this.#service.rollout.budget?.per ?? null);
  }
}
