// How a simulated service is changed: random policies, canaries, batches, budgets and deadlines, as a Compose file would say them.
// Deadlines are short, so that what hangs on one ends within the time that a site is given to settle.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import { defaultServiceUpdate } from "@skerry/shared/model/plain.ts";
import type { Amount, RolloutPolicy, UpdatePolicy } from "@skerry/shared/model/update.ts";
import type { Chance } from "./chance.ts";

export type ServiceUpdate = Pick<ServiceSpec, keyof typeof defaultServiceUpdate>;

/** null: a file that says nothing of updates. */
export function drawUpdate(chance: Chance | null): ServiceUpdate {
  if (chance === null || chance.yes(0.2)) return defaultServiceUpdate;
  return {
    ...defaultServiceUpdate,
    update: drawPolicy(chance),
    rollout: drawRollout(chance),
    priority: chance.pick([0, 0, 0, 10]),
  };
}

function drawPolicy(chance: Chance): UpdatePolicy {
  return {
    parallelism: drawAmount(chance),
    delayMs: chance.pick([0, 0, 3_000]),
    monitorMs: chance.pick([1_000, 5_000]),
    failureAction: chance.pick(["rollback", "rollback", "rollback", "pause", "continue"]),
    maxFailureRatio: chance.pick([0, 0, 0.4]),
    order: chance.pick(["stop-first", "stop-first", "start-first"]),
  };
}

const drawAmount = (chance: Chance): Amount =>
  chance.yes(0.3) ? { kind: "percent", percent: 25 } : { kind: "count", count: chance.int(0, 2) };

/** Canaries are promoted by time: nobody here looks at them. */
function drawRollout(chance: Chance): RolloutPolicy {
  const one = { kind: "count", count: 1 } as const;
  return {
    canary: chance.yes(0.25) ? { who: { kind: "amount", amount: one }, promoteAfterMs: 5_000 } : null,
    batchBy: chance.yes(0.2) ? "site" : null,
    successThreshold: 0,
    budget: chance.yes(0.4) ? { maxUnavailable: { kind: "count", count: chance.int(1, 2) }, per: null } : null,
    deadlineMs: chance.pick([20_000, 60_000]),
  };
}
