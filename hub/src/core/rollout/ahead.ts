// The batches to come, if every copy turns out good and the fleet stays as it is: what a dry run tells. Pure; the rules are `nextBatch`'s
// own. Only the first few are worked out, since each costs a look at every copy.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { copiesOf, serviceOf } from "../lookup.ts";
import type { Rollout, ServiceRollout } from "../rollout-state.ts";
import type { App, World } from "../world.ts";
import { type Hold, nextBatch } from "./batch.ts";
import { amountOf, labelValue, policyOf } from "./policy.ts";
import { isInFlight, type Slot, slotsOf, wantedSlots } from "./slots.ts";

export interface BatchAhead {
  readonly slots: readonly Slot[];
  readonly canary: boolean;
  /** The value of the label `batch_by` that all of it have; null: the file names none, or it has several, as the first start of all. */
  readonly group: string | null;
  /** What must come between its passing and the next one. */
  readonly next:
    | { readonly kind: "next"; readonly afterMs: number }
    /** `afterMs` null: only an operator's `rollout resume`. */
    | { readonly kind: "promotion"; readonly afterMs: number | null }
    | { readonly kind: "end" };
}

export interface ServiceAhead {
  readonly service: ServiceSpec;
  readonly batches: readonly BatchAhead[];
  /** Copies that come after those batches, at most so many at a time; 0: none. */
  readonly rest: { readonly slots: number; readonly atMost: number };
  /** Why no further batch would begin as the fleet is now, although copies are left; null: none is left, or `rest` goes on. */
  readonly hold: Hold | null;
  /** They neither pass nor fail: they get the revision when their nodes are back. */
  readonly away: readonly Slot[];
}

/** As many as a person reads; a larger fleet goes on in the same way. */
export const MAX_BATCHES_AHEAD = 10;

const NO_SLOTS: ReadonlySet<WorkloadId> = new Set();

/** `after`: the World with the rollout begun and its first batches let through; `before`: as it is. */
export function rolloutAhead(before: World, after: World, app: App, rollout: Rollout): readonly ServiceAhead[] {
  return rollout.services.flatMap((state): readonly ServiceAhead[] => {
    const service = serviceOf(app.spec, state.service);
    if (service === null) return [];
    const slots = slotsOf(after, app, service, copiesOf(after, app.name, state.service));
    return [serviceAhead(before, after, { app, kind: rollout.kind, state, service, slots })];
  });
}

interface Service {
  readonly app: App;
  readonly kind: Rollout["kind"];
  readonly state: ServiceRollout;
  readonly service: ServiceSpec;
  readonly slots: readonly Slot[];
}

/** Late enough for any delay to be over. */
const LATER: Millis = Number.MAX_SAFE_INTEGER;

function serviceAhead(before: World, after: World, { app, kind, state, service, slots }: Service): ServiceAhead {
  const stuck = after.unplacedByApp.get(app.name) ?? NO_SLOTS;
  const { delayMs, parallelism } = policyOf(kind, service);
  const promoteAfterMs = service.rollout.canary?.promoteAfterMs ?? null;
  const first = slots.filter((slot) => isInFlight(slot) && isNew(before, slot));
  const batches: BatchAhead[] = [];
  const add = (through: readonly Slot[], canary: boolean): void => {
    batches.push({
      slots: through,
      canary,
      group: groupOf(service, through),
      next: { kind: "next", afterMs: delayMs },
    });
  };
  const end = (next: BatchAhead["next"]): void => {
    const last = batches.at(-1);
    if (last !== undefined) batches[batches.length - 1] = { ...last, next };
  };
  if (first.length > 0) add(first, state.canary === "open");
  let now: Slots = { slots: passed(slots, slots.filter(isInFlight)), state };
  while (batches.length < MAX_BATCHES_AHEAD) {
    const next = nextBatch({ kind, service, stuck, settledSinceMs: 0, now: LATER, ...now });
    if (next.kind === "batch") {
      add(next.slots, now.state.canary === "open");
      now = {
        slots: passed(now.slots, next.slots),
        state: { ...now.state, batch: now.state.batch + 1 },
      };
      continue;
    }
    if (next.hold.kind !== "canary" || batches.length === 0) {
      const isThrough = next.hold.kind === "nothing-left";
      end({ kind: "end" });
      return { service, batches, rest: NO_REST, hold: isThrough ? null : next.hold, away: awayOf(slots) };
    }
    end({ kind: "promotion", afterMs: promoteAfterMs });
    now = { slots: now.slots, state: { ...now.state, canary: "promoted" } };
  }
  const left = now.slots.filter(({ phase, same, reach }) => phase === "behind" && !same && reach !== "silent").length;
  if (left === 0) end({ kind: "end" });
  const atMost = amountOf(parallelism, wantedSlots(service, slots.length));
  return { service, batches, rest: { slots: left, atMost }, hold: null, away: awayOf(slots) };
}

function groupOf({ rollout: { batchBy } }: ServiceSpec, through: readonly Slot[]): string | null {
  const values = new Set(through.map(({ node }) => labelValue(node, batchBy)));
  return values.size === 1 ? ([...values][0] ?? null) : null;
}

type Slots = Pick<Service, "slots" | "state">;

const NO_REST = { slots: 0, atMost: 0 };

/** It gets another container by this revision, and not only another number. */
function isNew(before: World, { placement }: Slot): boolean {
  const was = before.placements.get(placement.workload);
  return (
    was?.specHash !== placement.specHash || was.node !== placement.node || was.step.attempt < placement.step.attempt
  );
}

function passed(slots: readonly Slot[], through: readonly Slot[]): readonly Slot[] {
  const ids = new Set(through.map(({ placement }) => placement.workload));
  return slots.map((slot) => (ids.has(slot.placement.workload) ? { ...slot, phase: "passed", good: true } : slot));
}

const awayOf = (slots: readonly Slot[]): readonly Slot[] =>
  slots.filter(({ phase, reach, same }) => reach === "silent" && phase !== "passed" && !same);
