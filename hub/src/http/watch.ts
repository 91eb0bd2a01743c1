// /v1/watch: every durable change in order, resumable without loss or refused with `watch-expired`; and passing news for live views.
// Reads durable items from the store per client, so that a lagging client holds no memory here.
import type { NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadId, workloadParts } from "@skerry/shared/model/names.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Timer } from "@skerry/shared/runtime/clock.ts";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Change, VolatileChange } from "../core/change.ts";
import type { World } from "../core/world.ts";
import type { Sight } from "./access.ts";
import type { CheckedOf } from "./api.ts";
import { findSeenNode, sightOfCaller } from "./caller.ts";
import type { HttpDeps } from "./deps.ts";
import { HttpError } from "./errors.ts";
import { EventStream, message, parsePosition, type StreamSource, type WatchPosition } from "./event-stream.ts";
import type { OpenStreams } from "./open-streams.ts";
import type { WatchNews } from "./schemas/events.ts";
import { seenWorld, seesEvent } from "./seen.ts";
import { nodeRef } from "./views/node-ref.ts";
import { reachabilityView } from "./views/nodes.ts";
import { workloadView } from "./views/workloads.ts";
import { durableNews, type WatchFilter } from "./watch-news.ts";

/** One for each person and dashboard that looks; each costs a socket and its reads. */
export const MAX_WATCHERS = 200;
/** Durable items read at once for one client: about 200 KB of text. */
const ITEMS_PER_READ = 500;
/** Passing news is gathered for so long: quicker than an eye, and a storm of reports becomes ten messages a second. */
export const NEWS_DELAY_MS = 100;
/** Workloads told in one message. */
const MAX_NEWS_WORKLOADS = 500;
/** A client whose view has so many unsaid changes has no use for them one by one: it is closed and reads anew. */
const MAX_UNSAID = 50_000;

export interface Watch {
  open(request: FastifyRequest, reply: FastifyReply): void;
  /** How many are connected. */
  size(): number;
  /** Over all of them, for metrics. */
  bufferedBytes(): number;
  /** Ends all of them; new ones are refused. */
  stop(): void;
}

interface Watcher {
  readonly stream: EventStream;
  readonly filter: WatchFilter;
  readonly unsaid: Unsaid;
}
/** What has passing news to tell; the World is read when it is told. */
interface Unsaid {
  readonly workloads: Set<WorkloadId>;
  readonly gone: Set<WorkloadId>;
  readonly nodes: Set<NodeId>;
}

export function createWatch(deps: HttpDeps, streams: OpenStreams): Watch {
  const watchers = new Set<Watcher>();
  let stopped = false;
  let timer: { readonly delayMs: number; readonly handle: Timer } | null = null;

  // Level-triggered: the first change starts the timer, whatever comes until it fires is told together. Never inside the commit, which
  // must not wait for readers.
  const wake = (delayMs: number): void => {
    if (timer !== null && timer.delayMs <= delayMs) return;
    timer?.handle.cancel();
    timer = { delayMs, handle: deps.clock.setTimer(delayMs, tell) };
  };
  const tell = (): void => {
    timer = null;
    for (const watcher of [...watchers]) pump(deps, watcher);
    if ([...watchers].some(({ unsaid }) => unsaid.workloads.size + unsaid.gone.size > 0)) wake(NEWS_DELAY_MS);
  };
  const stopListening = deps.loop.onCommitted((changes) => {
    if (watchers.size === 0) return;
    for (const change of changes) {
      if (!PASSING_ONLY.has(change.kind)) wake(0);
      if (isNoted(change) && noteAll(deps, watchers, change)) wake(NEWS_DELAY_MS);
    }
  });

  return {
    open: (request, reply) => {
      if (stopped) throw new HttpError("stopping", "The hub is shutting down.");
      if (watchers.size >= MAX_WATCHERS) {
        throw new HttpError("overloaded", `${MAX_WATCHERS} watchers are connected, which is the most.`, {
          retryAfterSeconds: 30,
        });
      }
      const start = startOf(deps, request);
      const filter = filterOf(deps, request);
      reply.hijack();
      const watcher = openStream(deps, reply, start, filter, watchers);
      const forget = streams.add(request, () => watcher.stream.end());
      reply.raw.once("close", forget);
    },
    size: () => watchers.size,
    bufferedBytes: () => [...watchers].reduce((sum, { stream }) => sum + stream.bufferedBytes(), 0),
    stop: () => {
      stopped = true;
      stopListening();
      timer?.handle.cancel();
      for (const watcher of [...watchers]) watcher.stream.end();
    },
  };
}

/** From Last-Event-ID, else `since`, else now. Throws `watch-expired`. */
function startOf(deps: HttpDeps, request: FastifyRequest): WatchPosition {
  const { since } = request.query as CheckedOf<"watch">["query"];
  const header = request.headers["last-event-id"];
  const resumed = typeof header === "string" && header !== "" ? parsePosition(header) : null;
  if (typeof header === "string" && header !== "" && resumed === null) {
    throw new HttpError("invalid-request", "Last-Event-ID must be the id of a message of this watch.", {
      path: "Last-Event-ID",
    });
  }
  const now = deps.loop.world.seq;
  const start = resumed ?? { seq: since ?? now, index: Number.POSITIVE_INFINITY };
  if (deps.store.watch(readFrom(start), 1) === null || start.seq > now) {
    throw new HttpError(
      "watch-expired",
      start.seq > now
        ? `There is no commit ${start.seq} yet: the newest is ${now}. Was the hub restored from a backup?`
        : `What came after commit ${start.seq} is no longer kept.`,
      { path: resumed === null ? "since" : "Last-Event-ID" },
    );
  }
  return start;
}

/** The caller's sight is asked for each time: a role may change while a stream is open. */
function filterOf(deps: HttpDeps, request: FastifyRequest): WatchFilter {
  // Checked by this route's schema before the handler is called.
  const query = request.query as CheckedOf<"watch">["query"];
  const sight = (): Sight => sightOfCaller(request);
  const node = query.node === undefined ? null : findSeenNode(deps.loop.world, sight(), query.node).id;
  return { app: query.app ?? null, node, sight };
}

/** A position within a commit is read from the commit before it, and what was seen is left out. */
const readFrom = (position: WatchPosition): number =>
  Number.isFinite(position.index) ? Math.max(0, position.seq - 1) : position.seq;

function openStream(
  deps: HttpDeps,
  reply: FastifyReply,
  start: WatchPosition,
  filter: WatchFilter,
  watchers: Set<Watcher>,
): Watcher {
  const response = reply.raw;
  // The watch has its own beat and its own judgement of who is too slow.
  response.socket?.setTimeout(0);
  response.socket?.setNoDelay(true);
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) response.setHeader(name, value);
  }
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no" });
  const unsaid: Unsaid = { workloads: new Set(), gone: new Set(), nodes: new Set() };
  const source: StreamSource = {
    durable: (position) => durableText(deps, position, filter),
    passing: () => passingText(deps, unsaid, filter.sight()),
  };
  const stream = new EventStream(response, source, start, deps.clock, () => watchers.delete(watcher));
  const watcher: Watcher = { stream, filter, unsaid };
  watchers.add(watcher);
  response.write(message({ kind: "hello", seq: deps.loop.world.seq } satisfies WatchNews, start));
  pump(deps, watcher);
  return watcher;
}

/** A store that cannot be read ends the stream; the client comes back and is told what is wrong. */
function pump(deps: HttpDeps, { stream }: Watcher): void {
  try {
    stream.pump();
  } catch (error) {
    deps.log.error("a watch ended: its news could not be read", { error: String(error) });
    stream.end();
  }
}

function durableText(
  deps: HttpDeps,
  position: WatchPosition,
  filter: WatchFilter,
): { text: string; position: WatchPosition } | null {
  const items = deps.store.watch(readFrom(position), ITEMS_PER_READ);
  if (items === null) return null;
  let text = "";
  for (const item of items) {
    if (item.seq === position.seq && item.index <= position.index) continue;
    const news = durableNews(deps.loop.world, item, filter);
    if (news !== null) text += message(news, { seq: item.seq, index: item.index });
  }
  // The store ends a page where a commit ends.
  const last = items.at(-1);
  return { text, position: last === undefined ? position : { seq: last.seq, index: Number.POSITIVE_INFINITY } };
}

/** Changes after which some workload or node looks different. */
type Noted = Extract<
  Change,
  {
    readonly kind:
      | "observed"
      | "reachability-set"
      | "word-set"
      | "unplaced-set"
      | "unplaced-cleared"
      | "placement-set"
      | "placement-removed";
  }
>;
const NOTED: ReadonlySet<Change["kind"]> = new Set<Noted["kind"]>([
  "observed",
  "reachability-set",
  "word-set",
  "unplaced-set",
  "unplaced-cleared",
  "placement-set",
  "placement-removed",
]);
const isNoted = (change: Change): change is Noted => NOTED.has(change.kind);
/** Never in the store: nothing durable to read after these. */
const PASSING_ONLY: ReadonlySet<Change["kind"]> = new Set<VolatileChange["kind"]>([
  "observed",
  "heard",
  "reachability-set",
  "word-set",
  "unplaced-set",
  "unplaced-cleared",
  "brake-set",
  "dirty",
  "decided",
]);

/** true: somebody has news to be told. */
function noteAll(deps: HttpDeps, watchers: ReadonlySet<Watcher>, change: Noted): boolean {
  let noted = false;
  for (const { stream, filter, unsaid } of [...watchers]) {
    note(deps.loop.world, filter, unsaid, change);
    if (unsaid.workloads.size + unsaid.gone.size > MAX_UNSAID) stream.end();
    noted ||= unsaid.workloads.size + unsaid.gone.size + unsaid.nodes.size > 0;
  }
  return noted;
}

function note(world: World, filter: WatchFilter, unsaid: Unsaid, change: Noted): void {
  const sight = filter.sight();
  const touch = (ids: Iterable<WorkloadId>, into: Set<WorkloadId> = unsaid.workloads): void => {
    for (const id of ids) {
      const { app } = workloadParts(id);
      if ((filter.app === null || app === filter.app) && sight.app(app)) into.add(id);
    }
  };
  const ofNode = (node: NodeId): boolean => filter.node === null || filter.node === node;
  switch (change.kind) {
    case "reachability-set":
      if (!ofNode(change.node)) return;
      if (seesEvent(world, sight, { app: null, node: change.node })) unsaid.nodes.add(change.node);
      // What is known of its workloads turns into "unknown" and back with it.
      touch(world.placementsByNode.get(change.node) ?? []);
      return;
    case "word-set":
      if (ofNode(change.node)) touch(world.placementsByNode.get(change.node) ?? []);
      return;
    case "observed":
      if (!ofNode(change.node)) return;
      touch(change.report.workloads.map(({ id }) => id));
      touch(change.report.gone, unsaid.gone);
      return;
    case "placement-set":
      if (ofNode(change.placement.node)) touch([change.placement.workload]);
      return;
    case "placement-removed":
      touch([change.workload], unsaid.gone);
      return;
    case "unplaced-set":
      if (filter.node === null) touch([workloadId(change.unplaced.app, change.unplaced.service, change.unplaced.slot)]);
      return;
    case "unplaced-cleared":
      if (filter.node === null) touch([change.workload]);
      return;
    default:
      return assertNever(change);
  }
}

function passingText(deps: HttpDeps, unsaid: Unsaid, sight: Sight): string {
  const world = seenWorld(deps.loop.world, sight);
  const now = deps.clock.monotonicMs();
  let text = "";
  for (const id of unsaid.nodes) {
    const node = world.nodes.get(id);
    if (node === undefined) continue;
    const news = { kind: "reachability", node: nodeRef(node), reachability: reachabilityView(world, id, now) } as const;
    text += message(news satisfies WatchNews, null);
  }
  unsaid.nodes.clear();
  const ids = [...unsaid.workloads].slice(0, MAX_NEWS_WORKLOADS);
  const gone = [...unsaid.gone].slice(0, MAX_NEWS_WORKLOADS);
  if (ids.length + gone.length === 0) return text;
  for (const id of ids) unsaid.workloads.delete(id);
  for (const id of gone) unsaid.gone.delete(id);
  const items = ids.flatMap((id) => workloadView(world, id, now) ?? []);
  // What is still wanted somewhere is not gone.
  const left = gone.filter((id) => !world.placements.has(id) && !world.unplaced.has(id));
  if (items.length + left.length === 0) return text;
  return text + message({ kind: "workloads", items, gone: left } satisfies WatchNews, null);
}
