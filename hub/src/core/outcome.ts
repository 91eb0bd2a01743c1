// From a worked-out draft to changes: placements, tombstones, fencing tokens, positions, events. Pure.
// Every node whose content changes gets exactly one new generation, and no position's content ever changes.
import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import type { NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Change } from "./change.ts";
import type { Draft } from "./draft.ts";
import type { Judgement } from "./judge.ts";
import { saidGone, silentRunMs, stoppedByMs } from "./liveness.ts";
import { byText, serviceAt, sorted } from "./lookup.ts";
import { refusalSummary } from "./refusal-text.ts";
import type { Failure } from "./want.ts";
import type { Placement, Unplaced, World } from "./world.ts";

export function outcomeChanges(
  seen: World,
  draft: Draft,
  failures: ReadonlyMap<WorkloadId, Failure>,
  settled: ReadonlySet<WorkloadId>,
  { changed, scanned }: Judgement,
  now: Millis,
): readonly Change[] {
  const touched = sorted(draft.touched.keys()).filter((id) => isChanged(seen, draft, id));
  const bumped = new Set<NodeId>();
  const changes = touched.flatMap((id) => workloadChanges(seen, draft, id, bumped));
  return [
    ...changes,
    ...sorted(bumped).flatMap((node) => positionChanges(seen, draft, node)),
    ...sorted(changed).flatMap((node) => silentRunChanges(seen, draft, node)),
    ...(scanned ? strandedChanges(seen, now) : []),
    ...unplacedChanges(seen, failures, settled),
  ];
}

function isChanged(seen: World, draft: Draft, id: WorkloadId): boolean {
  const before = seen.placements.get(id) ?? null;
  const after = draft.placement(id);
  if (before === after) return false;
  if (before === null || after === null) return true;
  // Its generation follows from the rest.
  return canonicalJson({ ...before, sinceGeneration: 0 }) !== canonicalJson({ ...after, sinceGeneration: 0 });
}

function workloadChanges(seen: World, draft: Draft, workload: WorkloadId, bumped: Set<NodeId>): readonly Change[] {
  const before = seen.placements.get(workload) ?? null;
  const after = draft.placement(workload);
  const reason = draft.reasons.get(workload) ?? "";
  const changes: Change[] = [];
  if (before !== null && before.node !== after?.node) {
    changes.push(...leaveChanges(seen, before, after, reason));
    if (seen.nodes.has(before.node)) bumped.add(before.node);
  }
  if (after === null) return changes;
  bumped.add(after.node);
  const returns = seen.tombstonesByNode.get(after.node)?.some((tombstone) => tombstone.workload === workload);
  if (returns === true) changes.push({ kind: "tombstone-removed", node: after.node, workload });
  if (after.fencingToken > (seen.fencingTokens.get(workload) ?? 0))
    changes.push({ kind: "fencing-token-set", workload, token: after.fencingToken });
  if (before !== null && seen.gates.has(workload) && !isJudgedAlike(before, after))
    changes.push({ kind: "gate-removed", workload });
  changes.push({ kind: "placement-set", placement: after });
  if (before?.node !== after.node)
    changes.push({ kind: "hub-event", event: { kind: "placed", workload, node: after.node, reason } });
  return changes;
}

/** A verdict is about one spec at one attempt on one node: whatever returns after another is judged anew. */
const isJudgedAlike = (before: Placement, after: Placement): boolean =>
  before.node === after.node && before.specHash === after.specHash && before.step.attempt === after.step.attempt;

function leaveChanges(seen: World, before: Placement, after: Placement | null, reason: string): readonly Change[] {
  const { workload, node, silentRunMs: held } = before;
  const changes: Change[] = [];
  if (after === null) changes.push({ kind: "placement-removed", workload });
  const host = seen.nodes.get(node);
  if (host !== undefined) {
    const tombstone = { workload, node, generation: host.assigned.generation + 1, reason, silentRunMs: held };
    changes.push({ kind: "tombstone-set", tombstone });
  }
  changes.push({ kind: "hub-event", event: { kind: "unplaced", workload, node, reason } });
  return changes;
}

/** One new generation. Orders to remove that the node has carried out fall away here and only here, with the position that held them. */
function positionChanges(seen: World, draft: Draft, id: NodeId): readonly Change[] {
  const node = seen.nodes.get(id);
  assert(node !== undefined, `placements of node ${id} changed, and it is not there`);
  const done = (seen.tombstonesByNode.get(id) ?? []).filter(
    (tombstone) => draft.placement(tombstone.workload)?.node !== id && saidGone(seen, tombstone),
  );
  const position = { epoch: seen.epoch, generation: node.assigned.generation + 1 };
  return [
    ...done
      .map(({ workload }) => workload)
      .sort(byText)
      .map((workload): Change => ({ kind: "tombstone-removed", node: id, workload })),
    { kind: "node-set", node: { ...node, assigned: position } },
  ];
}

/** Once a node has accepted a revision, what it held before no longer says how long it may run in silence. */
function silentRunChanges(seen: World, draft: Draft, id: NodeId): readonly Change[] {
  const accepted = seen.nodes.get(id)?.accepted ?? null;
  if (accepted === null || accepted.epoch !== seen.epoch) return [];
  const changes: Change[] = [];
  for (const workload of sorted(seen.placementsByNode.get(id) ?? [])) {
    const placement = seen.placements.get(workload);
    if (placement === undefined || draft.touched.has(workload)) continue;
    const service = serviceAt(seen, placement);
    if (service === null || placement.sinceGeneration > accepted.generation) continue;
    const now = silentRunMs(service);
    if (now !== placement.silentRunMs)
      changes.push({ kind: "placement-set", placement: { ...placement, silentRunMs: now } });
  }
  return changes;
}

/** Fenced copies on machines that are no longer nodes: forgotten once they must have stopped. */
function strandedChanges(seen: World, now: Millis): readonly Change[] {
  const changes: Change[] = [];
  for (const node of sorted([...seen.tombstonesByNode.keys()].filter((id) => !seen.nodes.has(id)))) {
    for (const tombstone of seen.tombstonesByNode.get(node) ?? []) {
      const at = stoppedByMs(seen, tombstone);
      if (at === null || at <= now) changes.push({ kind: "tombstone-removed", node, workload: tombstone.workload });
    }
  }
  return changes;
}

function unplacedChanges(
  seen: World,
  failures: ReadonlyMap<WorkloadId, Failure>,
  settled: ReadonlySet<WorkloadId>,
): readonly Change[] {
  const changes: Change[] = [];
  const told = new Set<string>();
  for (const workload of sorted(settled))
    if (!failures.has(workload)) changes.push({ kind: "unplaced-cleared", workload });
  for (const workload of sorted(failures.keys())) {
    const failure = failures.get(workload);
    assert(failure !== undefined, "a failure by its own key");
    const { want, refusals } = failure;
    const unplaced: Unplaced = {
      app: want.app,
      service: want.service.name,
      slot: want.slot,
      revision: want.revision,
      refusals,
    };
    const before = seen.unplaced.get(workload);
    // The same list: `decide` hands the one of before on when nothing in it changed.
    if (before?.refusals === refusals && before.revision === want.revision) continue;
    changes.push({ kind: "unplaced-set", unplaced });
    // One event for a service: its copies fail for the same reasons. What the first pass after a start finds was said before.
    const service = `${want.app}/${want.service.name}`;
    if (before !== undefined || !seen.decidedOnce || told.has(service)) continue;
    told.add(service);
    changes.push({ kind: "hub-event", event: { kind: "unschedulable", workload, reason: refusalSummary(refusals) } });
  }
  return changes;
}
