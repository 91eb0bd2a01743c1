// The agents' websocket: the upgrade on the HTTP server, and a `ws` socket as a Connection. Nothing else touches `ws`.
// No compression (295 KiB a connection against 42), text only, every size bounded before anything is parsed.
import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { tlsBinding } from "@skerry/shared/protocol/binding.ts";
import type { Connection, ConnectionHandlers } from "@skerry/shared/protocol/connection.ts";
import { MAX_STREAM_MESSAGE_BYTES, STREAMS_SUFFIX } from "@skerry/shared/protocol/streams.ts";
import { MAX_FRAME_TO_HUB_BYTES } from "@skerry/shared/protocol/version.ts";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import type { SocketUrl } from "../http/routes.ts";
import { MAX_BYTES_BEFORE_HELLO } from "./limits.ts";
import type { LinkServer } from "./server.ts";
import type { NodeStreams } from "./streams.ts";

export const AGENT_PATH = "/v1/agent" satisfies SocketUrl;
const STREAMS_PATH = `${AGENT_PATH}${STREAMS_SUFFIX}` satisfies SocketUrl;
type Door = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
/** Pieces of one message. A frame of 1 MiB from a sane peer has one; a million tiny pieces are an attack on memory. */
const MAX_FRAGMENTS = 64;
/** Pieces of the wire that wait for the rest of their frame: 1 MiB in packets of 256 bytes. Each costs as much again beside its bytes. */
const MAX_BUFFERED_CHUNKS = 4_096;
/** A close reason has at most 123 bytes (RFC 6455). */
const MAX_REASON_BYTES = 123;
/** After our close frame: how long to wait for the peer's before the socket is cut. */
const CLOSE_TIMEOUT_MS = 5_000;
/**
 * Node's TLS encrypts what it is given at once, and keeps as much memory for that connection for good: an assignment of 20 workloads would hold
 * 130 KB of each node's connection. A record of TLS has at most 16 KiB.
 */
const TLS_PIECE_BYTES = 16_000;
/** The encoding that Node's sockets name for bytes; its types do not know it. */
const OF_BYTES = "buffer" as BufferEncoding;
/** Not a status of our own: RFC 6455 for "a kind of data that cannot be accepted". */
const UNSUPPORTED_DATA = 1003;

export interface Upgrades {
  /** Sockets that are still open, also those that are closing. */
  open(): number;
  /** Takes no more upgrades, and cuts what is still open. Call `LinkServer.stop` first: it says goodbye. */
  close(): void;
}

/**
 * Answers upgrades on `AGENT_PATH`, and on the one of streams for whom the hub has asked; every other upgrade is refused with 404. `onKnown`: the
 * node at the other end has shown who it is.
 */
export function attachUpgrade(
  server: Server,
  link: Pick<LinkServer, "attach" | "isFull">,
  streams: Pick<NodeStreams, "admit" | "attach"> | null = null,
  onKnown: (socket: Socket) => void = () => undefined,
): Upgrades {
  // The types of ws lag behind it: `maxFragments` and `maxBufferedChunks` came with the security fix of 8.21, `closeTimeout` with 8.19.
  const options: ConstructorParameters<typeof WebSocketServer>[0] & {
    maxFragments: number;
    maxBufferedChunks: number;
    closeTimeout: number;
  } = {
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_TO_HUB_BYTES,
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: MAX_BUFFERED_CHUNKS,
    closeTimeout: CLOSE_TIMEOUT_MS,
    clientTracking: true,
  };
  const sockets = new WebSocketServer(options);
  const streamSockets = new WebSocketServer({ ...options, maxPayload: MAX_STREAM_MESSAGE_BYTES });
  // Each address of the table of sockets has its door here, and no other address has one.
  const doors: Readonly<Record<SocketUrl, Door>> = {
    [AGENT_PATH]: (request, socket, head) => {
      // Before the handshake: one that is refused later could still send until it is closed.
      const from = request.socket.remoteAddress ?? "unknown";
      if (link.isFull(from)) return refuse(socket, "503 Service Unavailable");
      if (socket instanceof TLSSocket) writeInPieces(socket);
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        const letGo = holdToHello(socket, head, webSocket);
        const trust = (): void => {
          letGo();
          onKnown(request.socket);
        };
        const binding = bindingOf(request.socket);
        const bound = binding === null ? {} : { binding };
        link.attach({ ...wsConnection(webSocket), trust, ...bound }, from);
      });
    },
    [STREAMS_PATH]: (request, socket, head) => {
      // Before the handshake, and with the same answer whatever was wrong.
      const node = streams?.admit(request.headers, bindingOf(request.socket)) ?? null;
      if (node === null) return refuse(socket, "403 Forbidden");
      onKnown(request.socket);
      streamSockets.handleUpgrade(request, socket, head, (webSocket) => streams?.attach(node, webSocket));
    },
  };
  const onUpgrade: Door = (request, socket, head) => {
    const path = pathOf(request);
    if (!isDoor(doors, path)) return refuse(socket, "404 Not Found");
    // Agents send no Origin; a browser always does and has no business here.
    if (request.headers.origin !== undefined) return refuse(socket, "403 Forbidden");
    doors[path](request, socket, head);
  };
  server.on("upgrade", onUpgrade);
  return {
    open: () => sockets.clients.size,
    close() {
      server.off("upgrade", onUpgrade);
      for (const client of [...sockets.clients, ...streamSockets.clients]) client.terminate();
      sockets.close();
      streamSockets.close();
    },
  };
}

/** Ends the connection of somebody who sends more than a hello without having shown who he is, also while it is being closed. */
function holdToHello(socket: Duplex, head: Buffer, webSocket: WebSocket): () => void {
  let bytes = head.length;
  const count = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > MAX_BYTES_BEFORE_HELLO) webSocket.terminate();
  };
  socket.on("data", count);
  return () => void socket.off("data", count);
}

/** The next piece is encrypted when the system has taken the last one. What is buffered counts and orders as before. */
function writeInPieces(socket: TLSSocket): void {
  const writeOne = socket._write.bind(socket);
  const write = (bytes: Buffer, done: (error?: Error | null) => void): void => {
    writeOne(bytes.subarray(0, TLS_PIECE_BYTES), OF_BYTES, (error) => {
      if (error || bytes.length <= TLS_PIECE_BYTES) done(error);
      else write(bytes.subarray(TLS_PIECE_BYTES), done);
    });
  };
  const _write: TLSSocket["_write"] = (chunk: Buffer | string, encoding, done) =>
    write(typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk, done);
  // Several waiting chunks would be taken together by the second.
  Object.assign(socket, { _write, _writev: null });
}

/** Where this hub ends TLS itself. */
const bindingOf = (socket: Socket): string | null => (socket instanceof TLSSocket ? tlsBinding(socket) : null);

const isDoor = (doors: object, path: string): path is SocketUrl => Object.hasOwn(doors, path);

const pathOf = (request: IncomingMessage): string => (request.url ?? "").split("?", 1)[0] ?? "";

function refuse(socket: Duplex, status: string): void {
  socket.on("error", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

export function wsConnection(webSocket: WebSocket): Connection {
  let handlers: ConnectionHandlers | null = null;
  let closed = false;
  // An error is always followed by close; without a listener it would end the process.
  webSocket.on("error", () => {});
  webSocket.on("message", (data: RawData, isBinary: boolean) => {
    if (isBinary) webSocket.close(UNSUPPORTED_DATA, "frames are text");
    else handlers?.onFrame(String(data));
  });
  webSocket.on("close", (code: number, reason: Buffer) => {
    if (closed) return;
    closed = true;
    handlers?.onClose(code, reason.toString("utf8"));
  });
  return {
    send(text) {
      if (webSocket.readyState === webSocket.OPEN) webSocket.send(text);
    },
    bufferedBytes: () => webSocket.bufferedAmount,
    close(code, reason) {
      webSocket.close(code, cut(reason));
    },
    listen(given) {
      handlers = given;
    },
  };
}

function cut(reason: string): string {
  const bytes = Buffer.from(reason, "utf8");
  if (bytes.length <= MAX_REASON_BYTES) return reason;
  // A character cut in half becomes U+FFFD, three bytes long: drop it.
  return bytes.subarray(0, MAX_REASON_BYTES).toString("utf8").replace(/�+$/u, "");
}
