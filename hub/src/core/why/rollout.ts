// A rollout in words: how far it has come, for what each service of it waits and on which nodes, or why it ended. Pure.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { serviceOf } from "../lookup.ts";
import { copiesOf } from "../rollout/advance.ts";
import { type Hold, nextBatch } from "../rollout/batch.ts";
import { type Slot, slotsOf } from "../rollout/slots.ts";
import type { Rollout, ServiceRollout } from "../rollout-state.ts";
import type { App, World } from "../world.ts";
import { type Ground, ground } from "./account.ts";
import { workloadAccount } from "./slot.ts";
import { counted, durationInWords, listed } from "./words.ts";

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
      return [ground("rollout", `revision ${rollout.revision} failed: ${reason}${then}`, RETRY), ...failed];
    }
    case "superseded":
      return [ground("rollout", `revision ${rollout.revision} gave way to revision ${rollout.state.next}`), ...failed];
    case "done":
      return rollout.kind === "rollback" ? [ground("rollout", `went back: ${rollout.reason}`), ...failed] : failed;
    default:
      return assertNever(rollout.state);
  }
}

const RETRY = "Correct it and apply. The same content is tried again only with: skerry apply --retry";

/** What was tried and failed is told as long as nothing else was applied. */
function failedGrounds(app: App, only: ServiceSpec | null): readonly Ground[] {
  return app.failedSpecs
    .filter(({ service }) => only === null || only.name === service)
    .map(({ service, revision, reason }) =>
      ground(`${app.name}/${service}`, `revision ${revision} failed and is not tried again: ${reason}`, RETRY),
    );
}

function progress(world: World, app: App, rollout: Rollout, now: Millis, only: ServiceSpec | null): readonly Ground[] {
  const what =
    rollout.kind === "rollback"
      ? `going back, as ${rollout.reason}`
      : `revision ${rollout.revision} is being rolled out (${rollout.reason} by ${rollout.by})`;
  const services = rollout.services.flatMap((state) => {
    const service = serviceOf(app.spec, state.service);
    if (service === null || (only !== null && only.name !== service.name)) return [];
    return [serviceGround(world, app, rollout, state, service, now)];
  });
  return services.length === 0 ? [] : [ground("rollout", what), ...services];
}

function serviceGround(
  world: World,
  app: App,
  rollout: Rollout,
  state: ServiceRollout,
  service: ServiceSpec,
  now: Millis,
): Ground {
  const slots = slotsOf(world, app, service, copiesOf(world, app, service));
  const passed = slots.filter(({ phase }) => phase === "passed").length;
  const away = slots.filter(({ phase, reach }) => reach === "silent" && phase !== "passed");
  const next = nextBatch({
    kind: rollout.kind,
    state,
    service,
    slots,
    stuck: new Set(world.unplaced.keys()),
    settledSinceMs: world.settledSinceMs.get(`${app.name}/${service.name}`) ?? null,
    now,
  });
  const waits = next.kind === "batch" ? `${counted(next.slots.length, "slot")} next` : holdText(next.hold, app, now);
  const silent =
    away.length === 0 ? [] : [`${counted(away.length, "node")} not heard, served on return: ${listed(namesOf(away))}`];
  return {
    subject: `${app.name}/${service.name}`,
    text: `${state.batch === 0 ? "no batch yet" : `batch ${state.batch}`}, ${passed} of ${slots.length} passed; ${waits}`,
    because: [...(next.kind === "hold" ? holdCauses(world, next.hold, now) : []), ...silent],
    hint: next.kind === "hold" ? holdHint(next.hold, app) : null,
  };
}

const namesOf = (slots: readonly Slot[]): readonly string[] =>
  slots.map(({ node, placement }) => node?.name ?? placement.node);

/** For what a service's rollout waits. */
export function holdText(hold: Hold, { name }: Pick<App, "name">, now: Millis): string {
  switch (hold.kind) {
    case "in-flight":
      return `waits for ${listed(namesOf(hold.slots))} to pass`;
    case "delay":
      return `waits ${durationInWords(hold.untilMs - now)} between batches`;
    case "canary":
      return hold.untilMs === null
        ? `its canary has run: waits for skerry rollout resume ${name}`
        : `its canary runs: promoted in ${durationInWords(hold.untilMs - now)}, or by skerry rollout resume ${name}`;
    case "threshold":
      return `waits for an operator: only ${hold.passed} of ${hold.passed + hold.failed} passed, fewer than successThreshold asks for`;
    case "others-down":
      return `waits for ${listed(namesOf(hold.slots))}: ${counted(hold.slots.length, "copy is", "copies are")} not good, and parallelism allows ${hold.most}`;
    case "budget": {
      const where = hold.group === null ? "" : ` of ${hold.group === "" ? "nodes without the label" : hold.group}`;
      return `waits: ${hold.down} not good${where}, and its budget allows ${hold.most}`;
    }
    case "awaited":
      return `waits for ${listed(namesOf(hold.slots))}, not heard from since this hub started`;
    case "nothing-left":
      return "nothing more to let through";
    default:
      return assertNever(hold);
  }
}

function holdHint(hold: Hold, { name }: App): string | null {
  switch (hold.kind) {
    case "canary":
    case "threshold":
      return `To go on: skerry rollout resume ${name}; to go back: skerry rollout undo ${name}`;
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
