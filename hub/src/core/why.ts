// "Why is it so?" for an app, a service, a workload or a node: what is wanted, what is seen and how old that is, the chain of causes,
// and what to do next. One pure function over the World; every text of it is in a golden test. It never calls good what no node that is
// heard has said to be so.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { AppName, NodeId, ServiceName, WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadParts } from "@skerry/shared/model/names.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Millis, WallMillis } from "@skerry/shared/runtime/clock.ts";
import { type AppCondition, shownCondition, WORST_FIRST, workloadCondition } from "./condition.ts";
import { staying } from "./drain.ts";
import { acceptedTombstone } from "./liveness.ts";
import { byText, placedOf, serviceOf, sorted } from "./lookup.ts";
import { type Account, type Answer, type Ground, ground } from "./why/account.ts";
import { conditionGround } from "./why/conditions.ts";
import { stayHint, stayText } from "./why/drain.ts";
import { refusalGrounds } from "./why/placing.ts";
import { type Reach, reachOf } from "./why/reach.ts";
import { rolloutGrounds } from "./why/rollout.ts";
import { workloadAccount } from "./why/slot.ts";
import { agoText, saidAgo, saidText, shownTarget } from "./why/wishes.ts";
import { counted, durationInWords, listed, sentence } from "./why/words.ts";
import { pausedOf, type Stop, stopOf, stopOfService, wishesOf } from "./wishes.ts";
import type { App, Node, World } from "./world.ts";

export type Target =
  | { readonly kind: "app"; readonly app: AppName }
  | { readonly kind: "service"; readonly app: AppName; readonly service: ServiceName }
  | { readonly kind: "workload"; readonly workload: WorkloadId }
  | { readonly kind: "node"; readonly node: NodeId };

/** Both of the hub: decisions and ages by the first, "3 h ago" of what operators said by the second. */
export interface Moment {
  readonly now: Millis;
  readonly wallMs: WallMillis;
}

/** null: there is no such thing. */
export function why(world: World, target: Target, at: Moment): Answer | null {
  switch (target.kind) {
    case "app": {
      const app = world.apps.get(target.app);
      return app === undefined ? null : ofApp(world, app, at);
    }
    case "service": {
      const app = world.apps.get(target.app);
      const service = app === undefined ? null : serviceOf(app.spec, target.service);
      return app === undefined || service === null ? null : ofService(world, app, service, at);
    }
    case "workload":
      return ofWorkload(world, target.workload, at);
    case "node": {
      const node = world.nodes.get(target.node);
      return node === undefined ? null : ofNode(world, node, at);
    }
    default:
      return assertNever(target);
  }
}

// --- app and service

function ofApp(world: World, app: App, at: Moment): Answer {
  const ids = slotsOf(world, app.name, null);
  const tally = tallyOf(world, ids);
  const empty = app.spec.services.filter(({ name }) => !ids.some((id) => workloadParts(id).service === name));
  const troubled = empty.filter((service) => emptyReason(world, service).isWrong);
  return {
    kind: "app",
    good: tally.bad === 0 && troubled.length === 0,
    answer: sentence(`${app.name} (revision ${app.revision}): ${appInShort(world, app, tally, troubled.length > 0)}`),
    wanted: [...revisionLines(app, at), ...wishLines(world, app, at)],
    seen: seenLines(world, ids, at.now),
    lines: [
      ...brakeGrounds(world, at.now),
      ...pauseGrounds(world, app, at),
      ...rolloutGrounds(world, app, at.now, null),
      ...workloadGrounds(world, ids, at.now),
      ...empty.map((service) => emptyGround(world, service)),
      ...retiringGrounds(world, app.name),
    ],
  };
}

function appInShort(world: World, app: App, tally: Tally, emptyIsWrong: boolean): string {
  const stop = stopOfService(world, app.name, null);
  if (stop !== null) return stoppedText(world, stop, app.name, tally);
  return tally.all > 0 && tally.bad === 0 && !emptyIsWrong
    ? "everything that should run does"
    : inShort(tally, emptyIsWrong);
}

/** What stands stopped is as it should be, and is not called good in so many words. */
function stoppedText(world: World, { target, said }: Stop, self: string, tally: Tally): string {
  const want = saidText(target === self ? "stopped" : `${shownTarget(world, target)} stopped`, said);
  return tally.bad === 0 ? want : `to be stopped (${want}): ${tally.good} of ${tally.all} stand stopped`;
}

function ofService(world: World, app: App, service: ServiceSpec, at: Moment): Answer {
  const ids = slotsOf(world, app.name, service.name);
  const tally = tallyOf(world, ids);
  const empty = ids.length === 0 ? emptyReason(world, service) : null;
  const stop = stopOfService(world, app.name, service.name);
  const unplaced = ids.find((id) => world.unplaced.has(id));
  return {
    kind: "service",
    good: tally.bad === 0 && empty?.isWrong !== true,
    answer: sentence(
      `${app.name}/${service.name}: ${empty?.text ?? (stop === null ? inShort(tally, false) : stoppedText(world, stop, `${app.name}/${service.name}`, tally))}`,
    ),
    wanted: [
      ...revisionLines(app, at),
      modeText(service),
      ...(stop === null ? [] : [saidAgo(`${shownTarget(world, stop.target)} stopped`, stop.said, at.wallMs)]),
    ],
    seen: seenLines(world, ids, at.now),
    lines: [
      ...pauseGrounds(world, app, at),
      ...rolloutGrounds(world, app, at.now, service),
      ...(ids.length === 0 ? [emptyGround(world, service)] : []),
      ...workloadGrounds(world, ids, at.now),
      ...(unplaced === undefined ? [] : refusalGrounds(world, world.unplaced.get(unplaced))),
    ],
  };
}

const modeText = ({ mode }: ServiceSpec): string =>
  mode.kind === "global" ? "one copy on each node that matches" : counted(mode.replicas, "copy", "copies");

const revisionLines = (app: App, { wallMs }: Moment): readonly string[] => [
  `revision ${app.revision}, applied by ${app.appliedBy} ${agoText(wallMs - app.appliedAtMs)}`,
];

function wishLines(world: World, { name }: App, { wallMs }: Moment): readonly string[] {
  return wishesOf(world, name).flatMap((wish) => {
    const { app, service, slot, stopped } = wish;
    const target = shownTarget(world, [app, service, slot].filter((part) => part !== null).join("/"));
    return stopped === null ? [] : [saidAgo(`${target} stopped`, stopped, wallMs)];
  });
}

function pauseGrounds(world: World, { name }: App, { wallMs }: Moment): readonly Ground[] {
  const paused = pausedOf(world, name);
  if (paused === null) return [];
  const text = `the hub changes nothing of it: ${saidAgo("paused", paused, wallMs)}`;
  return [ground(null, text, `To go on: skerry unpause ${name}`)];
}

interface EmptyReason {
  readonly text: string;
  readonly isWrong: boolean;
}

/** Only until the next decision. */
export const BEING_PLACED = "being placed";

/** A service without a single slot. */
export function emptyReason(world: World, { mode }: ServiceSpec): EmptyReason {
  if (mode.kind === "replicated" && mode.replicas === 0) return { text: "no copies are wanted", isWrong: false };
  if (world.nodes.size === 0) return { text: "runs nowhere: there are no nodes yet", isWrong: true };
  if (mode.kind === "replicated") return { text: BEING_PLACED, isWrong: true };
  return { text: "runs nowhere: no node that is active matches its placement constraints", isWrong: true };
}

function emptyGround(world: World, service: ServiceSpec): Ground {
  const { text } = emptyReason(world, service);
  const hint = text.startsWith("runs nowhere")
    ? "Join a node, set the labels the file asks for, or change the file."
    : null;
  return ground(service.name, text, hint);
}

/** Slot 2 before slot 10; global ones by their node's name. */
function slotsOf(world: World, app: AppName, service: ServiceName | null): readonly WorkloadId[] {
  const ids = new Set([...placedOf(world, app), ...(world.unplacedByApp.get(app) ?? [])]);
  const key = (id: WorkloadId): string => {
    const parts = workloadParts(id);
    const node = world.placements.get(id)?.node;
    const name = parts.slot.startsWith("n") && node !== undefined ? world.nodes.get(node)?.name : undefined;
    return `${parts.service}/${name ?? parts.slot.padStart(6, "0")}`;
  };
  return [...ids]
    .filter((id) => service === null || workloadParts(id).service === service)
    .map((id) => ({ id, key: key(id) }))
    .sort((a, b) => byText(a.key, b.key))
    .map(({ id }) => id);
}

// --- counting

interface Tally {
  readonly all: number;
  readonly good: number;
  readonly unknown: number;
  readonly bad: number;
}

function tallyOf(world: World, ids: Iterable<WorkloadId>): Tally {
  const counts: Record<AppCondition, number> = { good: 0, working: 0, troubled: 0, unknown: 0 };
  for (const id of ids) counts[shownCondition(world, id)] += 1;
  const all = counts.good + counts.working + counts.troubled + counts.unknown;
  return { all, good: counts.good, unknown: counts.unknown, bad: all - counts.good };
}

/** Of what is unknown nothing is said but that: it is not "0 good". */
function tallyText({ all, good, unknown, bad }: Tally, of: "copy" | "workload"): string {
  if (bad === 0)
    return of === "copy" ? allGood(all) : all === 1 ? "its one workload is good" : `all ${all} workloads are good`;
  if (unknown === all) return `nothing is known of its ${all === 1 ? "one workload" : `${all} workloads`} now`;
  const known = `${good} of ${counted(all, "workload")} ${good === 1 || all === 1 ? "is" : "are"} good`;
  return unknown === 0 ? known : `${known}; of ${unknown} nothing is known now`;
}

const ALL_GOOD: Readonly<Record<number, string>> = { 1: "its one copy is good", 2: "both copies are good" };
export const allGood = (count: number): string => ALL_GOOD[count] ?? `all ${count} copies are good`;

function inShort(tally: Tally, emptyIsWrong: boolean): string {
  if (tally.all === 0) return emptyIsWrong ? "runs nowhere" : "nothing should run";
  const text = tallyText(tally, "copy");
  return emptyIsWrong ? `${text}, and a service runs nowhere` : text;
}

/** Nodes that are not heard, told by name. */
const MAX_NAMED = 5;

/** How old what is told here is. Reports tell only what changed: a node's age is that of its last word of any kind. */
function seenLines(world: World, ids: readonly WorkloadId[], now: Millis): readonly string[] {
  const nodes = sorted(new Set(ids.flatMap((id) => world.placements.get(id)?.node ?? [])));
  if (nodes.length === 0) return ["on no node"];
  const silent = nodes.filter((id) => world.reachability.get(id)?.kind !== "ready");
  const ages = nodes.flatMap((id) => {
    const reachability = world.reachability.get(id);
    return reachability?.kind === "ready" ? [now - reachability.lastHeardMs] : [];
  });
  const lines: string[] = [];
  if (ages.length > 0)
    lines.push(`on ${counted(ages.length, "node")}, heard within ${durationInWords(Math.max(...ages))}`);
  if (silent.length > 0) {
    const names = silent.map((id) => world.nodes.get(id)?.name ?? id);
    lines.push(
      `on ${counted(silent.length, "node")} that ${silent.length === 1 ? "is" : "are"} not heard: ${listed(names, MAX_NAMED)}`,
    );
  }
  return lines;
}

// --- workload

function ofWorkload(world: World, id: WorkloadId, at: Moment): Answer | null {
  const told = workloadAccount(world, id, at.now);
  if (told === null) return null;
  const { app: name, service: serviceName, slot } = workloadParts(id);
  const placement = world.placements.get(id);
  const node = placement === undefined ? undefined : world.nodes.get(placement.node);
  const app = world.apps.get(name);
  const seen = placement === undefined ? undefined : world.observations.get(placement.node)?.workloads.get(id);
  const ageMs = seen?.seenMs == null ? null : Math.max(0, at.now - seen.seenMs);
  const since =
    seen === undefined || ageMs === null
      ? ""
      : ` for ${durationInWords(told.state === "unknown" ? (told.silentForMs ?? ageMs) : seen.status.forMs + ageMs)}`;
  const service = app === undefined ? null : serviceOf(app.spec, serviceName);
  const stop = stopOf(world, { app: name, service: serviceName, slot, node: node?.id ?? null });
  const main: Ground = { subject: null, text: told.reason, because: told.because, hint: told.hint };
  return {
    kind: "workload",
    good: workloadCondition(world, id) === "good",
    answer: sentence(
      `${shownTarget(world, id)}: ${told.state}${node === undefined ? "" : ` on ${node.name}`}${since}: ${told.reason}`,
    ),
    wanted: [
      ...wantedRevision(app, placement?.revision ?? null, at),
      ...(stop === null ? [] : [saidAgo(`${shownTarget(world, stop.target)} stopped`, stop.said, at.wallMs)]),
    ],
    seen: [
      seenText(
        world,
        node,
        seen === undefined ? null : { ageMs, revision: seen.status.specHash === null ? null : seen.status.revision },
        at.now,
      ),
    ],
    lines: [
      ...(told.hint !== null || told.because.length > 0 ? [main] : []),
      ...told.notes.map((note) => ground(null, note)),
      ...(app === undefined ? [] : rolloutOfSlot(world, app, service, placement?.revision ?? app.revision, at.now)),
      ...refusalGrounds(world, world.unplaced.get(id)),
    ],
  };
}

function wantedRevision(app: App | undefined, placed: number | null, at: Moment): readonly string[] {
  if (app === undefined) return placed === null ? [] : [`revision ${placed}`];
  if (placed === null || placed === app.revision) return revisionLines(app, at);
  return [`revision ${placed}`, ...revisionLines(app, at).map((line) => `the app is at ${line}`)];
}

/** The rollout matters to a slot whose turn has not come. */
function rolloutOfSlot(
  world: World,
  app: App,
  service: ServiceSpec | null,
  revision: number,
  now: Millis,
): readonly Ground[] {
  return service === null || revision === app.revision ? [] : rolloutGrounds(world, app, now, service);
}

function seenText(
  world: World,
  node: Node | undefined,
  seen: { readonly ageMs: number | null; readonly revision: number | null } | null,
  now: Millis,
): string {
  if (node === undefined) return "on no node";
  const reach = reachOf(world, node.id, now);
  const heard = heardText(node.name, reach);
  if (seen === null) return `${heard}; it has said nothing of this one`;
  const has = seen.revision === null ? "nothing of it is there" : `revision ${seen.revision} is there`;
  if (seen.ageMs === null) return `${heard}; before this hub started it said that ${has}`;
  return `${heard}; ${durationInWords(seen.ageMs)} ago it said that ${has}`;
}

function heardText(name: string, { kind, silentForMs }: Reach): string {
  if (kind === "awaited") return `${name} not heard since this hub started`;
  if (silentForMs === null) return `${name} never heard`;
  return kind === "ready"
    ? `${name} heard ${durationInWords(silentForMs)} ago`
    : `${name} silent for ${durationInWords(silentForMs)}`;
}

/** Workloads told of one by one; more are summed up. */
const MAX_WORKLOAD_LINES = 20;

/** What is not good, worst first; and what is told to stand stopped, so that nobody has to wonder. */
function workloadGrounds(world: World, ids: readonly WorkloadId[], now: Millis): readonly Ground[] {
  const byCondition = Map.groupBy(ids, (id) => workloadCondition(world, id));
  const bad = WORST_FIRST.flatMap((condition) => (condition === "good" ? [] : (byCondition.get(condition) ?? [])));
  const stopped = (byCondition.get("good") ?? []).filter((id) => world.placements.get(id)?.intent.run === false);
  const lines = [...bad, ...stopped].slice(0, MAX_WORKLOAD_LINES).flatMap((id): readonly Ground[] => {
    const one = workloadAccount(world, id, now);
    return one === null ? [] : [workloadGround(world, id, one)];
  });
  return [
    ...lines,
    ...moreGround(bad.length - MAX_WORKLOAD_LINES, "not good"),
    ...moreGround(stopped.length - Math.max(0, MAX_WORKLOAD_LINES - bad.length), "to stand stopped"),
  ];
}

const moreGround = (more: number, what: string): readonly Ground[] =>
  more > 0 ? [ground(null, `${more} more ${more === 1 ? "is" : "are"} ${what}`)] : [];

function workloadGround(world: World, id: WorkloadId, { state, reason, because, notes, hint }: Account): Ground {
  const node = world.placements.get(id)?.node;
  const where = node === undefined ? "" : ` on ${world.nodes.get(node)?.name ?? node}`;
  return { subject: id, text: `${state}${where}: ${reason}`, because: [...because, ...notes], hint };
}

// --- node

function ofNode(world: World, node: Node, at: Moment): Answer {
  const ids = sorted(world.placementsByNode.get(node.id) ?? []);
  const reach = reachOf(world, node.id, at.now);
  const tally = tallyOf(world, ids);
  const observation = world.observations.get(node.id);
  const ofItself: readonly Ground[] = [
    ...standingGrounds(node),
    ...(observation?.conditions ?? []).map((condition) => conditionGround(condition, node.name)),
    ...refusedGrounds(node),
    ...availabilityGrounds(node, at),
    ...drainGrounds(world, node, at.now),
    ...behindGrounds(node),
    ...brakeGrounds(world, at.now),
  ];
  const what = tally.all === 0 ? "nothing is placed on it" : tallyText(tally, "workload");
  return {
    kind: "node",
    good: reach.kind === "ready" && tally.bad === 0 && ofItself.length === 0,
    answer: sentence(`${node.name}: ${reach.kind} (${reach.reason}); ${what}`),
    wanted: [
      node.assigned.generation === 0
        ? "nothing was ever assigned to it"
        : `${counted(ids.length, "workload")}, at generation ${node.assigned.generation} of its assignment`,
    ],
    seen: [
      heardText(node.name, reach),
      node.accepted === null
        ? "it has accepted no assignment yet"
        : `it has accepted generation ${node.accepted.generation}`,
    ],
    lines: [...ofItself, ...workloadGrounds(world, ids, at.now)],
  };
}

function standingGrounds({ standing, name }: Node): readonly Ground[] {
  switch (standing) {
    case "member":
      return [];
    case "pending":
      return [
        ground(
          null,
          "it waits for approval: it joined with a token that asks for that, and is given nothing before",
          `If it is yours: skerry node approve ${name}; if not: skerry node revoke ${name}`,
        ),
      ];
    case "frozen":
      return [
        {
          subject: null,
          text: "frozen: two machines used its key, so neither is let in",
          because: ["both keep what they run and get nothing new; fenced copies stop by themselves"],
          hint: `Was its disk copied or put back from a backup? Once the other machine is off: skerry node unfreeze ${name}. If it was stolen: skerry node revoke ${name}, and join yours anew.`,
        },
      ];
    default:
      return assertNever(standing);
  }
}

function refusedGrounds(node: Node): readonly Ground[] {
  const { refusal, name } = node;
  if (refusal === null) return [];
  const hint =
    refusal.reason === "fork" || refusal.reason === "stale"
      ? "Was the hub restored from a backup, or this node's disk copied? Look at the events of both."
      : `Look at the agent on ${name}: skerry agent status`;
  return [ground(null, `refuses its assignment (${refusal.reason}): ${refusal.message}`, hint)];
}

function availabilityGrounds(node: Node, { wallMs }: Moment): readonly Ground[] {
  const { availability, availabilitySaid: said, name, drainDeadlineMs, drainOverMs } = node;
  if (availability === "active") return [];
  const text = said === null ? availability : saidAgo(availability, said, wallMs);
  const what = availability === "draining" ? "takes nothing new, and what may move leaves it" : "takes nothing new";
  const deadline =
    drainOverMs !== null
      ? ["its deadline has passed: what could not move is stopped"]
      : drainDeadlineMs === null
        ? []
        : [`what is left is stopped in ${durationInWords(drainDeadlineMs - wallMs)}`];
  const hint = `To place new workloads again: skerry uncordon ${name}`;
  return [{ subject: null, text: `${what}: ${text}`, because: deadline, hint }];
}

/** What is still there, and why it has not moved. */
function drainGrounds(world: World, node: Node, now: Millis): readonly Ground[] {
  if (node.availability !== "draining") return [];
  const all = staying(world, node, now);
  return [
    ...all
      .slice(0, MAX_WORKLOAD_LINES)
      .map(({ workload, stay }) => ground(workload, stayText(world, stay), stayHint(workload, stay))),
    ...moreGround(all.length - MAX_WORKLOAD_LINES, "still on it"),
  ];
}

function behindGrounds({ assigned, accepted, refusal }: Node): readonly Ground[] {
  const isBehind = accepted === null || accepted.epoch !== assigned.epoch || accepted.generation < assigned.generation;
  if (assigned.generation === 0 || !isBehind || refusal !== null) return [];
  return [ground(null, "has not yet accepted its newest assignment")];
}

function brakeGrounds({ brake }: World, now: Millis): readonly Ground[] {
  if (brake === null) return [];
  const since = durationInWords(now - brake.sinceMs);
  const text = `${brake.unreachable} of ${brake.nodes} nodes vanished at once, ${since} ago: nothing is replaced until most are back`;
  return [ground(null, text, "Check the hub's own link: it is likely the one cut off.")];
}

/** What is to go and may still stand: orders to remove that are not accepted, and what nodes said they have that is placed elsewhere. */
function retiringGrounds(world: World, app: AppName): readonly Ground[] {
  return sorted(world.nodes.keys()).flatMap((id) => {
    const node = world.nodes.get(id);
    const left = leftovers(world, id, app);
    if (node === undefined || left.size === 0) return [];
    const heard = world.reachability.get(id)?.kind === "ready";
    return [...left].map(([workload, reason]) =>
      ground(
        workload,
        heard ? `leaves ${node.name}: ${reason}` : `may still run on ${node.name}, which is not heard: ${reason}`,
      ),
    );
  });
}

export function leftovers(world: World, node: NodeId, app: AppName): ReadonlyMap<WorkloadId, string> {
  const left = new Map<WorkloadId, string>();
  const ours = (id: WorkloadId): boolean => id.startsWith(`${app}/`) && world.placements.get(id)?.node !== node;
  for (const id of world.observations.get(node)?.workloads.keys() ?? []) if (ours(id)) left.set(id, "being removed");
  // One that the node has accepted stays in the World until the node's next generation: what is left then is what it still reports.
  for (const tombstone of world.tombstonesByNode.get(node) ?? []) {
    const { workload, reason } = tombstone;
    if (ours(workload) && !acceptedTombstone(world, tombstone)) left.set(workload, reason);
  }
  return left;
}
