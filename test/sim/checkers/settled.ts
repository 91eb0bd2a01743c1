// [I10] [I13] [I23] What a healed site must come to, worked out independently of the code under test: from the hub's apps and placements,
// from what images say of their containers, and from the engines' own truth. Gives the reasons why it is not there yet; none: it is.
import { LABEL } from "@skerry/agent/engine/labels.ts";
import type { World } from "@skerry/hub/core/world.ts";
import { workloadView } from "@skerry/hub/http/views/workloads.ts";
import type { Assignment, Workload } from "@skerry/shared/model/assignment.ts";
import { comparePositions } from "@skerry/shared/model/assignment-hash.ts";
import type { NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import { containerName } from "@skerry/shared/model/names.ts";
import { isHopeless, kindOf } from "../engine/life.ts";
import type { SimContainer } from "../engine/machine.ts";
import type { SimNode } from "../node.ts";
import type { Site } from "../site.ts";
import { intentGaps } from "./intents.ts";
import { isStuck, placementGaps } from "./placement.ts";
import { rolloutGaps } from "./rollouts.ts";

/** hopeless: its image fails for ever, or it waits for one that does; any state is right, as long as it is one container at most, with the last good one beside it. */
export type End = "running" | "completed" | "stopped" | "hopeless";

export function expectedEnds(workloads: readonly Workload[]): ReadonlyMap<WorkloadId, End> {
  const ends = new Map<WorkloadId, End>();
  const endOf = (workload: Workload): End => {
    const known = ends.get(workload.id);
    if (known !== undefined) return known;
    const copies = workload.spec.dependsOn.flatMap(({ service }) =>
      workloads.filter((one) => one.app === workload.app && one.service === service),
    );
    const blocked = copies.some((copy) => ["hopeless", "stopped"].includes(endOf(copy)));
    const end = !workload.intent.run ? "stopped" : blocked ? "hopeless" : ownEnd(workload);
    ends.set(workload.id, end);
    return end;
  };
  for (const workload of workloads) endOf(workload);
  return ends;
}

function ownEnd({ spec }: Workload): End {
  if (isHopeless(spec.image)) return "hopeless";
  return kindOf(spec.image) === "job" ? "completed" : "running";
}

export const managed = (node: SimNode): readonly SimContainer[] =>
  [...node.machine.containers.values()].filter(({ madeBy }) => madeBy === "agent");

const short = (container: SimContainer): string => `${container.name} (${container.id.slice(0, 6)})`;

/** Why this machine does not run what its ledger's assignment wants. `fences`: whether fenced workloads are looked at. */
export function nodeGaps(node: SimNode, assignment: Assignment, fences: "look" | "ignore"): readonly string[] {
  const ends = expectedEnds(assignment.workloads);
  const gaps: string[] = [];
  for (const workload of assignment.workloads) {
    if (fences === "ignore" && workload.disconnect.policy === "fence") continue;
    const own = managed(node).filter(({ labels }) => labels[LABEL.workload] === workload.id);
    const gap = workloadGap(workload, own, ends.get(workload.id) ?? "hopeless");
    if (gap !== null) gaps.push(`${node.name}: ${workload.id} ${gap}`);
  }
  const wanted = new Set<string>(assignment.workloads.map(({ id }) => id));
  for (const container of managed(node)) {
    if (!wanted.has(container.labels[LABEL.workload] ?? "")) gaps.push(`${node.name}: orphan ${short(container)}`);
  }
  const apps = new Set<string>(assignment.workloads.map(({ app }) => app));
  for (const { name, labels, madeBy } of node.machine.networks.values()) {
    if (madeBy === "agent" && !apps.has(labels[LABEL.app] ?? "")) gaps.push(`${node.name}: orphan network ${name}`);
  }
  return gaps;
}

function workloadGap(workload: Workload, own: readonly SimContainer[], end: End): string | null {
  const [first, ...more] = own;
  if (end === "stopped") {
    // In the middle of a trial the one before is kept as the way back.
    const running = own.find(({ status }) => status === "running");
    return running === undefined ? null : `runs, and is to stand stopped: ${short(running)}`;
  }
  // A trial that carries on, or waits for an operator, keeps the way back for as long as it does.
  const isTrial = end === "hopeless" && workload.changeOver.previous !== null && more.length === 1;
  if (more.length > 0 && !isTrial) return `has ${own.length} containers: ${own.map(short).join(", ")}`;
  switch (end) {
    case "hopeless":
      return null;
    case "completed":
      return first?.status === "running" ? "has not completed" : null;
    case "running":
      return first === undefined ? "has no container" : runningGap(workload, first);
  }
}

function runningGap(workload: Workload, container: SimContainer): string | null {
  const { spec } = workload;
  if (container.labels[LABEL.specHash] !== workload.specHash) return `is another spec: ${short(container)}`;
  if (container.status !== "running") return `is ${container.status}: ${short(container)} ${container.error}`;
  const name = containerName(workload.app, workload.service, workload.slot);
  if (container.name !== name) return `is named ${container.name}`;
  if (container.health !== "none" && container.health !== "healthy") return `is ${container.health}`;
  if (spec.networks.some(({ network }) => !container.networks.has(network))) return "is detached from its network";
  if (spec.networks.some(({ network, aliases }) => String(container.aliases.get(network)) !== String(aliases)))
    return "is not found by its aliases";
  if (container.limits.memoryBytes !== (spec.memoryBytes ?? 0)) return "has edited limits";
  const token = container.request.environment["SKERRY_FENCING_TOKEN"] ?? null;
  // One that is fenced no more may still show its token: that is no reason to restart it.
  const right = workload.fencingToken === 0 ? token : String(workload.fencingToken);
  return token === right ? null : `shows fencing token ${token}, not ${right}`;
}

/** A workload that fails for ever makes events for ever: the newest are always on their way. */
export const UNDER_WAY_MS = 20_000;

/** The whole site. */
export function siteGaps(site: Site): readonly string[] {
  const loop = site.hub.loop();
  if (loop === null) return ["the hub is not there"];
  const { world } = loop;
  const gaps: string[] = [...placementGaps(world), ...rolloutGaps(site, world), ...intentGaps(site, world)];
  for (const node of site.nodes) {
    const id = node.id();
    if (id === null) gaps.push(`${node.name}: never joined`);
    else if (world.nodes.has(id)) gaps.push(...knownNodeGaps(site, world, node, id));
    else gaps.push(...strangerGaps(node));
  }
  return gaps;
}

/** The hub removed it: it keeps what it runs, save what a fence stops. */
function strangerGaps(node: SimNode): readonly string[] {
  const { assignment } = node.disk.content();
  return assignment === null ? [] : nodeGaps(node, assignment, "ignore");
}

function knownNodeGaps(site: Site, world: World, node: SimNode, id: NodeId): readonly string[] {
  const known = world.nodes.get(id);
  const { assignment, outbox } = node.disk.content();
  if (known === undefined) return [];
  const reachability = world.reachability.get(id);
  if (reachability?.kind !== "ready" || !reachability.connected)
    return [`${node.name}: ${reachability?.kind}, not connected`];
  if (known.refusal !== null) return [`${node.name}: refuses: ${known.refusal.message}`];
  if (known.assigned.generation === 0) return [];
  if (assignment === null || comparePositions(assignment.position, known.assigned) !== 0) {
    return [`${node.name}: holds ${JSON.stringify(assignment?.position)}, not ${JSON.stringify(known.assigned)}`];
  }
  if (known.accepted === null || comparePositions(known.accepted, known.assigned) !== 0) {
    return [`${node.name}: the hub does not know that it accepted`];
  }
  const gaps = [...assignmentGaps(world, node, id, assignment), ...nodeGaps(node, assignment, "look")];
  const old = node.host.monotonicMs() - UNDER_WAY_MS;
  const late = outbox.filter(({ bootId, atMs }) => bootId !== node.host.bootId() || atMs < old);
  if (late.length > 0) gaps.push(`${node.name}: ${late.length} old events in its outbox`);
  return [...gaps, ...viewGaps(site, world, assignment)];
}

function assignmentGaps(world: World, node: SimNode, id: NodeId, assignment: Assignment): readonly string[] {
  const placed = [...(world.placementsByNode.get(id) ?? [])].sort();
  const held = assignment.workloads.map((workload) => workload.id).sort();
  return placed.join() === held.join() ? [] : [`${node.name}: placed ${placed.join()}; assigned ${held.join()}`];
}

/** The hub must know, and say, that what runs well does. What stays behind for want of room is not good ([H16]), and yet shown as running. */
function viewGaps(site: Site, world: World, { workloads }: Assignment): readonly string[] {
  const now = site.hub.host.monotonicMs();
  const ends = expectedEnds(workloads);
  return workloads.flatMap(({ id, revision }) => {
    if (ends.get(id) !== "running") return [];
    const view = workloadView(world, id, now);
    const placement = world.placements.get(id);
    const isBehind = placement !== undefined && isStuck(world, placement) && view?.state === "running";
    if ((view?.good === true || isBehind) && view.seenRevision === revision) return [];
    return [`hub shows ${id} as ${view?.state} (${view?.reason}) at revision ${view?.seenRevision}, not ${revision}`];
  });
}
