// Apps and services as the API shows them: a condition that follows from every workload, with the most telling reason.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import type { AppName, NodeId, ServiceName, WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadParts } from "@skerry/shared/model/names.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { WORST_FIRST, workloadCondition } from "../../core/condition.ts";
import { byText, placedOf, sorted } from "../../core/lookup.ts";
import { allGood, BEING_PLACED, emptyReason, leftovers } from "../../core/why.ts";
import { pausedOf, stopOfService } from "../../core/wishes.ts";
import type { App, World } from "../../core/world.ts";
import type { AppCondition, AppSummary, AppView, ServiceView } from "../schemas/apps.ts";
import type { WorkloadView } from "../schemas/workloads.ts";
import { nodeRef } from "./node-ref.ts";
import { rolloutBrief } from "./rollouts.ts";
import { stopView } from "./wishes.ts";
import { workloadView } from "./workloads.ts";

/** Workloads told of one by one, for each service; those that are not good come first. All of them are at /v1/workloads. */
export const MAX_SHOWN_WORKLOADS = 200;

export function appSummary(world: World, app: App, now: Millis): AppSummary {
  const tallies = talliesOf(world, app);
  return {
    ...heading(world, app),
    ...appCondition(app.spec.services.map((spec) => serviceCondition(world, spec, tallies.get(spec.name), now))),
    services: app.spec.services.length,
    workloads: countsOf([...tallies.values()]),
  };
}

export function appView(world: World, app: App, now: Millis): AppView {
  const tallies = talliesOf(world, app);
  const services = app.spec.services.map((spec) => serviceView(world, app.name, spec, tallies.get(spec.name), now));
  const retiring = retiringOf(world, app.name);
  return {
    ...heading(world, app),
    ...appCondition(services),
    converged:
      services.every(({ condition }) => condition === "good") &&
      [...tallies.values()].every(({ behind }) => behind === 0) &&
      retiring.every(({ reachable }) => !reachable),
    rollout: rolloutBrief(world, app, now),
    services,
    retiring,
    networks: app.spec.networks.map(({ engineName }) => engineName),
    volumes: app.spec.volumes.map(({ engineName }) => engineName),
    seq: world.seq,
  };
}

const heading = (world: World, { name, revision, appliedAtMs, appliedBy }: App) => ({
  name,
  revision,
  appliedAtMs,
  appliedBy,
  paused: pausedOf(world, name),
});

/** What one pass over an app's workloads finds of one service. */
interface Tally {
  readonly byCondition: Readonly<Record<AppCondition, WorkloadId[]>>;
  unplaced: number;
  /** To run, and placed at an older revision than the app's. */
  behind: number;
}

const emptyTally = (): Tally => ({
  byCondition: { troubled: [], working: [], unknown: [], good: [] },
  unplaced: 0,
  behind: 0,
});

function talliesOf(world: World, app: App): ReadonlyMap<ServiceName, Tally> {
  const tallies = new Map<ServiceName, Tally>();
  for (const id of wantedIds(world, app.name)) {
    const placement = world.placements.get(id);
    const service = placement?.service ?? workloadParts(id).service;
    const tally = tallies.get(service) ?? emptyTally();
    tallies.set(service, tally);
    tally.byCondition[workloadCondition(world, id)].push(id);
    if (placement === undefined) tally.unplaced += 1;
    else if (placement.revision !== app.revision && placement.intent.run) tally.behind += 1;
  }
  return tallies;
}

function countsOf(tallies: readonly (Tally | undefined)[]): AppSummary["workloads"] {
  const counts = { wanted: 0, good: 0, unknown: 0, unplaced: 0 };
  for (const tally of tallies) {
    for (const condition of WORST_FIRST) counts.wanted += tally?.byCondition[condition].length ?? 0;
    counts.good += tally?.byCondition.good.length ?? 0;
    counts.unknown += tally?.byCondition.unknown.length ?? 0;
    counts.unplaced += tally?.unplaced ?? 0;
  }
  return counts;
}

/** Ids of all slots that the app wants: placed or not. */
function wantedIds(world: World, app: AppName): readonly WorkloadId[] {
  const others = [...(world.unplacedByApp.get(app) ?? [])].filter((id) => !world.placements.has(id));
  return [...placedOf(world, app), ...others];
}

export const workloadsOf = (world: World, app: AppName): readonly WorkloadId[] => sorted(wantedIds(world, app));

function serviceView(
  world: World,
  app: AppName,
  spec: ServiceSpec,
  tally: Tally | undefined,
  now: Millis,
): ServiceView {
  const ids = WORST_FIRST.flatMap((condition) => tally?.byCondition[condition] ?? []);
  const shown = bySlot(world, ids.slice(0, MAX_SHOWN_WORKLOADS));
  const more = ids.length - shown.length;
  return {
    name: spec.name,
    image: spec.container.image,
    mode: spec.mode,
    disconnect: {
      policy: spec.disconnect.policy,
      afterMs: spec.disconnect.policy === "keep" ? null : spec.disconnect.afterMs,
    },
    ...serviceCondition(world, spec, tally, now),
    counts: countsOf([tally]),
    stop: stopView(world, stopOfService(world, app, spec.name)),
    workloads: shown.flatMap((id) => workloadView(world, id, now) ?? []),
    ...(more > 0 ? { more } : {}),
  };
}

/** Slot 2 before slot 10; global ones by their node's name. */
function bySlot(world: World, ids: readonly WorkloadId[]): readonly WorkloadId[] {
  const keyed = ids.map((id) => {
    const { slot } = workloadParts(id);
    // A slot is a number or a node's id; the brand of the other kind is looked up in vain.
    const node = world.nodes.get(slot as string as NodeId);
    return { id, number: node === undefined ? Number(slot) : 0, name: node?.name ?? slot };
  });
  keyed.sort((a, b) => a.number - b.number || byText(a.name, b.name));
  return keyed.map(({ id }) => id);
}

interface Judged {
  readonly condition: AppCondition;
  readonly reason: string;
}

function serviceCondition(world: World, spec: ServiceSpec, tally: Tally | undefined, now: Millis): Judged {
  if (tally === undefined) return emptyCondition(world, spec);
  const condition = WORST_FIRST.find((each) => tally.byCondition[each].length > 0) ?? "good";
  const such = tally.byCondition[condition];
  if (condition === "good") return { condition, reason: allGood(such.length) };
  const [first] = bySlot(world, such);
  const view = first === undefined ? null : workloadView(world, first, now);
  if (view === null) return emptyCondition(world, spec);
  const others = such.length > 1 ? ` (and ${such.length - 1} more)` : "";
  return { condition, reason: `${shortName(view)}: ${view.reason}${others}` };
}

/** `web/1`, or `web on van-7` for a slot that is a node. */
function shortName(view: WorkloadView): string {
  const { service, slot } = workloadParts(view.id);
  return slot.startsWith("n") ? `${service} on ${view.node?.name ?? slot}` : `${service}/${slot}`;
}

function emptyCondition(world: World, spec: ServiceSpec): Judged {
  const { text, isWrong } = emptyReason(world, spec);
  if (!isWrong) return { condition: "good", reason: text };
  return { condition: text === BEING_PLACED ? "working" : "troubled", reason: text };
}

function appCondition(services: readonly Judged[]): Judged {
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
