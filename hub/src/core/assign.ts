// Assignments: what one node should run, built from placements, revisions and tombstones. Pure; the shell adds the hash.
// The content of a position never changes: a node refuses other content under the same position.

import type { AppNetwork, AppVolume } from "@skerry/shared/model/app.ts";
import type { AssignedApp, Assignment, AssignmentDelta, Retired, Workload } from "@skerry/shared/model/assignment.ts";
import { comparePositions } from "@skerry/shared/model/assignment-hash.ts";
import { sameJson } from "@skerry/shared/model/canonical.ts";
import type { AppName, NodeId } from "@skerry/shared/model/ids.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import { byText, serviceOf, sorted, specAt } from "./lookup.ts";
import { credentialsFor } from "./registry.ts";
import { changeOverOf } from "./rollout/change-over.ts";
import type { Placement, World } from "./world.ts";

/**
 * The assignment at `node.assigned`. null: nothing to send now — no such node, nothing was ever assigned to it (generation 0), or an
 * app of its was removed and `decide` has not run since.
 */
export function buildAssignment(world: World, id: NodeId): Omit<Assignment, "hash"> | null {
  const node = world.nodes.get(id);
  if (node === undefined || node.assigned.generation === 0) return null;
  const placements = sorted(world.placementsByNode.get(id) ?? []).map((workload) => placed(world, workload));
  const workloads: Workload[] = [];
  for (const placement of placements) {
    const workload = workloadOf(world, placement);
    if (workload === null) return null;
    workloads.push(workload);
  }
  return {
    installation: world.installation,
    node: id,
    position: node.assigned,
    apps: assignedApps(world, placements, workloads),
    workloads,
    retired: retiredOn(world, id),
  };
}

function placed(world: World, id: Placement["workload"]): Placement {
  const placement = world.placements.get(id);
  assert(placement !== undefined, `index names placement ${id} that is not there`);
  return placement;
}

function workloadOf(world: World, placement: Placement): Workload | null {
  const app = world.apps.get(placement.app);
  const spec = app === undefined ? null : specAt(app, placement.revision);
  const service = spec === null ? null : serviceOf(spec, placement.service);
  if (app === undefined || service === null) return null;
  return {
    id: placement.workload,
    app: placement.app,
    service: placement.service,
    slot: placement.slot,
    revision: placement.revision,
    specHash: placement.specHash,
    spec: service.container,
    disconnect: service.disconnect,
    fencingToken: placement.fencingToken,
    probes: service.probes,
    intent: placement.intent,
    changeOver: changeOverOf(app, service, placement),
    times: service.times,
    policy: placement.policy,
  };
}

function retiredOn(world: World, id: NodeId): Retired[] {
  return [...(world.tombstonesByNode.get(id) ?? [])]
    .sort((a, b) => byText(a.workload, b.workload))
    .map(({ workload, generation }) => ({ id: workload, generation }));
}

/** The networks, volumes and registry credentials that this node's workloads need, each app's under its name. */
function assignedApps(world: World, placements: readonly Placement[], workloads: readonly Workload[]): AssignedApp[] {
  return sorted(new Set(placements.map(({ app }) => app))).map((name) => {
    const own = placements.filter(({ app }) => app === name);
    const named = namesIn(workloads.filter(({ app }) => app === name));
    // Copies of one app may stand at two revisions; where both define a name, the newer one says how it is made.
    const revisions = [...new Set(own.flatMap(revisionsOf))].sort((a, b) => a - b);
    const specs = revisions.map((revision) => specOf(world, name, revision));
    const registries = registriesOf(world, name, workloads);
    return {
      name,
      networks: pick<AppNetwork>(
        specs.flatMap(({ networks }) => networks),
        named.networks,
      ),
      volumes: pick<AppVolume>(
        specs.flatMap(({ volumes }) => volumes),
        named.volumes,
      ),
      ...(registries.length === 0 ? {} : { registries: [...registries] }),
    };
  });
}

/** The credentials for images that its workloads here have, or may go back to. */
function registriesOf(world: World, name: AppName, workloads: readonly Workload[]): readonly ValueRef[] {
  if (world.registries.size === 0) return [];
  const images = workloads
    .filter(({ app }) => app === name)
    .flatMap(({ revision, spec, changeOver: { previous } }) => [
      { revision, spec },
      ...(previous === null ? [] : [previous]),
    ])
    .map(({ revision, spec: { image } }) => ({ spec: specOf(world, name, revision), image }));
  return credentialsFor(world, images);
}

/** The one it is at, and the one that its node may go back to. */
const revisionsOf = ({ revision, step }: Placement): readonly number[] =>
  step.previous === null ? [revision] : [step.previous, revision];

function specOf(world: World, name: AppName, revision: number) {
  const app = world.apps.get(name);
  const spec = app === undefined ? null : specAt(app, revision);
  assert(spec !== null, `${name} at revision ${revision} stands somewhere and is not known`);
  return spec;
}

function namesIn(workloads: readonly Workload[]) {
  const networks = new Set<string>();
  const volumes = new Set<string>();
  const specs = workloads.flatMap(({ spec, changeOver: { previous } }) =>
    previous === null ? [spec] : [previous.spec, spec],
  );
  for (const spec of specs) {
    for (const { network } of spec.networks) networks.add(network);
    for (const mount of spec.mounts) if (mount.kind === "volume" && mount.source !== null) volumes.add(mount.source);
  }
  return { networks, volumes };
}

function pick<T extends { readonly engineName: string }>(all: readonly T[], names: ReadonlySet<string>): T[] {
  const byName = new Map(all.filter(({ engineName }) => names.has(engineName)).map((one) => [one.engineName, one]));
  return [...byName.values()].sort((a, b) => byText(a.engineName, b.engineName));
}

/**
 * What changes between two assignments that were sent. null: `to` does not follow `from` (another node or installation, or not newer).
 * Workloads that are gone need no entry: `retired`, which comes whole, names them.
 */
export function assignmentDelta(from: Assignment, to: Assignment): AssignmentDelta | null {
  if (from.installation !== to.installation || from.node !== to.node) return null;
  if (comparePositions(from.position, to.position) >= 0) return null;
  const hadApps = new Map(from.apps.map((app) => [app.name, app]));
  const hadWorkloads = new Map(from.workloads.map((workload) => [workload.id, workload]));
  const kept = new Set(to.apps.map(({ name }) => name));
  return {
    installation: to.installation,
    node: to.node,
    from: from.position,
    fromHash: from.hash,
    position: to.position,
    hash: to.hash,
    setApps: to.apps.filter((app) => !sameJson(hadApps.get(app.name), app)),
    unsetApps: from.apps.map(({ name }) => name).filter((name) => !kept.has(name)),
    setWorkloads: to.workloads.filter((workload) => !sameWorkload(hadWorkloads.get(workload.id), workload)),
    retired: to.retired,
  };
}

/** A spec is covered by its hash. */
function sameWorkload(a: Workload | undefined, b: Workload): boolean {
  return a !== undefined && sameJson({ ...a, spec: null }, { ...b, spec: null });
}

/** What the node makes of a delta; the hub's own check that it gives the whole. */
export function applyDelta(from: Assignment, delta: AssignmentDelta): Assignment {
  const retired = new Set(delta.retired.map(({ id }) => id));
  const unset = new Set(delta.unsetApps);
  const apps = new Map(from.apps.filter(({ name }) => !unset.has(name)).map((app) => [app.name, app]));
  for (const app of delta.setApps) apps.set(app.name, app);
  const workloads = new Map(
    from.workloads.filter(({ id }) => !retired.has(id)).map((workload) => [workload.id, workload]),
  );
  for (const workload of delta.setWorkloads) workloads.set(workload.id, workload);
  return {
    installation: delta.installation,
    node: delta.node,
    position: delta.position,
    hash: delta.hash,
    apps: [...apps.values()].sort((a, b) => byText(a.name, b.name)),
    workloads: [...workloads.values()].sort((a, b) => byText(a.id, b.id)),
    retired: delta.retired,
  };
}
