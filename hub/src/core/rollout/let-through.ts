// Who is let through to an app's revision in this pass, and whether its rollout is done after it. Pure; looks at the draft.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Millis, WallMillis } from "@skerry/shared/runtime/clock.ts";
import type { Change } from "../change.ts";
import type { Draft } from "../draft.ts";
import { serviceOf } from "../lookup.ts";
import type { Rollout, ServiceRollout } from "../rollout-state.ts";
import type { App, Placement, Step, World } from "../world.ts";
import { freeSlots, nextBatch } from "./batch.ts";
import { isLookedAt, isUnderWay, type Look } from "./looks.ts";
import { activeRollout } from "./policy.ts";
import { gateOf, goodRevision, isInFlight, type Slot, slotsOf, wantedSlots } from "./slots.ts";

export interface LetThrough {
  readonly steps: ReadonlyMap<WorkloadId, Step>;
  /** As it is after these batches; null: there is none. */
  readonly rollout: Rollout | null;
  readonly events: readonly Change[];
}

/**
 * `stuck`: slots that were let through and that no node takes; `now`: those among them that were tried in this pass already. A look at
 * some services begins batches and nothing else: those that are stuck wait for a change of a node.
 */
export function letThrough(
  world: World,
  draft: Draft,
  app: App,
  look: Look,
  known: Rollout | null,
  stuck: { readonly before: ReadonlySet<WorkloadId>; readonly now: ReadonlySet<WorkloadId> },
  now: Millis,
): LetThrough {
  const rollout = known ?? activeRollout(world.rollouts, app);
  const steps = new Map<WorkloadId, Step>();
  if (rollout?.state.kind === "paused") return { steps, rollout, events: [] };
  const add = ({ placement, same }: Slot): void => {
    if (stuck.now.has(placement.workload)) return;
    steps.set(placement.workload, stepOf(world, app, placement, same));
  };
  const events: Change[] = [];
  const services: ServiceRollout[] = [];
  for (const service of app.spec.services) {
    const state = rollout?.services.find((each) => each.service === service.name) ?? null;
    if (look !== "all" && (!look.has(service.name) || state === null || isUnderWay(world, draft, app, service.name))) {
      if (state !== null) services.push(state);
      continue;
    }
    const slots = slotsOf(world, app, service, draft.copies(app.name, service.name).values());
    if (look === "all") {
      for (const slot of freeSlots(slots)) add(slot);
      for (const slot of slots) if (isStuck(slot, stuck.before)) add(slot);
    }
    // No rollout under way, nothing good before it, or a service it does not change: everything at once.
    if (rollout === null || rollout.kind === "first" || state === null) {
      for (const slot of slots) if (slot.phase === "behind") add(slot);
      if (state !== null) services.push(state);
      continue;
    }
    const settledSinceMs = world.settledSinceMs.get(`${app.name}/${service.name}`) ?? null;
    const all = new Set([...stuck.before, ...stuck.now]);
    const next = nextBatch({ kind: rollout.kind, state, service, slots, stuck: all, settledSinceMs, now });
    if (next.kind === "hold") {
      services.push(state);
      continue;
    }
    for (const slot of next.slots) add(slot);
    const batch = state.batch + 1;
    services.push({ ...state, batch });
    const event = { kind: "rollout-batch", app: app.name, service: service.name, batch } as const;
    events.push({ kind: "hub-event", event: { ...event, slots: next.slots.length } });
  }
  const moved = events.length > 0 && rollout !== null;
  return { steps, rollout: moved ? { ...rollout, services } : rollout, events };
}

/** It was let through before and found no room. One on a silent node found none to move to, which is another matter. */
const isStuck = ({ phase, reach, placement }: Slot, unplaced: ReadonlySet<WorkloadId>): boolean =>
  phase === "behind" && reach === "heard" && unplaced.has(placement.workload);

/** `same`: the new revision asks for the container that is there. */
export function stepOf(world: World, app: App, standing: Placement, same: boolean): Step {
  const last = world.rollouts.get(app.name) ?? null;
  // What is on its way already is not begun anew, but nothing holds it back any more.
  if (same)
    return last?.force === true && gateOf(world, standing) === null ? { ...standing.step, force: true } : standing.step;
  const kind = last?.kind ?? "update";
  const previous = kind === "update" ? goodRevision(world, app, standing) : null;
  return { kind, previous, attempt: last?.attempt ?? 0, force: last?.force ?? false };
}

/** Nothing that is heard is behind or unsettled, and every service has shown itself good somewhere. The looked at are asked first. */
export function isDone(
  world: World,
  draft: Draft,
  app: App,
  look: Look,
  rollout: Rollout,
  isStuck: (id: WorkloadId) => boolean,
): boolean {
  if (app.spec.services.some(({ name }) => isUnderWay(world, draft, app, name))) return false;
  const isLooked = ({ name }: ServiceSpec): boolean => isLookedAt(look, name);
  const services = [...app.spec.services.filter(isLooked), ...app.spec.services.filter((one) => !isLooked(one))];
  return services.every((service) => {
    const slots = slotsOf(world, app, service, draft.copies(app.name, service.name).values());
    if (slots.some(isInFlight)) return false;
    if (slots.some((slot) => isOwed(slot) && !isStuck(slot.placement.workload))) return false;
    const changes = rollout.services.some((each) => each.service === service.name);
    return !changes || isProven(service, slots);
  });
}

/** What stands stopped is owed nothing before it is started. */
const isOwed = ({ phase, reach, placement }: Slot): boolean =>
  phase === "behind" && reach !== "silent" && placement.intent.run;

/** A service of which every copy stands stopped has shown nothing: its rollout goes on when it is started. */
function isProven(service: ServiceSpec, slots: readonly Slot[]): boolean {
  if (slots.length === 0) return wantedSlots(service, 0) === 0;
  return slots.some(({ phase }) => phase === "passed");
}

/**
 * The rollout is done: its revision is the one to go back to from now on, unless it has run nowhere (no node matches, no copies).
 */
export function doneChanges(world: World, app: App, rollout: Rollout, wallMs: WallMillis): readonly Change[] {
  const { revision } = app;
  const hasRun = world.copies.has(app.name);
  const known: App = { ...app, lastGood: hasRun ? revision : app.lastGood };
  return [
    { kind: "app-set", app: known, source: { sameAs: revision } },
    { kind: "rollout-set", rollout: { ...rollout, state: { kind: "done", atMs: wallMs } } },
    { kind: "hub-event", event: { kind: "rollout-done", app: app.name, revision } },
  ];
}

/** Those that are away, stand stopped, or found no room: they get the revision when they can. */
export function stragglers(world: World, draft: Draft, app: App): ReadonlyMap<WorkloadId, Step> {
  const steps = new Map<WorkloadId, Step>();
  for (const { name } of app.spec.services) {
    const service = serviceOf(app.spec, name);
    if (service === null) continue;
    for (const { phase, placement, same } of slotsOf(world, app, service, draft.copies(app.name, name).values()))
      if (phase === "behind") steps.set(placement.workload, stepOf(world, app, placement, same));
  }
  return steps;
}
