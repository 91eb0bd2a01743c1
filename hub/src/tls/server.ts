// The hub's port with TLS: version 1.3 and nothing older, and limits for whoever has not finished the handshake. (1.3 knows neither compression
// nor renegotiation.) What is said over it is HTTP, as without TLS.
import type { RequestListener, Server, ServerOptions } from "node:http";
import { createServer as createSecureServer, type Server as SecureServer } from "node:https";
import type { Socket } from "node:net";

/** Name, TCP and two round trips over a satellite with losses; agents wait 20 s for all of it. */
export const HANDSHAKE_DEADLINE_MS = 15_000;
/** Half-open handshakes, 60 KB each: a whole fleet's return stays below, since each takes 2 ms of a core, before anything is said. */
export const MAX_HANDSHAKES = 1_000;

export interface Credentials {
  readonly key: string;
  readonly cert: string;
}

const secureOptions = ({ key, cert }: Credentials) => ({ key, cert, minVersion: "TLSv1.3" }) as const;

export interface HandshakeLimits {
  readonly deadlineMs: number;
  readonly atOnce: number;
}
const LIMITS: HandshakeLimits = { deadlineMs: HANDSHAKE_DEADLINE_MS, atOnce: MAX_HANDSHAKES };

export function secureServer(
  credentials: Credentials,
  http: ServerOptions,
  handler: RequestListener,
  limits: HandshakeLimits = LIMITS,
): Server {
  const options = { ...http, ...secureOptions(credentials), handshakeTimeout: limits.deadlineMs };
  const server = createSecureServer(options, handler);
  limitHandshakes(server, limits.atOnce);
  return server;
}

/** New connections meet the new key; those that stand stay. */
export function changeKey(server: Server, credentials: Credentials): void {
  if ("setSecureContext" in server && typeof server.setSecureContext === "function")
    server.setSecureContext(secureOptions(credentials));
}

/** Before TLS has cost anything: one connection more than so many is cut at once. */
function limitHandshakes(server: SecureServer, atOnce: number): void {
  const waiting = new Set<string>();
  // Node's own listener begins the handshake, so ours must decide before it.
  const begin = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    if (waiting.size >= atOnce) {
      socket.destroy();
      return;
    }
    const peer = peerOf(socket);
    waiting.add(peer);
    socket.once("close", () => waiting.delete(peer));
    for (const listener of begin) Reflect.apply(listener, server, [socket]);
  });
  server.on("secureConnection", (socket) => waiting.delete(peerOf(socket)));
}

/** The same of a connection and of the TLS over it; of two open connections never. */
const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress ?? ""} ${remotePort ?? 0}`;
