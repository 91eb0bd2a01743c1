// One workload as the API shows it: what should run, what was last said of it, why, and for how long. The words are the core's; this
// adds the ages. Nothing is called good that was not said to be by a node that is heard.

import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadParts } from "@skerry/shared/model/names.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { workloadCondition } from "../../core/condition.ts";
import { serviceAt, wantedService } from "../../core/lookup.ts";
import { workloadAccount } from "../../core/why/slot.ts";
import { stopOf } from "../../core/wishes.ts";
import type { Placement, World } from "../../core/world.ts";
import type { WorkloadView } from "../schemas/workloads.ts";
import { nodeRef } from "./node-ref.ts";
import { stopView } from "./wishes.ts";

/** null: no such slot is wanted. */
export function workloadView(world: World, id: WorkloadId, now: Millis): WorkloadView | null {
  const told = workloadAccount(world, id, now);
  if (told === null) return null;
  const { state, health, reason, hint, last, silentForMs } = told;
  const parts = workloadParts(id);
  const placement = world.placements.get(id);
  const node = placement === undefined ? undefined : world.nodes.get(placement.node);
  return {
    id,
    ...parts,
    node: node === undefined ? null : nodeRef(node),
    state,
    health,
    ready: state === "running" ? readyOf(world, placement) : null,
    good: workloadCondition(world, id) === "good",
    reason,
    hint,
    last,
    ...wantedOf(world, id, placement),
    ...seenOf(world, placement, state === "unknown", silentForMs, now),
    stop: stopView(world, stopOf(world, { ...parts, node: node?.id ?? null })),
  };
}

function readyOf(world: World, placement: Placement | undefined): boolean | null {
  if (placement === undefined) return null;
  return world.observations.get(placement.node)?.workloads.get(placement.workload)?.status.ready ?? null;
}

function wantedOf(
  world: World,
  id: WorkloadId,
  placement: Placement | undefined,
): Pick<WorkloadView, "revision" | "image"> {
  const { app, service } = workloadParts(id);
  const spec = placement === undefined ? wantedService(world, app, service) : serviceAt(world, placement);
  // What has neither placement nor app has no account.
  const revision = placement?.revision ?? world.apps.get(app)?.revision ?? 1;
  return { revision, image: spec?.container.image ?? "" };
}

type Seen = Pick<WorkloadView, "pullFailure" | "forMs" | "seenAgoMs" | "seenRevision" | "containerId" | "restarts">;
const NOTHING_SEEN: Seen = {
  pullFailure: null,
  forMs: null,
  seenAgoMs: null,
  seenRevision: null,
  containerId: null,
  restarts: 0,
};

function seenOf(
  world: World,
  placement: Placement | undefined,
  isUnknown: boolean,
  silentForMs: number | null,
  now: Millis,
): Seen {
  const seen =
    placement === undefined ? undefined : world.observations.get(placement.node)?.workloads.get(placement.workload);
  if (seen === undefined) return { ...NOTHING_SEEN, forMs: silentForMs };
  const { status } = seen;
  const ageMs = seen.seenMs === null ? null : Math.max(0, now - seen.seenMs);
  return {
    pullFailure: isUnknown ? null : status.pullFailure,
    seenAgoMs: ageMs,
    forMs: isUnknown ? silentForMs : ageMs === null ? null : status.forMs + ageMs,
    seenRevision: status.specHash === null ? null : status.revision,
    containerId: status.containerId,
    restarts: status.restarts,
  };
}
