// What this node serves on a stream socket: HTTP/2 over any duplex, with a small table of paths. Loaded only when somebody asks.
// It must never be reachable but over the socket that this agent dialed to its own hub, and the one in its own folder.
import {
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Duplex } from "node:stream";
import {
  LOG_END,
  type LogAsk,
  type LogItem,
  logAskSchema,
  MAX_LOG_CHARACTERS_PER_SECOND,
  MAX_STREAMS_PER_NODE,
  STREAM_IDLE_MS,
} from "@skerry/shared/protocol/streams.ts";
import type { Clock, Timer } from "@skerry/shared/runtime/clock.ts";
import { type LogParts, workloadLog } from "./logs.ts";

/** HTTP/2's own bookkeeping for one peer, in MB; nothing large is kept per stream. */
const MAX_SESSION_MEMORY_MB = 2;
/** Lines above the rate are counted for so long before they are told. */
const WINDOW_MS = 1_000;

type Route = (stream: ServerHttp2Stream, query: URLSearchParams) => void;

/** Serves one connection until it ends; `onEnd` is called once. */
export function serveStreams(parts: LogParts, duplex: Duplex, onEnd: () => void): { close(): void } {
  const routes: Readonly<Record<string, Route>> = { "/logs": (stream, query) => serveLogs(parts, stream, query) };
  const server: Http2Server = createServer({
    maxSessionMemory: MAX_SESSION_MEMORY_MB,
    settings: { maxConcurrentStreams: MAX_STREAMS_PER_NODE },
  });
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    // A peer that goes away in the middle is nothing to tell.
    stream.on("error", () => undefined);
    // null: the peer may send what is no path at all, such as "//".
    const url = URL.parse(String(headers[":path"] ?? "/"), "http://node");
    const route = url !== null && headers[":method"] === "GET" ? routes[url.pathname] : undefined;
    if (url === null || route === undefined) {
      refuse(stream, constants.HTTP_STATUS_NOT_FOUND, "this agent has no such stream");
    } else route(stream, url.searchParams);
  });
  server.on("session", (session: ServerHttp2Session) => closeWhenIdle(session, parts.clock));
  server.on("sessionError", () => undefined);
  duplex.on("error", () => undefined);
  duplex.once("close", onEnd);
  server.emit("connection", duplex);
  return { close: () => duplex.destroy() };
}

/** The hub closes sooner; this is for a hub that forgets to. */
function closeWhenIdle(session: ServerHttp2Session, clock: Clock): void {
  let open = 0;
  let timer: Timer | null = null;
  const idle = (): void => {
    timer = clock.setTimer(2 * STREAM_IDLE_MS, () => session.close());
  };
  idle();
  session.on("stream", (stream: ServerHttp2Stream) => {
    timer?.cancel();
    open += 1;
    stream.once("close", () => {
      open -= 1;
      if (open === 0) idle();
    });
  });
  session.once("close", () => timer?.cancel());
}

function refuse(stream: ServerHttp2Stream, status: number, message: string): void {
  stream.respond({ ":status": status, "content-type": "text/plain; charset=utf-8" });
  stream.end(message);
}

function serveLogs(parts: LogParts, stream: ServerHttp2Stream, query: URLSearchParams): void {
  const ask = readAsk(query.get("ask"));
  if (ask === null) return refuse(stream, constants.HTTP_STATUS_BAD_REQUEST, "it does not say what log is meant");
  const gone = new AbortController();
  stream.once("close", () => gone.abort());
  stream.respond({ ":status": 200, "content-type": "application/x-ndjson" });
  const writer = new ItemWriter(stream, parts.clock, ask.follow);
  const run = async (): Promise<void> => {
    for await (const item of workloadLog(parts, ask, gone.signal)) {
      if (gone.signal.aborted) return;
      await writer.write(item);
    }
  };
  run().then(
    () => writer.end(),
    (error: unknown) => {
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      // Not of the engine, so a bug: it ends the process as everywhere else.
      throw error;
    },
  );
}

function readAsk(text: string | null): LogAsk | null {
  try {
    return logAskSchema.parse(JSON.parse(text ?? ""));
  } catch {
    return null;
  }
}

/** Writes items no faster than the reader takes them; a followed log that outruns every reader is thinned, and says by how much. */
class ItemWriter {
  readonly #stream: ServerHttp2Stream;
  readonly #clock: Clock;
  readonly #thins: boolean;
  #windowFromMs = Number.NEGATIVE_INFINITY;
  #characters = 0;
  #skipped = 0;
  #flush: Timer | null = null;

  constructor(stream: ServerHttp2Stream, clock: Clock, thins: boolean) {
    this.#stream = stream;
    this.#clock = clock;
    this.#thins = thins;
  }

  async write(item: LogItem): Promise<void> {
    if (item.kind === "line" && this.#thins && !this.#hasRoom(item.text.length)) {
      this.#skipped += 1;
      // Also when nothing follows.
      this.#flush ??= this.#clock.setTimer(WINDOW_MS, () => this.#tellSkipped());
      return;
    }
    this.#tellSkipped();
    if (!this.#put(item)) await this.#drained();
  }

  end(): void {
    this.#tellSkipped();
    this.#stream.end(`${LOG_END}\n`);
  }

  #hasRoom(characters: number): boolean {
    const now = this.#clock.monotonicMs();
    if (now - this.#windowFromMs >= WINDOW_MS) {
      this.#windowFromMs = now;
      this.#characters = 0;
    }
    this.#characters += characters;
    return this.#characters <= MAX_LOG_CHARACTERS_PER_SECOND;
  }

  #tellSkipped(): void {
    this.#flush?.cancel();
    this.#flush = null;
    if (this.#skipped === 0) return;
    const lines = this.#skipped;
    this.#skipped = 0;
    this.#put({ kind: "skipped", lines });
  }

  #put(item: LogItem): boolean {
    return this.#stream.destroyed || this.#stream.write(`${JSON.stringify(item)}\n`);
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#stream.off("drain", done);
        this.#stream.off("close", done);
        resolve();
      };
      if (this.#stream.destroyed) return resolve();
      this.#stream.once("drain", done);
      this.#stream.once("close", done);
    });
  }
}
