// What both of the agent's websockets are opened with. No compression (it costs 250 KB a connection), small limits, nothing followed elsewhere.
import type { ClientOptions } from "ws";

/** How long a close may wait for the other side's answer; whoever closes has ended by then anyway. */
const CLOSE_DEADLINE_MS = 5_000;
/** Of one message: 4 MiB in pieces of 64 KiB. More pieces are an attack on memory. */
const MAX_FRAGMENTS = 64;

export interface WebSocketLimits {
  /** Bytes of one message. */
  readonly maxPayload: number;
  /** Pieces of the wire that wait for the rest of their message; each costs as much again beside its bytes. */
  readonly maxBufferedChunks: number;
  /** Milliseconds. */
  readonly handshakeTimeout: number;
}

/** The published types are of ws 8.18 and do not know the newest limits. */
export const webSocketOptions = (
  limits: WebSocketLimits,
): ClientOptions & WebSocketLimits & { readonly maxFragments: number; readonly closeTimeout: number } => ({
  perMessageDeflate: false,
  maxFragments: MAX_FRAGMENTS,
  closeTimeout: CLOSE_DEADLINE_MS,
  // A redirect would carry the node to a server that nobody named: captive portals do just that.
  followRedirects: false,
  ...limits,
});
