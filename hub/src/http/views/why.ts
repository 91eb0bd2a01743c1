// "Why is it so?" over HTTP: finds what is named, asks the core, and adds what history has of it: the last events, and the last lines
// that its container wrote.
import type { AppName, NodeId, ServiceName, Slot, WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadId, workloadParts } from "@skerry/shared/model/names.ts";
import type { Exit } from "@skerry/shared/model/report.ts";
import { workloadCondition } from "../../core/condition.ts";
import { byText, placedOf, sorted } from "../../core/lookup.ts";
import { type Answer, ground } from "../../core/why/account.ts";
import { counted } from "../../core/why/words.ts";
import { type Target, why } from "../../core/why.ts";
import type { World } from "../../core/world.ts";
import type { EventRow, EventScope } from "../../store/store.ts";
import type { Sight } from "../access.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError, quoted } from "../errors.ts";
import { nodeNamed } from "../lookup.ts";
import type { Why } from "../schemas/system.ts";
import { eventScope, seenEvents, seenWorld } from "../seen.ts";
import { seenWordsOf } from "../seen-words.ts";
import { eventView } from "./events.ts";

/** Enough to see a loop, few enough for a screen. */
const EVENTS = 10;
/** Workloads of a service whose events are asked for. */
const MAX_ASKED = 20;
/** Lines of a container's last output; its events have more. */
const OUTPUT_LINES = 10;

/** `mayRead`: of an app, what its containers wrote. */
export function whyAnswer(deps: HttpDeps, named: string, sight: Sight, mayRead: (app: AppName) => boolean): Why {
  const world = seenWorld(deps.loop.world, sight);
  const target = targetOf(world, named, sight);
  const answer = target === null ? null : answerTo(deps, world, target, sight);
  if (target === null || answer === null) throw notFound(named);
  const rows = eventsOf(deps, world, target, eventScope(world, sight));
  const shown = rows.slice(-EVENTS).map((row) => eventView(world, row));
  return {
    target: named,
    kind: answer.kind,
    good: answer.good,
    answer: answer.answer,
    wanted: [...answer.wanted],
    seen: [...answer.seen],
    lines: answer.lines.map((line) => ({ ...line, because: [...line.because] })),
    output:
      answer.good || target.kind !== "workload" || !mayRead(workloadParts(target.workload).app)
        ? []
        : outputOf(deps, world, target.workload),
    events: [...seenEvents(deps.loop.world, sight, shown)],
  };
}

/** Of a node the sentence and the numbers are about all that stands on it, and the lines about what of that may be named. */
function answerTo(deps: HttpDeps, seen: World, target: Target, sight: Sight): Answer | null {
  const at = { now: deps.clock.monotonicMs(), wallMs: deps.clock.wallMs() };
  const { world } = deps.loop;
  const answer = why(seen, target, at);
  if (answer === null || target.kind !== "node" || seen === world) return answer;
  const { lines: _, ...rest } = why(world, target, at) ?? answer;
  const whole = seenWordsOf(world, sight)(target.node)(rest);
  const placed = (of: World): number => of.placementsByNode.get(target.node)?.size ?? 0;
  const hidden = placed(world) - placed(seen);
  const text = `${counted(hidden, "more workload")} of apps that you may not see ${hidden === 1 ? "is" : "are"} placed on it`;
  return { ...whole, lines: hidden === 0 ? answer.lines : [...answer.lines, ground(null, text)] };
}

const notFound = (target: string): HttpError =>
  new HttpError("target-not-found", `There is nothing called ${quoted(target)} here.`, { path: "target" });

/** An app wins over a node of its name; `node/NAME` is always the node. */
function targetOf(world: World, named: string, sight: Sight): Target | null {
  const parts = named.split("/");
  const [first = "", second, third] = parts;
  if (parts.length > 3) return null;
  // Texts that are no such names are looked up in vain.
  const app = world.apps.get(first as AppName);
  if (parts.length === 2 && first === "node") return nodeTarget(world, second ?? "", sight);
  if (app === undefined) return parts.length === 1 ? nodeTarget(world, first, sight) : null;
  if (second === undefined) return { kind: "app", app: app.name };
  const service = second as ServiceName;
  if (third === undefined) return { kind: "service", app: app.name, service };
  // A slot is a number or a node; a text that is neither names nothing that is there.
  const slot = (nodeNamed(world, third)?.id ?? third) as string as Slot;
  return { kind: "workload", workload: workloadId(app.name, service, slot) };
}

function nodeTarget(world: World, name: string, sight: Sight): Target | null {
  const node = nodeNamed(world, name);
  return node === null || !sight.node(node) ? null : { kind: "node", node: node.id };
}

/** Oldest first. */
function eventsOf({ store }: HttpDeps, world: World, target: Target, within: EventScope | null): readonly EventRow[] {
  const ask = (app: AppName | null, node: NodeId | null, workload: WorkloadId | null): readonly EventRow[] =>
    store.events({ app, node, workload, afterId: null, limit: EVENTS, within });
  switch (target.kind) {
    case "app":
      return ask(target.app, null, null);
    case "node":
      return ask(null, target.node, null);
    case "workload":
      return ask(null, null, target.workload);
    case "service":
      return ofService(world, target)
        .flatMap((id) => ask(null, null, id))
        .sort((a, b) => a.id - b.id);
  }
}

/** Those that are not good before the others. */
function ofService(world: World, { app, service }: Extract<Target, { kind: "service" }>): readonly WorkloadId[] {
  const ids = sorted([...placedOf(world, app), ...(world.unplacedByApp.get(app) ?? [])]);
  const rank = (id: WorkloadId): number => (workloadCondition(world, id) === "good" ? 1 : 0);
  return [...new Set(ids)]
    .filter((id) => id.startsWith(`${app}/${service}/`))
    .sort((a, b) => rank(a) - rank(b) || byText(a, b))
    .slice(0, MAX_ASKED);
}

/** Back to the first of many equal ends: where bytes are paid for, the others come without their lines. */
const EVENTS_FOR_OUTPUT = 200;

function outputOf({ store }: HttpDeps, world: World, workload: WorkloadId): string[] {
  const node = world.placements.get(workload)?.node;
  const metered = node !== undefined && world.nodes.get(node)?.facts?.metered === true;
  const limit = metered ? EVENTS_FOR_OUTPUT : EVENTS;
  return lastOutput(store.events({ app: null, node: null, workload, afterId: null, limit, within: null }), metered);
}

/** What the newest of these events has of a container's own words: its last lines, or what its health check answered. */
function lastOutput(rows: readonly EventRow[], metered: boolean): string[] {
  let last: Exit | null = null;
  for (const { event } of rows.toReversed()) {
    if (event.source !== "node") continue;
    const said = event.event;
    if (said.kind === "container-unhealthy")
      return last === null ? said.output.split("\n").filter(Boolean).slice(-OUTPUT_LINES) : [];
    if (said.kind !== "container-exited") continue;
    if (last !== null && (said.exit.code !== last.code || said.exit.oom !== last.oom)) return [];
    if (said.tail.length > 0 || !metered) return said.tail.slice(-OUTPUT_LINES);
    last = said.exit;
  }
  return [];
}
