// The stream socket: dials the hub's second address with the node's signature of the ticket, and serves on what comes of it.
// One that fails is not tried again: the hub asks anew when somebody still wants to look.
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
import { type ClientOptions, WebSocket } from "ws";
import type { Identity } from "../ledger/ledger.ts";
import { agentUrl } from "../link/network-failure.ts";
import type { LogParts } from "./logs.ts";
import { serveStreams } from "./router.ts";

/** A close waits no longer for the other side's answer. */
const CLOSE_DEADLINE_MS = 5_000;

/** HTTP/2 is written in messages of one piece; more pieces are an attack on memory. */
const MAX_FRAGMENTS = 64;
/** Pieces of the wire that wait for the rest of their message: 1 MiB in packets of 256 bytes. */
const MAX_BUFFERED_CHUNKS = 4_096;

/** The published types are of ws 8.18 and do not know the newest limits. */
const OPTIONS: ClientOptions & {
  readonly maxFragments: number;
  readonly maxBufferedChunks: number;
  readonly closeTimeout: number;
} = {
  perMessageDeflate: false,
  maxPayload: MAX_STREAM_MESSAGE_BYTES,
  maxFragments: MAX_FRAGMENTS,
  maxBufferedChunks: MAX_BUFFERED_CHUNKS,
  handshakeTimeout: TICKET_LIFE_MS,
  closeTimeout: CLOSE_DEADLINE_MS,
  // A redirect would carry the proof to a server that nobody named.
  followRedirects: false,
};

export function dialStreams(
  parts: LogParts & { readonly log: Log },
  identity: Identity,
  ticket: string,
  onEnd: () => void,
): { close(): void } {
  const socket = new WebSocket(`${agentUrl(identity.hubUrl)}${STREAMS_SUFFIX}`, {
    ...OPTIONS,
    headers: {
      [STREAM_HEADER.node]: identity.node,
      [STREAM_HEADER.proof]: signText(identity.privateKey, streamText(identity, ticket)),
    },
  });
  let ended = false;
  const end = (): void => {
    if (ended) return;
    ended = true;
    onEnd();
  };
  socket.on("error", (error) => {
    parts.log.warn("the stream socket could not be opened or broke", { reason: error.message });
    socket.terminate();
    end();
  });
  socket.once("close", end);
  socket.once("open", () => serveStreams(parts, socketDuplex(socket), end));
  return { close: () => socket.terminate() };
}
