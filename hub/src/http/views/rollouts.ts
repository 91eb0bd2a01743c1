// Rollouts as the API shows them.

import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { outlookOf, type ServiceOutlook, type SlotOutlook } from "../../core/rollout/outlook.ts";
import type { Rollout } from "../../core/rollout-state.ts";
import type { App, World } from "../../core/world.ts";
import type { RolloutBrief, RolloutService, RolloutSlot, RolloutSummary, RolloutView } from "../schemas/rollouts.ts";
import { nodeRef } from "./node-ref.ts";

/** Slots told of one by one in each service; the rest is counted. */
const MAX_SLOTS = 100;

type Counts = RolloutBrief["counts"];

export function rolloutSummary(rollout: Rollout): RolloutSummary {
  const { app, revision, kind, from, by, reason, startedAtMs, state } = rollout;
  return { app, revision, kind, from, by, reason, startedAtMs, state };
}

/** null: the app's revision was never rolled out in this sense (it stood before rollouts were recorded). */
export function rolloutBrief(world: World, app: App, now: Millis): RolloutBrief | null {
  const rollout = world.rollouts.get(app.name);
  if (rollout === undefined || rollout.revision !== app.revision) return null;
  return brief(rollout, outlookOf(world, app, rollout, now));
}

export function rolloutView(world: World, app: App, now: Millis): RolloutView | null {
  const rollout = world.rollouts.get(app.name);
  if (rollout === undefined || rollout.revision !== app.revision) return null;
  const outlooks = outlookOf(world, app, rollout, now);
  return { ...brief(rollout, outlooks), services: outlooks.map(serviceView), seq: world.seq };
}

function brief(rollout: Rollout, outlooks: readonly ServiceOutlook[]): RolloutBrief {
  const counts = countsOf(outlooks.flatMap(({ slots }) => slots));
  const waitsForPerson = outlooks.some(({ hold }) => hold?.kind === "canary" && hold.untilMs === null);
  const awaitsResume = rollout.state.kind === "paused" || (waitsForPerson && counts.open === 0);
  const held = outlooks.flatMap(({ hold }) => hold ?? []);
  const awaitsStart = held.length > 0 && held.every(({ kind }) => kind === "stopped");
  return {
    ...rolloutSummary(rollout),
    summary: summaryOf(rollout, outlooks, counts),
    awaitsResume,
    awaitsStart,
    counts,
  };
}

function summaryOf(rollout: Rollout, outlooks: readonly ServiceOutlook[], counts: Counts): string {
  const { state, revision } = rollout;
  const through = `${counts.passed} of ${counts.total} through`;
  switch (state.kind) {
    case "progressing": {
      const held = outlooks
        .filter(({ reason }) => reason !== "")
        .map(({ state: { service }, reason }) => `${service}: ${reason}`);
      return held.length === 0 ? `${through}` : `${through}; ${held.join("; ")}`;
    }
    case "paused":
      return `paused by ${state.by}: ${state.reason}; ${through}`;
    case "done":
      return counts.waiting === 0 ? "done" : `done; ${counts.waiting} get it when they are back, started or find room`;
    case "failed":
      return `revision ${revision} failed: ${state.reason}`;
    case "superseded":
      return `gave way to revision ${state.next}`;
    default:
      return assertNever(state);
  }
}

const ORDER: Readonly<Record<SlotOutlook["state"], number>> = { failed: 0, open: 1, waiting: 2, pending: 3, passed: 4 };

function serviceView({ state, slots, reason }: ServiceOutlook): RolloutService {
  const ordered = [...slots].sort((a, b) => ORDER[a.state] - ORDER[b.state]);
  return {
    service: state.service,
    batch: state.batch,
    canary: state.canary,
    reason,
    counts: countsOf(slots),
    slots: ordered.slice(0, MAX_SLOTS).map(slotView),
    more: Math.max(0, slots.length - MAX_SLOTS),
  };
}

function slotView({ slot, state, reason }: SlotOutlook): RolloutSlot {
  const { workload, revision } = slot.placement;
  return { workload, node: slot.node === null ? null : nodeRef(slot.node), state, revision, reason };
}

function countsOf(slots: readonly SlotOutlook[]): Counts {
  const counts = { total: slots.length, pending: 0, open: 0, passed: 0, failed: 0, waiting: 0 };
  for (const { state } of slots) counts[state] += 1;
  return counts;
}
