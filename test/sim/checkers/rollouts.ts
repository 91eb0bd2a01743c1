// [I10] Rollouts come to an end: whatever can be good has been found good by its node, the hub has heard of it, and an app of which
// nothing is hopeless has reached its newest revision everywhere.
import type { App, World } from "@skerry/hub/core/world.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Site } from "../site.ts";
import { isStuck } from "./placement.ts";
import { type End, expectedEnds } from "./settled.ts";

export function rolloutGaps(site: Site, world: World): readonly string[] {
  const ends = endsOf(site, world);
  return [...verdictGaps(world, ends), ...[...world.apps.values()].flatMap((app) => progressGaps(world, app, ends))];
}

/** As the node that has it was told; one that was removed still holds what it had. */
function endsOf(site: Site, world: World): ReadonlyMap<WorkloadId, End> {
  const ends = new Map<WorkloadId, End>();
  for (const node of site.nodes) {
    const workloads = node.disk.content().assignment?.workloads ?? [];
    for (const [id, end] of expectedEnds(workloads)) {
      if (world.placements.get(id)?.node === node.id()) ends.set(id, end);
    }
  }
  return ends;
}

const isHopeful = (end: End | undefined): boolean => end === "running" || end === "completed";

function verdictGaps(world: World, ends: ReadonlyMap<WorkloadId, End>): readonly string[] {
  return [...world.placements.values()].flatMap(({ workload, specHash, intent }) => {
    if (!isHopeful(ends.get(workload)) || !intent.run) return [];
    const gate = world.gates.get(workload);
    if (gate === undefined || gate.specHash !== specHash) return [`the hub has no verdict on ${workload}`];
    return gate.result.kind === "passed" ? [] : [`${workload} failed its gate: ${gate.result.reason}`];
  });
}

function progressGaps(world: World, app: App, ends: ReadonlyMap<WorkloadId, End>): readonly string[] {
  const placements = [...world.placements.values()].filter((one) => one.app === app.name);
  if (!placements.every(({ workload }) => isHopeful(ends.get(workload)))) return [];
  const behind = placements
    .filter((one) => one.revision !== app.revision && !isStuck(world, one))
    .map(({ workload, revision }) => `${workload} stands at revision ${revision}, not ${app.revision}`);
  const rollout = world.rollouts.get(app.name);
  // A service that no node takes has not shown itself good anywhere.
  const isPlaced = app.spec.services.every(({ name }) =>
    placements.some((one) => one.service === name && one.revision === app.revision),
  );
  if (rollout === undefined || rollout.state.kind === "done" || !isPlaced) return behind;
  return [...behind, `the rollout of ${app.name} to revision ${rollout.revision} is ${rollout.state.kind}`];
}
