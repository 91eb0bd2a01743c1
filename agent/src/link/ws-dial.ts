// A real websocket behind Dial, with plain words for each way in which a far-out network fails. Credentials are not sent here: hello carries
// them, once the server has answered as a hub's websocket does.
import type { Connection, ConnectionHandlers } from "@skerry/shared/protocol/connection.ts";
import { MAX_FRAME_TO_AGENT_BYTES } from "@skerry/shared/protocol/version.ts";
import { WebSocket } from "ws";
import { DialError, type LinkFailure } from "./failure.ts";
import type { HubAddress, OpenHubSocket } from "./hub-socket.ts";
import { agentUrl, networkFailure, wrongServer } from "./network-failure.ts";
import { webSocketOptions } from "./ws-options.ts";

/** Name, TCP and TLS over a satellite with losses. */
const HANDSHAKE_DEADLINE_MS = 20_000;
/** Pieces of the wire that wait for the rest of their frame: 4 MiB in packets of 256 bytes. */
const MAX_BUFFERED_CHUNKS = 16_384;

const OPTIONS = webSocketOptions({
  maxPayload: MAX_FRAME_TO_AGENT_BYTES,
  maxBufferedChunks: MAX_BUFFERED_CHUNKS,
  handshakeTimeout: HANDSHAKE_DEADLINE_MS,
});

export async function dialWebSocket(open: OpenHubSocket, hub: HubAddress): Promise<Connection> {
  const { hubUrl } = hub;
  const { socket: wire, binding } = await open(hub, HANDSHAKE_DEADLINE_MS);
  const socket = new WebSocket(agentUrl(hubUrl), { ...OPTIONS, createConnection: () => wire });
  return new Promise((resolve, reject) => {
    const fail = (failure: LinkFailure, cause?: unknown): void => {
      // ws reports once more when a half-open socket is ended; that one is of no interest.
      socket.removeAllListeners();
      socket.on("error", () => undefined);
      socket.terminate();
      reject(new DialError(failure, { cause }));
    };
    socket.once("open", () => {
      socket.removeAllListeners();
      // Made within this very event, so that no frame can come before there is someone to hear it.
      resolve(new WsConnection(socket, binding));
    });
    socket.once("unexpected-response", (request, response) => {
      request.destroy();
      fail(answerFailure(hubUrl, response.statusCode ?? 0, String(response.headers["content-type"] ?? "")));
    });
    socket.once("error", (error) => fail(networkFailure(hubUrl, error), error));
  });
}

/** An HTTP answer in place of a websocket. */
function answerFailure(hubUrl: string, status: number, contentType: string): LinkFailure {
  const json = contentType.includes("json");
  if (json && (status === 401 || status === 403)) {
    return {
      kind: "not-authenticated",
      message: `the hub at ${hubUrl} does not let this node in (HTTP ${status}): join again with a new token`,
    };
  }
  if (json && (status === 429 || status >= 500)) {
    return { kind: "broken-off", message: `the hub at ${hubUrl} cannot take this node now (HTTP ${status})` };
  }
  if (status === 502 || status === 503 || status === 504) {
    return {
      kind: "no-answer",
      message: `a proxy before ${hubUrl} answers, and the hub behind it does not (HTTP ${status})`,
    };
  }
  return wrongServer(hubUrl, `HTTP ${status}${contentType === "" ? "" : `, ${contentType}`}`);
}

class WsConnection implements Connection {
  readonly #socket: WebSocket;
  readonly binding?: string;

  constructor(socket: WebSocket, binding: string | null) {
    this.#socket = socket;
    if (binding !== null) this.binding = binding;
    // Until `listen` nothing may arrive unheard.
    socket.pause();
  }

  listen(handlers: ConnectionHandlers): void {
    const socket = this.#socket;
    let ended = false;
    let failure = "";
    socket.on("message", (data, isBinary) => {
      if (isBinary) return this.close(4400, "frames are text");
      handlers.onFrame(data.toString());
    });
    socket.on("error", (error) => {
      failure = error.message;
    });
    socket.on("close", (code, reason) => {
      if (ended) return;
      ended = true;
      handlers.onClose(code, reason.toString() || failure);
    });
    socket.resume();
  }

  send(text: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(text, () => undefined);
  }

  bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  close(code: number, reason: string): void {
    // A close reason may have 123 bytes.
    this.#socket.close(
      code,
      Buffer.from(reason)
        .subarray(0, 120)
        .toString()
        .replace(/\uFFFD+$/u, ""),
    );
  }
}
