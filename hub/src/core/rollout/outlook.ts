// How a rollout stands, for people: of each service what holds it, of each slot what it waits for. Pure; the same for the API, `why` and
// the terminal.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { gateIsOf } from "../condition.ts";
import { copiesOf } from "../lookup.ts";
import { refusalSummary } from "../refusal-text.ts";
import type { Rollout, ServiceRollout } from "../rollout-state.ts";
import type { App, World } from "../world.ts";
import { type Hold, nextBatch } from "./batch.ts";
import { activeRollout } from "./policy.ts";
import { gateOf, isInFlight, type Slot, slotsOf } from "./slots.ts";

export interface SlotOutlook {
  readonly slot: Slot;
  /** `waiting`: its node is not heard from, or no node takes it. */
  readonly state: "pending" | "open" | "passed" | "failed" | "waiting";
  /** "": nothing to say. */
  readonly reason: string;
}

export interface ServiceOutlook {
  readonly state: ServiceRollout;
  readonly slots: readonly SlotOutlook[];
  /** Why no further slot is let through just now; null: it is through, or the rollout has ended. */
  readonly hold: Hold | null;
  /** The hold in words; "" for none. */
  readonly reason: string;
}

const NO_SLOTS: ReadonlySet<WorkloadId> = new Set();

/** Of each service that had something to change, and of those that hold the rollout's end up: what was on its way before is judged too. */
export function outlookOf(world: World, app: App, rollout: Rollout, now: Millis): readonly ServiceOutlook[] {
  const isUnderWay = activeRollout(world.rollouts, app) === rollout;
  return app.spec.services.flatMap((service): readonly ServiceOutlook[] => {
    const known = rollout.services.find((each) => each.service === service.name);
    if (known === undefined && !isUnderWay) return [];
    const slots = slotsOf(world, app, service, copiesOf(world, app.name, service.name));
    if (known === undefined && !slots.some(isInFlight)) return [];
    const state = known ?? { service: service.name, batch: 0, canary: "none", forgiven: 0 };
    const hold = rollout.state.kind === "progressing" ? holdOf(world, app, rollout, state, service, slots, now) : null;
    return [
      {
        state,
        slots: slots.map((slot) => slotOutlook(world, slot)),
        hold,
        reason: hold === null ? "" : holdText(hold, app, now),
      },
    ];
  });
}

function holdOf(
  world: World,
  app: App,
  rollout: Rollout,
  state: ServiceRollout,
  service: ServiceSpec,
  slots: readonly Slot[],
  now: Millis,
): Hold | null {
  const stuck = world.unplacedByApp.get(app.name) ?? NO_SLOTS;
  const settledSinceMs = world.settledSinceMs.get(`${app.name}/${service.name}`) ?? null;
  const next = nextBatch({ kind: rollout.kind, state, service, slots, stuck, settledSinceMs, now });
  return next.kind === "hold" && next.hold.kind !== "nothing-left" ? next.hold : null;
}

function slotOutlook(world: World, slot: Slot): SlotOutlook {
  const { phase, reach, placement } = slot;
  const unplaced = world.unplaced.get(placement.workload);
  if (phase === "behind" && unplaced !== undefined)
    return { slot, state: "waiting", reason: `fits nowhere: ${refusalSummary(unplaced.refusals)}` };
  const away = reach === "silent" ? "its node is not heard from" : "its node was not heard from since the hub's start";
  switch (phase) {
    case "behind":
      if (!placement.intent.run)
        return { slot, state: "waiting", reason: `${STOPPED}: its turn comes when it is started` };
      return reach === "heard"
        ? { slot, state: "pending", reason: "its turn has not come" }
        : { slot, state: "waiting", reason: `${away}: it gets the newest revision when it is back` };
    case "updating":
      if (reach !== "heard") return { slot, state: "waiting", reason: away };
      return { slot, state: "open", reason: gateReason(world, slot) };
    case "stopped":
      return gateOf(world, placement)?.kind === "passed"
        ? { slot, state: "passed", reason: STOPPED }
        : { slot, state: "waiting", reason: `${STOPPED}: it is judged when it is started` };
    case "passed":
      return { slot, state: "passed", reason: "" };
    case "failed": {
      const gate = gateOf(world, placement);
      return { slot, state: "failed", reason: gate?.kind === "failed" ? gate.reason : "" };
    }
    default:
      return assertNever(phase);
  }
}

const STOPPED = "stands stopped, as an operator wants";

/** The node's own words for what its gate waits for. */
function gateReason(world: World, { placement }: Slot): string {
  const status = world.observations.get(placement.node)?.workloads.get(placement.workload)?.status;
  if (status === undefined || !gateIsOf(placement, status)) return "on its way to the node";
  return status.gate.kind === "open" ? status.gate.reason : "being judged by its node";
}

/** As many names as fit into a sentence. */
const MAX_NAMED = 3;

function named(slots: readonly Slot[]): string {
  const names = slots.slice(0, MAX_NAMED).map(({ placement, node }) => {
    const { service, slot } = placement;
    return slot.startsWith("n") ? `${service} on ${node?.name ?? placement.node}` : `${service}/${slot}`;
  });
  const more = slots.length - names.length;
  return more > 0 ? `${names.join(", ")} and ${more} more` : names.join(", ");
}

/** For what a service's rollout waits, as the end of "waits for …" or a sentence of its own. */
export function holdText(hold: Hold, app: Pick<App, "name">, now: Millis): string {
  switch (hold.kind) {
    case "in-flight":
      return `waits until ${named(hold.slots)} ${hold.slots.length === 1 ? "has" : "have"} passed`;
    case "delay":
      return `waits ${seconds(hold.untilMs - now)} before the next batch, as the file asks`;
    case "canary":
      return hold.untilMs === null
        ? `its canaries are through: goes on with skerry rollout resume ${app.name}`
        : `its canaries are through: goes on by itself in ${seconds(hold.untilMs - now)}, or with skerry rollout resume ${app.name}`;
    case "others-down":
      return `waits for ${named(hold.slots)} to be good again: at most ${hold.most} may be down at a time`;
    case "budget":
      return `waits: its budget allows ${hold.most} down${hold.group === null ? "" : ` in ${hold.group}`}, and ${hold.down} are`;
    case "awaited":
      return `waits for word from ${named(hold.slots)}, not heard from since the hub's start`;
    case "stopped":
      return `stands stopped: goes on when it is started (skerry start ${app.name}/${hold.service})`;
    case "nothing-left":
      return "";
    default:
      return assertNever(hold);
  }
}

const seconds = (ms: number): string => `${Math.max(0, Math.ceil(ms / 1_000))} s`;
