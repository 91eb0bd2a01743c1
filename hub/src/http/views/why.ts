// "Why is it so?" for an app, a service, a workload or a node: one sentence, then the grounds, most telling first, then the last events.
import type { AppName, NodeId, Slot, WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadId } from "@skerry/shared/model/names.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { byText } from "../../core/lookup.ts";
import { refusalText } from "../../core/refusal-text.ts";
import type { App, Node, World } from "../../core/world.ts";
import type { EventRow } from "../../store/store.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError, quoted } from "../errors.ts";
import { nodeNamed } from "../lookup.ts";
import type { ServiceView } from "../schemas/apps.ts";
import type { Why } from "../schemas/system.ts";
import type { WorkloadView } from "../schemas/workloads.ts";
import { appView } from "./apps.ts";
import { workloadCondition } from "./condition.ts";
import { eventView } from "./events.ts";
import { nodeView } from "./nodes.ts";
import { durationInWords } from "./words.ts";
import { workloadView } from "./workloads.ts";

type Line = Why["lines"][number];
type Answer = Omit<Why, "target" | "events">;

/** Workloads told of one by one; more are summed up. */
const MAX_WORKLOAD_LINES = 20;
/** Enough to see a loop, few enough for a screen. */
const EVENTS = 10;
/** Nodes whose refusals are told one by one. */
const MAX_REFUSAL_LINES = 20;

export function whyAnswer(deps: HttpDeps, target: string): Why {
  const { world } = deps.loop;
  const now = deps.clock.monotonicMs();
  const parts = target.split("/");
  const [first = "", second, third] = parts;
  if (parts.length === 2 && first === "node") return ofNode(deps, world, target, second ?? "", now);
  const app = world.apps.get(first as AppName);
  if (app === undefined && parts.length === 1) return ofNode(deps, world, target, first, now);
  if (app === undefined || parts.length > 3) throw notFound(target);
  const query = { app: app.name, node: null, workload: null };
  if (second === undefined) return answered(deps, target, whyApp(world, app, now), query);
  const service = appView(world, app, now).services.find(({ name }) => name === second);
  if (service === undefined) throw notFound(target);
  if (third === undefined) {
    const events = serviceEvents(deps, service);
    return { target, ...whyService(world, app, service), events: events.map((row) => eventView(world, row)) };
  }
  // A slot is a number or a node; a text that is neither names nothing that is there.
  const slot = nodeNamed(world, third)?.id ?? third;
  const workload = workloadView(world, workloadId(app.name, service.name, slot as Slot), now);
  if (workload === null) throw notFound(target);
  return answered(deps, target, whyWorkload(world, workload), { ...query, workload: workload.id });
}

const notFound = (target: string): HttpError =>
  new HttpError("target-not-found", `There is nothing called ${quoted(target)} here.`, { path: "target" });

function ofNode(deps: HttpDeps, world: World, target: string, name: string, now: Millis): Why {
  const node = nodeNamed(world, name);
  if (node === null) throw notFound(target);
  return answered(deps, target, whyNode(world, node, now), { app: null, node: node.id, workload: null });
}

function answered(
  deps: HttpDeps,
  target: string,
  answer: Answer,
  query: { readonly app: AppName | null; readonly node: NodeId | null; readonly workload: WorkloadId | null },
): Why {
  const rows = deps.store.events({ ...query, afterId: null, limit: EVENTS });
  return { target, ...answer, events: rows.map((row) => eventView(deps.loop.world, row)) };
}

/** The last ones of its copies together, of those that are not good before the others. */
function serviceEvents({ loop, store }: HttpDeps, { workloads }: ServiceView): readonly EventRow[] {
  const isGood = ({ id }: WorkloadView): number => (workloadCondition(loop.world, id) === "good" ? 1 : 0);
  const asked = workloads.toSorted((a, b) => isGood(a) - isGood(b)).slice(0, MAX_WORKLOAD_LINES);
  return asked
    .flatMap(({ id }) => store.events({ app: null, node: null, workload: id, afterId: null, limit: EVENTS }))
    .sort((a, b) => a.id - b.id)
    .slice(-EVENTS);
}

function whyApp(world: World, app: App, now: Millis): Answer {
  const view = appView(world, app, now);
  const lines = [
    ...brakeLines(world, now),
    ...workloadLines(
      world,
      view.services.flatMap(({ workloads }) => workloads),
    ),
    ...view.services.filter(({ workloads }) => workloads.length === 0).map(emptyLine),
    ...view.retiring.map(({ workload, node, reachable, reason }) => ({
      subject: workload,
      text: reachable ? `on ${node.name}: ${reason}` : `may still run on ${node.name}, which is not heard: ${reason}`,
      hint: null,
    })),
  ];
  return {
    kind: "app",
    good: view.condition === "good",
    answer: `${app.name} (revision ${app.revision}): ${inShort(view, view.services)}.`,
    lines,
  };
}

/** Where some are not good, their own lines say why. */
function inShort(of: Pick<ServiceView, "condition" | "reason">, services: readonly ServiceView[]): string {
  const wanted = services.reduce((sum, { counts }) => sum + counts.wanted, 0);
  const good = services.reduce((sum, { counts }) => sum + counts.good, 0);
  if (of.condition === "good" || good === wanted) return of.reason;
  return `${good} of ${wanted} ${wanted === 1 ? "workload is" : "workloads are"} good`;
}

const emptyLine = ({ name, reason }: ServiceView): Line => ({
  subject: name,
  text: reason,
  hint: reason.startsWith("runs nowhere") ? "Join a node, set the labels the file asks for, or change the file." : null,
});

function whyService(world: World, app: App, service: ServiceView): Answer {
  return {
    kind: "service",
    good: service.condition === "good",
    answer: `${app.name}/${service.name}: ${inShort(service, [service])}.`,
    lines: [
      ...(service.workloads.length === 0 ? [emptyLine(service)] : []),
      ...workloadLines(world, service.workloads),
      ...refusalLines(
        world,
        service.workloads.find(({ id }) => world.unplaced.has(id)),
      ),
    ],
  };
}

function whyWorkload(world: World, view: WorkloadView): Answer {
  const since = view.forMs === null ? "" : ` for ${durationInWords(view.forMs)}`;
  const where = view.node === null ? "" : ` on ${view.node.name}`;
  const lines: Line[] = [];
  if (view.hint !== null) lines.push({ subject: null, text: view.reason, hint: view.hint });
  if (view.restarts > 0)
    lines.push({
      subject: null,
      text: view.restarts === 1 ? "restarted once" : `restarted ${view.restarts} times`,
      hint: null,
    });
  return {
    kind: "workload",
    good: view.good,
    answer: `${view.id}: ${view.state}${where}${since}: ${view.reason}.`,
    lines: [...lines, ...refusalLines(world, view)],
  };
}

function whyNode(world: World, node: Node, now: Millis): Answer {
  const view = nodeView(world, node, now);
  const lines: Line[] = view.conditions.map(({ kind, message }) => ({ subject: kind, text: message, hint: null }));
  if (node.refusal !== null) {
    lines.push({ subject: null, text: `refuses its assignment: ${node.refusal.message}`, hint: refusalHint(node) });
  }
  if (node.availability !== "active") {
    const hint = `To place new workloads again: skerry uncordon ${node.name}`;
    lines.push({ subject: null, text: `${node.availability}: takes nothing new`, hint });
  }
  const behind = node.assigned.generation - (node.accepted?.generation ?? 0);
  if (behind > 0 && node.refusal === null) {
    lines.push({ subject: null, text: "has not yet accepted its newest assignment", hint: null });
  }
  lines.push(...brakeLines(world, now), ...workloadLines(world, view.placements));
  const good = view.reachability.kind === "ready" && lines.length === 0;
  const { wanted, good: goodOnes } = view.workloads;
  const tally =
    wanted === 0
      ? "nothing is placed on it"
      : `${goodOnes} of ${wanted} ${wanted === 1 ? "workload is" : "workloads are"} good`;
  const { kind, reason } = view.reachability;
  return { kind: "node", good, answer: `${node.name}: ${kind} (${reason}); ${tally}.`, lines };
}

function refusalHint(node: Node): string {
  return node.refusal?.reason === "fork" || node.refusal?.reason === "stale"
    ? "Was the hub restored from a backup, or this node's disk copied? Look at the events of both."
    : "Look at the agent's log on the node: skerry agent status.";
}

function workloadLines(world: World, views: readonly WorkloadView[]): Line[] {
  const bad = views.filter((view) => workloadCondition(world, view.id) !== "good");
  const lines = bad.slice(0, MAX_WORKLOAD_LINES).map((view) => ({
    subject: view.id,
    text: `${view.state}${view.node === null ? "" : ` on ${view.node.name}`}: ${view.reason}`,
    hint: view.hint,
  }));
  const more = bad.length - lines.length;
  return more > 0 ? [...lines, { subject: null, text: `${more} more that are not good`, hint: null }] : lines;
}

/** Node by node, why the slot has none. */
function refusalLines(world: World, view: WorkloadView | undefined): Line[] {
  const refusals = view === undefined ? [] : (world.unplaced.get(view.id)?.refusals ?? []);
  return refusals
    .map((refusal) => ({
      subject: world.nodes.get(refusal.node)?.name ?? refusal.node,
      text: refusalText(refusal),
      hint: null,
    }))
    .sort((a, b) => byText(a.subject, b.subject))
    .slice(0, MAX_REFUSAL_LINES);
}

function brakeLines(world: World, now: Millis): Line[] {
  const { brake } = world;
  if (brake === null) return [];
  return [
    {
      subject: null,
      text: `${brake.unreachable} of ${brake.nodes} nodes vanished at once, ${durationInWords(now - brake.sinceMs)} ago: nothing is replaced until most are back`,
      hint: "Check the hub's own link: it is likely the one cut off.",
    },
  ];
}
