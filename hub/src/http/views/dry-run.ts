// What applying would do, node by node and in words: the difference between the World as it is and as it would be.
import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import type { ContainerSpec } from "@skerry/shared/model/container.ts";
import type { AppName, NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { byText, placedOf, serviceAt, sorted, wantedService } from "../../core/lookup.ts";
import { refusalSummary } from "../../core/refusal-text.ts";
import { type BatchAhead, rolloutAhead } from "../../core/rollout/ahead.ts";
import { holdText } from "../../core/rollout/outlook.ts";
import { activeRollout } from "../../core/rollout/policy.ts";
import { durationInWords } from "../../core/why/words.ts";
import type { Placement, World } from "../../core/world.ts";
import type { DryRun, ServiceAhead } from "../schemas/apps.ts";
import { workloadsOf } from "./apps.ts";
import { nodeRef } from "./node-ref.ts";

type Step = DryRun["nodes"][number]["steps"][number];

export function plannedSteps(
  before: World,
  after: World,
  app: AppName,
): Pick<DryRun, "nodes" | "unplaced" | "pushesOut"> {
  const byNode = new Map<NodeId, Step[]>();
  const add = (node: NodeId, step: Step): void => {
    const steps = byNode.get(node) ?? [];
    byNode.set(node, steps);
    steps.push(step);
  };
  const ids = sorted(new Set([...workloadsOf(before, app), ...workloadsOf(after, app)]));
  const differ = differences(before, after);
  for (const id of ids) addSteps(before, after, id, differ, add);
  const unplaced = ids.flatMap((workload) => {
    const slot = after.unplaced.get(workload);
    return slot === undefined ? [] : [{ workload, why: refusalSummary(slot.refusals) }];
  });
  return { nodes: nodeSteps(before, byNode), unplaced, pushesOut: pushedOut(before, after, app) };
}

/** Copies named one by one in each batch. */
const MAX_NAMED = 20;

/** The batches in which the rollout that `after` has begun would go on. */
export function plannedBatches(before: World, after: World, name: AppName, now: Millis): DryRun["rollout"] {
  const app = after.apps.get(name);
  const rollout = app === undefined ? null : activeRollout(after.rollouts, app);
  if (app === undefined || rollout === null) return [];
  return rolloutAhead(before, after, app, rollout).flatMap((ahead): ServiceAhead[] => {
    if (ahead.batches.length === 0 && ahead.hold === null && ahead.away.length === 0) return [];
    return [
      {
        service: ahead.service.name,
        batches: ahead.batches.map((batch, index) => batchView(batch, index + 1, name)),
        rest: { copies: ahead.rest.slots, atMost: ahead.rest.atMost },
        reason: ahead.hold === null ? "" : holdText(ahead.hold, app, now),
        away: ahead.away.length,
      },
    ];
  });
}

function batchView({ slots, canary, group, next }: BatchAhead, batch: number, app: AppName) {
  return {
    batch,
    copies: slots.length,
    canary,
    group,
    slots: slots.slice(0, MAX_NAMED).map(({ placement: { workload }, node }) => ({
      workload,
      node: node === null ? null : nodeRef(node),
    })),
    more: Math.max(0, slots.length - MAX_NAMED),
    next: nextText(next, app),
  };
}

function nextText(next: BatchAhead["next"], app: AppName): string {
  switch (next.kind) {
    case "end":
      return "";
    case "next":
      return next.afterMs === 0 ? "" : `the next one ${durationInWords(next.afterMs)} later`;
    case "promotion": {
      const resume = `skerry rollout resume ${app}`;
      return next.afterMs === null
        ? `goes on with ${resume}`
        : `goes on after ${durationInWords(next.afterMs)} of health, or with ${resume}`;
    }
    default:
      return assertNever(next);
  }
}

/** Copies of other apps that leave their node for this one's sake. Only what is lower in priority ever does. */
function pushedOut(before: World, after: World, app: AppName): DryRun["pushesOut"] {
  const gained = new Set(placedOf(after, app).flatMap((id) => after.placements.get(id)?.node ?? []));
  return [...gained].sort(byText).flatMap((node) =>
    sorted(before.placementsByNode.get(node) ?? []).flatMap((workload) => {
      const from = before.nodes.get(node);
      const to = after.placements.get(workload)?.node;
      if (from === undefined || to === node || workload.startsWith(`${app}/`)) return [];
      const next = to === undefined ? undefined : after.nodes.get(to);
      const refusals = after.unplaced.get(workload)?.refusals ?? [];
      const why =
        next === undefined ? `no other node takes it: ${refusalSummary(refusals)}` : `it moves to ${next.name}`;
      return [{ workload, node: nodeRef(from), to: next === undefined ? null : nodeRef(next), why }];
    }),
  );
}

function nodeSteps(world: World, byNode: ReadonlyMap<NodeId, readonly Step[]>): DryRun["nodes"] {
  return [...byNode]
    .flatMap(([id, steps]) => {
      const node = world.nodes.get(id);
      const reachable = world.reachability.get(id)?.kind === "ready";
      return node === undefined ? [] : [{ node: nodeRef(node), reachable, steps: [...steps] }];
    })
    .sort((a, b) => (a.node.name < b.node.name ? -1 : 1));
}

function addSteps(
  before: World,
  after: World,
  workload: WorkloadId,
  differ: Differ,
  add: (node: NodeId, step: Step) => void,
): void {
  const was = before.placements.get(workload);
  const is = after.placements.get(workload);
  if (was !== undefined && is !== undefined && was.node === is.node) {
    add(is.node, { workload, ...(inItsTurn(before, after, is, differ) ?? sameNode(was, is, differ)) });
    return;
  }
  if (was !== undefined) {
    const moved = is === undefined ? leaving(after, was) : `it moves to ${nameOf(after, is.node)}`;
    add(was.node, { workload, step: "remove", why: moved });
  }
  if (is !== undefined) {
    const from =
      was === undefined ? "the file asks for it, and this node fits" : `it comes from ${nameOf(before, was.node)}`;
    add(is.node, { workload, step: "start", why: from });
  }
}

function leaving(after: World, was: Placement): string {
  const service = after.apps.get(was.app)?.spec.services.find(({ name }) => name === was.service);
  if (service === undefined) return "the file no longer has this service";
  return after.unplaced.has(was.workload)
    ? "the node no longer fits, and no other does"
    : "the file asks for fewer copies, or this node no longer matches";
}

const nameOf = (world: World, node: NodeId): string => world.nodes.get(node)?.name ?? node;

function sameNode(was: Placement, is: Placement, differ: Differ): Pick<Step, "step" | "why"> {
  if (was.specHash !== is.specHash) return { step: "replace", why: differ(was, is) };
  return { step: "keep", why: was.revision === is.revision ? "nothing changes" : "its container stays as it is" };
}

/** A copy that stays as it is only until the rollout comes to it; null: it has what it is to have. */
function inItsTurn(before: World, after: World, is: Placement, differ: Differ): Pick<Step, "step" | "why"> | null {
  const app = after.apps.get(is.app);
  const wanted = wantedService(after, is.app, is.service);
  if (app === undefined || wanted === null || is.revision === app.revision) return null;
  if (wanted.specHash === is.specHash || after.unplaced.has(is.workload)) return null;
  const was = before.placements.get(is.workload) ?? is;
  const when = after.reachability.get(is.node)?.kind === "ready" ? "in its turn" : "when its node is back";
  return { step: "replace", why: `${differ(was, { ...is, revision: app.revision })}, ${when}` };
}

type Differ = (was: Placement, is: Placement) => string;

/** All copies of a service differ alike, so each pair of revisions is compared once. */
function differences(before: World, after: World): Differ {
  const known = new Map<string, string>();
  return (was, is) => {
    const key = `${was.service} ${was.revision} ${is.revision}`;
    const why = known.get(key) ?? difference(serviceAt(before, was)?.container, serviceAt(after, is)?.container);
    known.set(key, why);
    return why;
  };
}

function difference(old: ContainerSpec | undefined, next: ContainerSpec | undefined): string {
  if (old === undefined || next === undefined) return "its definition changes";
  const fields = sorted(Object.keys(next)).filter((key) => !sameField(old, next, key));
  if (fields.includes("image")) return `image ${old.image} → ${next.image}${rest(fields, "image")}`;
  return fields.length === 0 ? "a network or volume changes" : `changes: ${fields.join(", ")}`;
}

function sameField(old: object, next: object, key: string): boolean {
  return canonicalJson(Reflect.get(old, key)) === canonicalJson(Reflect.get(next, key));
}

function rest(fields: readonly string[], told: string): string {
  const others = fields.filter((field) => field !== told);
  return others.length === 0 ? "" : `; also ${others.join(", ")}`;
}
