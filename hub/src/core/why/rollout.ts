// A rollout in words: how far it has come, for what each service of it waits and on which nodes, or why it ended. Pure.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Hold } from "../rollout/batch.ts";
import { outlookOf, type ServiceOutlook, type SlotOutlook } from "../rollout/outlook.ts";
import type { Rollout } from "../rollout-state.ts";
import type { App, World } from "../world.ts";
import { type Ground, ground } from "./account.ts";
import { retryHint } from "./gate.ts";
import { workloadAccount } from "./slot.ts";
import { counted, listed } from "./words.ts";

/** Empty: nothing of a rollout is worth saying. `only`: of this service. */
export function rolloutGrounds(world: World, app: App, now: Millis, only: ServiceSpec | null): readonly Ground[] {
  const rollout = world.rollouts.get(app.name);
  const failed = failedGrounds(app, only);
  // Of a first start its workloads tell.
  if (rollout === undefined || rollout.revision !== app.revision) return failed;
  if (rollout.kind === "first" && rollout.state.kind === "progressing") return failed;
  switch (rollout.state.kind) {
    case "progressing":
      return [...progress(world, app, rollout, now, only), ...failed];
    case "paused": {
      const { by, reason } = rollout.state;
      const hint = `To go on: skerry rollout resume ${app.name}; to go back: skerry rollout undo ${app.name}`;
      const text = `the rollout of revision ${rollout.revision} is paused by ${by}: ${reason}`;
      return [ground("rollout", text, hint), ...failed];
    }
    case "failed": {
      const { reason, next } = rollout.state;
      const then = next === null ? "" : `; it was followed by revision ${next}`;
      return [
        ground("rollout", `revision ${rollout.revision} failed: ${reason}${then}`, retryHint(app.name)),
        ...failed,
      ];
    }
    case "superseded":
      return [ground("rollout", `revision ${rollout.revision} gave way to revision ${rollout.state.next}`), ...failed];
    case "done":
      return rollout.kind === "rollback" ? [ground("rollout", `went back: ${rollout.reason}`), ...failed] : failed;
    default:
      return assertNever(rollout.state);
  }
}

/** What was tried and failed is told as long as nothing else was applied. */
function failedGrounds(app: App, only: ServiceSpec | null): readonly Ground[] {
  return app.failedSpecs
    .filter(({ service }) => only === null || only.name === service)
    .map(({ service, revision, reason }) =>
      ground(
        `${app.name}/${service}`,
        `revision ${revision} failed and is not tried again: ${reason}`,
        retryHint(app.name),
      ),
    );
}

function progress(world: World, app: App, rollout: Rollout, now: Millis, only: ServiceSpec | null): readonly Ground[] {
  const what =
    rollout.kind === "rollback"
      ? `going back, as ${rollout.reason}`
      : `revision ${rollout.revision} is being rolled out (${rollout.reason} by ${rollout.by})`;
  const services = outlookOf(world, app, rollout, now)
    .filter(({ state }) => only === null || only.name === state.service)
    .map((one) => serviceGround(world, app, one, now));
  return services.length === 0 ? [] : [ground("rollout", what), ...services];
}

function serviceGround(world: World, app: App, one: ServiceOutlook, now: Millis): Ground {
  const { state, slots, hold, reason } = one;
  const passed = slots.filter((slot) => slot.state === "passed").length;
  const away = slots.filter((slot) => slot.state === "waiting" && slot.slot.reach === "silent");
  const silent =
    away.length === 0 ? [] : [`${counted(away.length, "node")} not heard, served on return: ${listed(namesOf(away))}`];
  const batch = state.batch === 0 ? "no batch yet" : `batch ${state.batch}`;
  return {
    subject: `${app.name}/${state.service}`,
    text: `${batch}, ${passed} of ${slots.length} passed${reason === "" ? "" : `; ${reason}`}`,
    because: [...(hold === null ? [] : holdCauses(world, hold, now)), ...silent],
    hint: hold === null ? null : holdHint(hold, app),
  };
}

const namesOf = (slots: readonly SlotOutlook[]): readonly string[] =>
  slots.map(({ slot }) => slot.node?.name ?? slot.placement.node);

function holdHint(hold: Hold, { name }: App): string | null {
  switch (hold.kind) {
    case "canary":
      return `To go on: skerry rollout resume ${name}; to go back: skerry rollout undo ${name}`;
    case "stopped":
      return `To start it: skerry start ${name}/${hold.service}`;
    case "others-down":
    case "budget":
      return `See what is not good: skerry ps ${name}`;
    case "in-flight":
    case "delay":
    case "awaited":
    case "nothing-left":
      return null;
    default:
      return assertNever(hold);
  }
}

/** Nodes told of one by one. */
const MAX_CAUSES = 5;

/** Node by node, for what those in the way wait themselves. */
function holdCauses(world: World, hold: Hold, now: Millis): readonly string[] {
  if (hold.kind !== "in-flight" && hold.kind !== "others-down") return [];
  return hold.slots.slice(0, MAX_CAUSES).flatMap(({ placement, node }) => {
    const told = workloadAccount(world, placement.workload, now);
    if (told === null) return [];
    return [`${node?.name ?? placement.node}: ${told.state}: ${told.reason}`, ...told.because.slice(0, 1)];
  });
}
