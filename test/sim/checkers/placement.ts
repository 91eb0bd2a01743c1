// [I10] Slots against nodes, by a scheduler simple enough to be believed: every wanted slot has a place, or no node could take it.

import { serviceAt } from "@skerry/hub/core/lookup.ts";
import type { Node, Placement, World } from "@skerry/hub/core/world.ts";
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { NodeId } from "@skerry/shared/model/ids.ts";

export function placementGaps(world: World): readonly string[] {
  const gaps: string[] = [];
  for (const app of world.apps.values()) {
    for (const service of app.spec.services) {
      const placed = [...world.placements.values()].filter(
        (one) => one.app === app.name && one.service === service.name,
      );
      gaps.push(...countGaps(world, app.name, service, placed), ...stayGaps(world, service, placed));
    }
  }
  for (const { app, service } of world.placements.values()) {
    const spec = world.apps.get(app)?.spec.services.find(({ name }) => name === service);
    if (spec === undefined) gaps.push(`${app}/${service} is placed and not wanted`);
  }
  return gaps;
}

function countGaps(world: World, app: string, service: ServiceSpec, placed: readonly Placement[]): readonly string[] {
  const what = `${app}/${service.name}`;
  if (service.mode.kind === "global") {
    const lacking = [...world.nodes.values()].filter(
      (node) => !placed.some((one) => one.node === node.id) && fits(world, node, service, placed),
    );
    return lacking.map(({ name }) => `${what} is missing on ${name}`);
  }
  if (placed.length > service.mode.replicas)
    return [`${what} has ${placed.length} places, not ${service.mode.replicas}`];
  if (placed.length === service.mode.replicas) return [];
  const free = [...world.nodes.values()].find((node) => fits(world, node, service, placed));
  return free === undefined ? [] : [`${what} lacks a copy, and ${free.name} could take it`];
}

/** Its new revision fits nowhere: it runs on as it was. */
export function isStuck(world: World, one: Placement): boolean {
  const app = world.apps.get(one.app);
  const service = app?.spec.services.find(({ name }) => name === one.service);
  if (app === undefined || service === undefined || one.revision === app.revision) return false;
  const placed = [...world.placements.values()].filter(
    (other) => other !== one && other.app === app.name && other.service === service.name,
  );
  return ![...world.nodes.values()].some((node) => fits(world, node, service, placed));
}

/** The nodes that could take it from where it is. */
export function takers(world: World, one: Placement, service: ServiceSpec): readonly Node[] {
  const placed = [...world.placements.values()].filter(
    (other) => other !== one && other.app === one.app && other.service === one.service,
  );
  return [...world.nodes.values()].filter((node) => node.id !== one.node && fits(world, node, service, placed));
}

/** A placement stays only where its constraints still hold. */
function stayGaps(world: World, service: ServiceSpec, placed: readonly Placement[]): readonly string[] {
  return placed.flatMap((one) => {
    const node = world.nodes.get(one.node);
    if (node === undefined) return [`${one.workload} is placed on a node that is not there`];
    if (isStuck(world, one)) return [];
    return matches(node, service) ? [] : [`${one.workload} is on ${node.name}, which does not match`];
  });
}

function fits(world: World, node: Node, service: ServiceSpec, placed: readonly Placement[]): boolean {
  if (node.availability !== "active" || node.facts === null || !matches(node, service)) return false;
  const here = placed.filter((one) => one.node === node.id).length;
  if (service.maxReplicasPerNode !== null && here >= service.maxReplicasPerNode) return false;
  const others = servicesOn(world, node.id);
  const used = others.reduce((sum, one) => sum + (one.reservedMemoryBytes ?? 0), 0);
  if (service.reservedMemoryBytes !== null && used + service.reservedMemoryBytes > node.facts.memoryBytes) return false;
  return !service.container.ports.some(
    ({ hostPort }) =>
      hostPort !== null &&
      (others.some((one) => one.container.ports.some((port) => port.hostPort === hostPort)) ||
        (world.observations.get(node.id)?.ports ?? []).some((port) => !port.managed && port.port === hostPort)),
  );
}

const servicesOn = (world: World, node: NodeId): readonly ServiceSpec[] =>
  [...(world.placementsByNode.get(node) ?? [])].flatMap((id) => {
    const placement = world.placements.get(id);
    const service = placement === undefined ? null : serviceAt(world, placement);
    return service === null ? [] : [service];
  });

function matches(node: Node, service: ServiceSpec): boolean {
  return service.constraints.every(({ attribute, operator, value }) => {
    const found =
      attribute.kind === "label"
        ? (node.labels[attribute.key] ?? null)
        : attribute.kind === "arch"
          ? (node.facts?.arch ?? null)
          : attribute.kind === "id"
            ? node.id
            : (node.facts?.hostname ?? null);
    return (found === value) === (operator === "==");
  });
}
