// GET /v1/apps/{app}/logs: what an app's containers wrote and write, from all of its nodes, as JSON lines. Read from the nodes only as fast
// as the client takes it. What cannot be shown is said by name, at the top or when it happens.
import type { ServerResponse } from "node:http";
import type { NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadParts } from "@skerry/shared/model/names.ts";
import type { LogItem } from "@skerry/shared/protocol/streams.ts";
import { sleep, type Timer } from "@skerry/shared/runtime/clock.ts";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { World } from "../core/world.ts";
import type { CheckedOf } from "./api.ts";
import type { HttpDeps } from "./deps.ts";
import { HttpError, quoted } from "./errors.ts";
import { findApp } from "./lookup.ts";
import type { OpenStreams } from "./open-streams.ts";
import type { LogNews } from "./schemas/logs.ts";
import { workloadsOf } from "./views/apps.ts";

/** Each costs a socket here and a stream for each workload. */
export const MAX_LOG_READERS = 50;
/** More at once is no look inside; and each is a stream to a node. */
export const MAX_LOG_WORKLOADS = 100;
/** While following: how soon a new copy, a moved one or a node that is back is read. */
const LOOK_MS = 1_000;
/** Empty lines that keep proxies and the CLI from taking a quiet log for a dead one. */
const BEAT_MS = 15_000;

/** Who reads in a pager stops for minutes; one whose machine is gone must not hold his place for hours. */
export const READER_IDLE_MS = 900_000;

export interface Logs {
  open(request: FastifyRequest, reply: FastifyReply): void;
  size(): number;
  stop(): void;
}

type Query = CheckedOf<"getLogs">["query"];

export function createLogs(deps: HttpDeps, streams: OpenStreams): Logs {
  const readers = new Set<Reader>();
  let stopped = false;
  return {
    open: (request, reply) => {
      if (stopped) throw new HttpError("stopping", "The hub is shutting down.");
      if (readers.size >= MAX_LOG_READERS) {
        throw new HttpError("overloaded", `${MAX_LOG_READERS} logs are being read, which is the most.`, {
          retryAfterSeconds: 30,
        });
      }
      // Checked by this route's schema before the handler is called.
      const { app } = request.params as CheckedOf<"getLogs">["params"];
      const query = request.query as Query;
      const wanted = (world: World): readonly WorkloadId[] =>
        workloadsOf(world, app).filter((id) => fits(world, id, query));
      findApp(deps.loop.world, app);
      refuseUnfit(wanted(deps.loop.world).length, app, query);
      reply.hijack();
      const forget = streams.add(request, () => reader.end());
      const reader = new Reader(deps, reply, query, wanted, () => {
        readers.delete(reader);
        forget();
      });
      readers.add(reader);
      reader.start();
    },
    size: () => readers.size,
    stop: () => {
      stopped = true;
      for (const reader of [...readers]) reader.end();
    },
  };
}

function refuseUnfit(count: number, app: string, { service, slot }: Query): void {
  if (count > MAX_LOG_WORKLOADS) {
    throw new HttpError("change-refused", `These are the logs of ${count} copies; ${MAX_LOG_WORKLOADS} is the most.`, {
      hint: "Narrow it down to APP/SERVICE or APP/SERVICE/SLOT.",
    });
  }
  if (count > 0 || (service === undefined && slot === undefined)) return;
  const target = [app, service, slot].filter((part) => part !== undefined).join("/");
  throw new HttpError("target-not-found", `There is no copy of ${quoted(target)}.`, {
    hint: `skerry ps ${app} lists its copies.`,
  });
}

/** A copy that is known by its node is found by the node's name too. */
function fits(world: World, id: WorkloadId, query: Query): boolean {
  const { service, slot } = workloadParts(id);
  if (query.service !== undefined && query.service !== service) return false;
  const node = world.placements.get(id)?.node;
  return (
    query.slot === undefined ||
    query.slot === slot ||
    (slot.startsWith("n") && node !== undefined && world.nodes.get(node)?.name === query.slot)
  );
}

interface Reading {
  readonly node: NodeId;
  readonly stop: AbortController;
  /** The stamp of the last line: where to go on. */
  after: string | null;
  done: boolean;
}

class Reader {
  readonly #deps: HttpDeps;
  readonly #response: ServerResponse;
  readonly #query: Query;
  readonly #wanted: (world: World) => readonly WorkloadId[];
  readonly #onEnd: () => void;
  readonly #ended = new AbortController();
  readonly #readings = new Map<WorkloadId, Reading>();
  /** What was said of each copy that cannot be read, so that it is said once. */
  readonly #said = new Map<WorkloadId, string>();
  #beat: Timer | null = null;

  constructor(
    deps: HttpDeps,
    reply: FastifyReply,
    query: Query,
    wanted: (world: World) => readonly WorkloadId[],
    onEnd: () => void,
  ) {
    this.#deps = deps;
    this.#response = reply.raw;
    this.#query = query;
    this.#wanted = wanted;
    this.#onEnd = onEnd;
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) this.#response.setHeader(name, value);
    }
  }

  start(): void {
    this.#response.socket?.setTimeout(READER_IDLE_MS);
    this.#response.socket?.setNoDelay(true);
    this.#response.writeHead(200, { "content-type": "application/x-ndjson", "x-accel-buffering": "no" });
    this.#response.flushHeaders();
    this.#response.on("close", () => this.end());
    this.#response.on("error", () => this.end());
    this.#beatLater();
    void this.#run().then(() => this.end());
  }

  end(): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#beat?.cancel();
    for (const { stop } of this.#readings.values()) stop.abort();
    this.#onEnd();
    this.#response.end();
  }

  async #run(): Promise<void> {
    const under = this.#look();
    if (!this.#query.follow) {
      await Promise.all(under);
      return;
    }
    while (!this.#ended.signal.aborted) {
      await sleep(this.#deps.clock, LOOK_MS);
      if (!this.#ended.signal.aborted) this.#look();
    }
  }

  /** Reads what can be read and is not, ends what is no more, says what cannot. */
  #look(): Promise<void>[] {
    const { loop, logs } = this.#deps;
    const wanted = this.#wanted(loop.world).slice(0, MAX_LOG_WORKLOADS);
    for (const [id, reading] of this.#readings) {
      const node = loop.world.placements.get(id)?.node;
      const stays = node === reading.node && logs.isHeard(reading.node);
      if (!stays) reading.stop.abort();
      if (node !== reading.node) this.#readings.delete(id);
    }
    const started: Promise<void>[] = [];
    for (const id of wanted) {
      const absent = this.#absence(id);
      if (absent !== null) this.#absent(id, absent);
      else if (this.#readings.get(id)?.done !== false) started.push(this.#read(id));
    }
    return started;
  }

  #absence(id: WorkloadId): string | null {
    const { loop, logs } = this.#deps;
    const placement = loop.world.placements.get(id);
    if (placement === undefined) return "it runs nowhere, so there are no logs of it";
    const name = loop.world.nodes.get(placement.node)?.name ?? placement.node;
    return logs.isHeard(placement.node) ? null : `node ${name} is not heard: its logs are not here`;
  }

  async #read(id: WorkloadId): Promise<void> {
    const { loop, logs } = this.#deps;
    const placement = loop.world.placements.get(id);
    if (placement === undefined) return;
    const { node } = placement;
    const before = this.#readings.get(id);
    const reading: Reading = { node, stop: new AbortController(), after: before?.after ?? null, done: false };
    this.#readings.set(id, reading);
    const { follow, tail, sinceMs } = this.#query;
    const ask = { workload: id, follow, tail: tail ?? null, sinceMs: sinceMs ?? null, after: reading.after };
    try {
      for await (const item of logs.read(node, ask, reading.stop.signal)) {
        if (this.#ended.signal.aborted) return;
        if (item.kind === "line") {
          reading.after = item.at;
          this.#said.delete(id);
        }
        await this.#tell(id, item);
      }
    } catch (error) {
      const name = loop.world.nodes.get(node)?.name ?? node;
      if (!reading.stop.signal.aborted) this.#absent(id, `node ${name} ${wordsOf(error)}: its logs are not here`);
    } finally {
      reading.done = true;
    }
  }

  #absent(id: WorkloadId, text: string): void {
    if (this.#said.get(id) === text) return;
    this.#said.set(id, text);
    this.#put({ kind: "absent", ...this.#whose(id), text });
  }

  async #tell(id: WorkloadId, item: LogItem): Promise<void> {
    this.#put({ ...item, ...this.#whose(id) });
    while (this.#response.writableNeedDrain && !this.#ended.signal.aborted) await this.#drained();
  }

  #whose(id: WorkloadId): Pick<LogNews, "workload" | "node"> {
    const { world } = this.#deps.loop;
    const node = world.nodes.get(world.placements.get(id)?.node ?? ("" as NodeId));
    return { workload: id, node: node === undefined ? null : { id: node.id, name: node.name } };
  }

  #put(news: LogNews): void {
    if (!this.#ended.signal.aborted) this.#response.write(`${JSON.stringify(news)}\n`);
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#response.off("drain", done);
        this.#ended.signal.removeEventListener("abort", done);
        resolve();
      };
      this.#response.once("drain", done);
      this.#ended.signal.addEventListener("abort", done, { once: true });
    });
  }

  #beatLater(): void {
    this.#beat = this.#deps.clock.setTimer(BEAT_MS, () => {
      if (!this.#response.writableNeedDrain) this.#response.write("\n");
      this.#beatLater();
    });
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
