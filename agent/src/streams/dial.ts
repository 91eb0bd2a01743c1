// The stream socket: dials the hub's second address with the node's signature of the ticket, and serves on what comes of it.
// One that fails is not tried again: the hub asks anew when somebody still wants to look.
import type { Socket } from "node:net";
import { streamText } from "@skerry/shared/protocol/proof.ts";
import { socketDuplex } from "@skerry/shared/protocol/socket-duplex.ts";
import {
  MAX_STREAM_MESSAGE_BYTES,
  STREAM_HEADER,
  STREAMS_SUFFIX,
  TICKET_LIFE_MS,
} from "@skerry/shared/protocol/streams.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import { signText } from "@skerry/shared/runtime/signature.ts";
import { WebSocket } from "ws";
import type { Identity } from "../ledger/ledger.ts";
import type { OpenHubSocket } from "../link/hub-socket.ts";
import { agentUrl } from "../link/network-failure.ts";
import { webSocketOptions } from "../link/ws-options.ts";
import type { LogParts } from "./logs.ts";
import { serveStreams } from "./router.ts";

/** Pieces of the wire that wait for the rest of their message: 1 MiB in packets of 256 bytes. */
const MAX_BUFFERED_CHUNKS = 4_096;

/** HTTP/2 is written in messages of one piece. */
const OPTIONS = webSocketOptions({
  maxPayload: MAX_STREAM_MESSAGE_BYTES,
  maxBufferedChunks: MAX_BUFFERED_CHUNKS,
  handshakeTimeout: TICKET_LIFE_MS,
});

export interface DialParts extends LogParts {
  readonly log: Log;
  readonly open: OpenHubSocket;
}

export function dialStreams(
  parts: DialParts,
  identity: Identity,
  ticket: string,
  onEnd: () => void,
): { close(): void } {
  let socket: WebSocket | null = null;
  let ended = false;
  const end = (): void => {
    if (ended) return;
    ended = true;
    onEnd();
  };
  const broke = (error: Error): void => {
    parts.log.warn("the stream socket could not be opened or broke", { reason: error.message });
    socket?.terminate();
    end();
  };
  parts.open(identity, TICKET_LIFE_MS).then(({ socket: wire, binding }) => {
    if (ended) {
      wire.destroy();
      return;
    }
    socket = webSocketOver(wire, identity, ticket, identity.binding === "none" ? null : binding);
    socket.on("error", broke);
    socket.once("close", end);
    const open = socket;
    open.once("open", () => serveStreams(parts, socketDuplex(open), end));
  }, broke);
  return {
    close() {
      socket?.terminate();
      end();
    },
  };
}

function webSocketOver(wire: Socket, identity: Identity, ticket: string, binding: string | null): WebSocket {
  return new WebSocket(`${agentUrl(identity.hubUrl)}${STREAMS_SUFFIX}`, {
    ...OPTIONS,
    createConnection: () => wire,
    headers: {
      [STREAM_HEADER.node]: identity.node,
      [STREAM_HEADER.proof]: signText(identity.privateKey, streamText(identity, ticket, binding)),
    },
  });
}
