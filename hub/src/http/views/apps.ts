// Apps and services as the API shows them: a condition that follows from every workload, with the most telling reason.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import type { AppName, NodeId, ServiceName, WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadParts } from "@skerry/shared/model/names.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { sorted } from "../../core/lookup.ts";
import type { App, World } from "../../core/world.ts";
import type { AppCondition, AppSummary, AppView, ServiceView } from "../schemas/apps.ts";
import type { WorkloadView } from "../schemas/workloads.ts";
import { nodeRef } from "./nodes.ts";
import { workloadView } from "./workloads.ts";

export function appSummary(world: World, app: App, now: Millis): AppSummary {
  const services = serviceViews(world, app, now);
  return {
    name: app.name,
    revision: app.revision,
    appliedAtMs: app.appliedAtMs,
    appliedBy: app.appliedBy,
    ...appCondition(services),
    services: services.length,
    workloads: {
      wanted: sum(services, ({ counts }) => counts.wanted),
      good: sum(services, ({ counts }) => counts.good),
      unplaced: sum(services, ({ counts }) => counts.unplaced),
    },
  };
}

export function appView(world: World, app: App, now: Millis): AppView {
  const services = serviceViews(world, app, now);
  const retiring = retiringOf(world, app.name);
  const workloads = services.flatMap((service) => service.workloads);
  return {
    name: app.name,
    revision: app.revision,
    appliedAtMs: app.appliedAtMs,
    appliedBy: app.appliedBy,
    ...appCondition(services),
    converged:
      services.every(({ condition }) => condition === "good") &&
      workloads.every(({ revision }) => revision === app.revision) &&
      retiring.every(({ reachable }) => !reachable),
    services,
    retiring,
    networks: app.spec.networks.map(({ engineName }) => engineName),
    volumes: app.spec.volumes.map(({ engineName }) => engineName),
    seq: world.seq,
  };
}

const sum = <T>(items: readonly T[], count: (item: T) => number): number =>
  items.reduce((total, item) => total + count(item), 0);

/** Ids of all slots that the app wants, sorted: placed or not. */
export function workloadsOf(world: World, app: AppName): readonly WorkloadId[] {
  const ids = new Set(world.placementsByApp.get(app) ?? []);
  for (const [id, unplaced] of world.unplaced) if (unplaced.app === app) ids.add(id);
  return sorted(ids);
}

export function serviceViews(world: World, app: App, now: Millis): ServiceView[] {
  const byService = new Map<ServiceName, WorkloadView[]>();
  for (const id of workloadsOf(world, app.name)) {
    const view = workloadView(world, id, now);
    if (view === null) continue;
    const views = byService.get(view.service) ?? [];
    byService.set(view.service, views);
    views.push(view);
  }
  return app.spec.services.map((spec) => serviceView(world, spec, byService.get(spec.name) ?? []));
}

function serviceView(world: World, spec: ServiceSpec, unordered: readonly WorkloadView[]): ServiceView {
  const workloads = [...unordered].sort(bySlot);
  return {
    name: spec.name,
    image: spec.container.image,
    mode: spec.mode,
    disconnect: {
      policy: spec.disconnect.policy,
      afterMs: spec.disconnect.policy === "keep" ? null : spec.disconnect.afterMs,
    },
    ...serviceCondition(world, spec, workloads),
    counts: {
      wanted: workloads.length,
      good: workloads.filter(({ good }) => good).length,
      unplaced: workloads.filter(({ state }) => state === "unplaced").length,
    },
    workloads,
  };
}

/** Slot 2 before slot 10; global ones by their node's name. */
function bySlot(a: WorkloadView, b: WorkloadView): number {
  const [x, y] = [Number(a.slot), Number(b.slot)];
  if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  const [left, right] = [a.node?.name ?? a.slot, b.node?.name ?? b.slot];
  return left < right ? -1 : left > right ? 1 : 0;
}

interface Judged {
  readonly condition: AppCondition;
  readonly reason: string;
}

export function workloadCondition(world: World, view: WorkloadView): AppCondition {
  if (view.good) return "good";
  if (world.unplaced.has(view.id)) return "troubled";
  if (view.state === "unknown") return "unknown";
  const troubled = view.state === "backing-off" || view.state === "failed";
  return troubled || view.state === "completed" || view.health === "unhealthy" ? "troubled" : "working";
}

/** What a reader must hear of first. */
const WORST_FIRST: readonly AppCondition[] = ["troubled", "working", "unknown", "good"];

function serviceCondition(world: World, spec: ServiceSpec, workloads: readonly WorkloadView[]): Judged {
  if (workloads.length === 0) return emptyCondition(world, spec);
  for (const condition of WORST_FIRST) {
    const such = workloads.filter((view) => workloadCondition(world, view) === condition);
    const [first] = such;
    if (first === undefined) continue;
    if (condition === "good") return { condition, reason: allGood(workloads.length) };
    const others = such.length > 1 ? ` (and ${such.length - 1} more)` : "";
    return { condition, reason: `${shortName(first)}: ${first.reason}${others}` };
  }
  return { condition: "good", reason: allGood(workloads.length) };
}

/** `web/1`, or `web on van-7` for a slot that is a node. */
function shortName(view: WorkloadView): string {
  const { service, slot } = workloadParts(view.id);
  return slot.startsWith("n") ? `${service} on ${view.node?.name ?? slot}` : `${service}/${slot}`;
}

const allGood = (count: number): string => (count === 1 ? "its one copy is good" : `all ${count} copies are good`);

function emptyCondition(world: World, spec: ServiceSpec): Judged {
  if (spec.mode.kind === "replicated" && spec.mode.replicas === 0) {
    return { condition: "good", reason: "no copies are wanted" };
  }
  if (world.nodes.size === 0) return { condition: "troubled", reason: "runs nowhere: there are no nodes yet" };
  if (spec.mode.kind === "replicated") return { condition: "working", reason: "being placed" };
  return {
    condition: "troubled",
    reason: "runs nowhere: no node that is active matches its placement constraints",
  };
}

function appCondition(services: readonly ServiceView[]): Judged {
  for (const condition of WORST_FIRST) {
    const first = services.find((service) => service.condition === condition);
    if (first === undefined) continue;
    return { condition, reason: condition === "good" ? "everything that should run does" : first.reason };
  }
  return { condition: "good", reason: "nothing should run" };
}

/** What is to go and may still be there: tombstones not accepted, and what nodes said they have that is placed elsewhere or nowhere. */
function retiringOf(world: World, app: AppName): AppView["retiring"] {
  const retiring: AppView["retiring"] = [];
  for (const nodeId of sorted(world.nodes.keys())) {
    for (const [workload, reason] of leftovers(world, nodeId, app)) {
      const node = world.nodes.get(nodeId);
      if (node === undefined) continue;
      const reachable = world.reachability.get(nodeId)?.kind === "ready";
      retiring.push({ workload, node: nodeRef(node), reachable, reason });
    }
  }
  return retiring;
}

function leftovers(world: World, node: NodeId, app: AppName): ReadonlyMap<WorkloadId, string> {
  const left = new Map<WorkloadId, string>();
  const ours = (id: WorkloadId): boolean => id.startsWith(`${app}/`) && world.placements.get(id)?.node !== node;
  for (const id of world.observations.get(node)?.workloads.keys() ?? []) {
    if (ours(id)) left.set(id, "being removed");
  }
  for (const { workload, reason } of world.tombstonesByNode.get(node) ?? []) {
    if (ours(workload)) left.set(workload, reason);
  }
  return left;
}

/** How each service differs between two specs, by name. */
export function serviceChanges(
  before: readonly ServiceSpec[],
  after: readonly ServiceSpec[],
): { service: ServiceName; change: "added" | "removed" | "recreated" | "changed" | "unchanged" }[] {
  const old = new Map(before.map((spec) => [spec.name, spec]));
  const next = new Map(after.map((spec) => [spec.name, spec]));
  return sorted(new Set([...old.keys(), ...next.keys()])).map((service) => {
    const [was, is] = [old.get(service), next.get(service)];
    if (was === undefined) return { service, change: "added" };
    if (is === undefined) return { service, change: "removed" };
    if (was.specHash !== is.specHash) return { service, change: "recreated" };
    return { service, change: canonicalJson(was) === canonicalJson(is) ? "unchanged" : "changed" };
  });
}
