// The stream sockets, hub side: asks a node for one over its control connection, lets in the one that answers with the ticket, and opens
// HTTP/2 streams on it. A noisy stream cannot delay a heartbeat, because those ride on the other socket. Nothing stands at rest.
import type { IncomingHttpHeaders } from "node:http";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { type InstallationId, type NodeId, nodeIdSchema, type PublicKey } from "@skerry/shared/model/ids.ts";
import { streamText } from "@skerry/shared/protocol/proof.ts";
import { socketDuplex } from "@skerry/shared/protocol/socket-duplex.ts";
import {
  MAX_STREAMS_PER_NODE,
  STREAM_HEADER,
  STREAM_IDLE_MS,
  TICKET_LIFE_MS,
} from "@skerry/shared/protocol/streams.ts";
import type { Clock, Timer } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import type { WebSocket } from "ws";
import { signingKeyOf } from "./authenticate.ts";

/** Nodes that are looked at at once, over all people: each costs a socket and HTTP/2's tables, some 300 KB. */
export const MAX_STREAM_SOCKETS = 500;
/** HTTP/2's own window of one stream. The connection's is that of all its streams, so that one that nobody reads holds up no other. */
const STREAM_WINDOW_BYTES = 65_535;
/** A socket whose other end is gone without a word shows by this at the latest. */
export const PING_MS = 20_000;
const TICKET_BYTES = 32;

/** Why there is no stream, in words about the node that follow its name. */
export class StreamError extends Error {
  override name = "StreamError";
}

export interface NodeStreamsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly installation: InstallationId;
  /** Those that it may show; none: there is no such node. */
  readonly publicKeys: (node: NodeId) => readonly PublicKey[];
  /** Sends the ticket over the control connection; false: the node is not connected. */
  readonly ask: (node: NodeId, ticket: string) => boolean;
}

interface Waiting {
  readonly ticket: string;
  readonly session: Promise<Open>;
  readonly resolve: (open: Open) => void;
  readonly reject: (error: StreamError) => void;
  readonly timer: Timer;
}
interface Open {
  readonly session: ClientHttp2Session;
  streams: number;
  idle: Timer | null;
}

export class NodeStreams {
  readonly #options: NodeStreamsOptions;
  readonly #waiting = new Map<NodeId, Waiting>();
  readonly #open = new Map<NodeId, Open>();
  #stopped = false;

  constructor(options: NodeStreamsOptions) {
    this.#options = options;
  }

  sockets(): number {
    return this.#open.size;
  }

  /** One GET on the node. Rejects with StreamError only. */
  async get(node: NodeId, path: string): Promise<ClientHttp2Stream> {
    const known = this.#open.get(node);
    // One that was closed may not have said so yet.
    const stands = known !== undefined && !known.session.destroyed && !known.session.closed;
    const open = stands ? known : await this.#ask(node);
    if (open.session.destroyed || open.session.closed) throw new StreamError("broke the connection off");
    if (open.streams >= MAX_STREAMS_PER_NODE) {
      throw new StreamError(`is looked at by ${MAX_STREAMS_PER_NODE} streams already, which is the most`);
    }
    open.streams += 1;
    open.idle?.cancel();
    const stream = open.session.request({ ":path": path });
    stream.on("error", () => undefined);
    stream.once("close", () => {
      open.streams -= 1;
      if (open.streams === 0) this.#closeWhenIdle(open);
    });
    return stream;
  }

  /** The node of a dial that proves its key and the ticket, or null; what is wrong is not told. */
  admit(headers: IncomingHttpHeaders, binding: string | null): NodeId | null {
    const named = nodeIdSchema.safeParse(headers[STREAM_HEADER.node]);
    if (!named.success) return null;
    const node = named.data;
    const waiting = this.#waiting.get(node);
    const { installation, publicKeys } = this.#options;
    const text = streamText({ installation, node }, waiting?.ticket ?? "", binding);
    const key = signingKeyOf(publicKeys(node), text, String(headers[STREAM_HEADER.proof] ?? ""));
    return key !== null && waiting !== undefined ? node : null;
  }

  /** Takes the socket of a dial that was let in. */
  attach(node: NodeId, webSocket: WebSocket): void {
    const waiting = this.#waiting.get(node);
    if (waiting === undefined) return webSocket.terminate();
    this.#waiting.delete(node);
    waiting.timer.cancel();
    const duplex = socketDuplex(webSocket);
    duplex.on("error", () => undefined);
    const session = connect("http://node", { createConnection: () => duplex, maxSessionMemory: 10 });
    const open: Open = { session, streams: 0, idle: null };
    session.on("error", (error) => this.#options.log.debug("a stream socket broke", { node, reason: error.message }));
    session.once("connect", () => session.setLocalWindowSize(MAX_STREAMS_PER_NODE * STREAM_WINDOW_BYTES));
    session.once("close", () => {
      open.idle?.cancel();
      if (this.#open.get(node) === open) this.#open.delete(node);
      webSocket.terminate();
    });
    this.#open.set(node, open);
    this.#pingSoon(open);
    this.#closeWhenIdle(open);
    waiting.resolve(open);
  }

  /** The node's control connection ended. */
  drop(node: NodeId): void {
    this.#refuse(node, "is not heard any more");
    this.#open.get(node)?.session.destroy();
  }

  stop(): void {
    this.#stopped = true;
    for (const node of [...this.#waiting.keys()]) this.#refuse(node, "cannot be asked: the hub is stopping");
    for (const { session } of [...this.#open.values()]) session.destroy();
  }

  #ask(node: NodeId): Promise<Open> {
    const before = this.#waiting.get(node);
    if (before !== undefined) return before.session;
    if (this.#stopped) return Promise.reject(new StreamError("cannot be asked: the hub is stopping"));
    if (this.#open.size + this.#waiting.size >= MAX_STREAM_SOCKETS) {
      return Promise.reject(new StreamError("cannot be asked: too many nodes are being looked at"));
    }
    const ticket = this.#options.random.hex(TICKET_BYTES);
    if (!this.#options.ask(node, ticket)) return Promise.reject(new StreamError("is not heard"));
    const { promise: session, resolve, reject } = Promise.withResolvers<Open>();
    const timer = this.#options.clock.setTimer(TICKET_LIFE_MS, () => this.#refuse(node, "does not answer"));
    this.#waiting.set(node, { ticket, session, resolve, reject, timer });
    return session;
  }

  #refuse(node: NodeId, why: string): void {
    const waiting = this.#waiting.get(node);
    if (waiting === undefined) return;
    this.#waiting.delete(node);
    waiting.timer.cancel();
    waiting.reject(new StreamError(why));
  }

  #closeWhenIdle(open: Open): void {
    open.idle?.cancel();
    open.idle = this.#options.clock.setTimer(STREAM_IDLE_MS, () => {
      if (open.streams === 0) open.session.close();
    });
  }

  #pingSoon(open: Open): void {
    const { clock } = this.#options;
    clock.setTimer(PING_MS, () => {
      if (open.session.destroyed || open.session.closed) return;
      const late = clock.setTimer(PING_MS, () => open.session.destroy());
      open.session.ping(() => {
        late.cancel();
        this.#pingSoon(open);
      });
    });
  }
}
