// LookAt: one wanted workload as this look finds it: what was asked for is taken in, the end of a run is counted once, its gate is
// judged; the answer is the target that everything after plans for. Pure.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { NodeEvent } from "@skerry/shared/model/event.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { WorkloadMemory } from "../memory.ts";
import type { Observed, OwnContainer } from "../observed.ts";
import { countRun, memoryFor, type RunSeen, renewWait, runKey, stoppedOnPurpose } from "../remember.ts";
import { type Existing, isUp, sortExisting } from "./existing.ts";
import { judge, recalled } from "./gate.ts";
import { type HeldBack, heldBack } from "./held-back.ts";
import { takeIntent } from "./intent.ts";
import type { PlanContext } from "./scene.ts";
import { gateOf, keptHash, previousName, targetOf } from "./target.ts";

export interface Looked {
  readonly wanted: Workload;
  /** What is planned for: the wanted one, or the last good one after a failed gate. */
  readonly target: Workload;
  readonly existing: Existing;
  readonly memory: WorkloadMemory;
  readonly held: HeldBack | null;
  readonly events: readonly NodeEvent[];
  readonly wakeAtMs: Millis | null;
}

export interface Surroundings {
  readonly observed: Observed;
  readonly context: PlanContext;
  readonly now: Millis;
}

export function lookAt(
  wanted: Workload,
  own: readonly OwnContainer[],
  remembered: WorkloadMemory | undefined,
  around: Surroundings,
): Looked {
  const { context, now } = around;
  const found = aim(wanted, own, remembered, around);
  // A lane in flight is about to say what became of it: nothing is counted or judged meanwhile.
  if (context.busy.has(wanted.id)) return { ...found, held: null, events: [], wakeAtMs: null };
  const asked = takeIntent(wanted, found.existing, found.memory);
  const moment = { bootId: context.bootId, chance: context.chance, now };
  const { matching } = found.existing;
  const counted =
    matching === null
      ? { memory: asked.memory, events: [] }
      : countRun(asked.memory, matching, found.target, moment, seenOf(matching, context));
  const held = heldBack({ observed: around.observed, context, now }, wanted, found.existing, counted.memory);
  const judged = judge({
    ...{ wanted, context, now, held },
    existing: found.existing,
    memory: counted.memory,
    counted: counted.events,
  });
  const events = [...asked.events, ...counted.events, ...judged.events];
  const after = aim(wanted, own, judged.memory, around);
  return { ...after, held: after.target === found.target ? held : null, events, wakeAtMs: judged.wakeAtMs };
}

function seenOf({ workload, summary }: OwnContainer, { ends, metered, readiness }: PlanContext): RunSeen {
  return { end: ends.get(summary.id) ?? null, probed: readiness.get(workload) ?? null, metered };
}

function aim(
  wanted: Workload,
  own: readonly OwnContainer[],
  remembered: WorkloadMemory | undefined,
  { context, now }: Surroundings,
): Pick<Looked, "wanted" | "target" | "existing" | "memory"> {
  const known = recalled(wanted, own, remembered);
  const gate = gateOf(known, wanted);
  const found = targetOf(wanted, gate);
  const target = found === wanted ? wanted : found;
  const existing = sortExisting(target, own, keptHash(wanted, gate));
  const moment = { bootId: context.bootId, chance: context.chance, now };
  const held = renewWait(memoryFor(known, target.specHash), moment);
  return { wanted, target, existing, memory: ownDoing(target, existing, held) };
}

/** The end of a run that we stopped to put the container aside is no end of the workload's own, in whichever place it is wanted again. */
function ownDoing(target: Workload, { matching, kept }: Existing, memory: WorkloadMemory): WorkloadMemory {
  if (matching !== null && !isUp(matching) && runKey(matching.details) === memory.stoppedRun) {
    const known = memory.countedExit === memory.stoppedRun;
    return known ? memory : stoppedOnPurpose(memory, matching);
  }
  // Only a name tells it when the ledger was lost in the middle of a change-over.
  const unknown = memory.stoppedRun === null && kept !== null && !isUp(kept) && kept.details.ranMs !== null;
  if (!unknown || kept.summary.name !== previousName(target)) return memory;
  return { ...memory, stoppedRun: runKey(kept.details) };
}
