// Connections of which nobody has shown who he is, from the first packet on: no handshake yet, no request, no hello. They cost as much memory as
// those of nodes, and whoever wants can open them: so they have far fewer places, and who keeps one for long gives way. It knows no names.
import type { Server, Socket } from "node:net";
import type { Clock, Millis } from "@skerry/shared/runtime/clock.ts";

/** About 64 KB each with TLS, 256 MB in all. Twice as many as may wait for hello: a fleet's return goes through in turns of that. */
export const MAX_STRANGERS = 4_000;
/** Of them those of one address: twice as many as may wait for hello. */
export const MAX_STRANGERS_EACH = 1_000;
/** Handshake and hello over a slow link, with losses. Until then the newer one is turned away, so that a fleet's return does not undo itself. */
export const STRANGER_MS = 5_000;

interface Stranger {
  readonly socket: Socket;
  /** A socket that is cut forgets it. */
  readonly address: string;
  readonly sinceMs: Millis;
}

/** Oldest first. */
type Places = Map<string, Stranger>;

export class Strangers {
  readonly #clock: Clock;
  readonly #all: Places = new Map();
  /** By address; none is kept empty. */
  readonly #from = new Map<string, Places>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Asks of each connection of this server before anything else is done with it. */
  watch(server: Server): void {
    // Other listeners begin TLS and HTTP, so ours must decide before them.
    const begin = server.listeners("connection");
    server.removeAllListeners("connection");
    server.on("connection", (socket: Socket) => {
      if (!this.#admit(socket)) return void socket.destroy();
      for (const listener of begin) Reflect.apply(listener, server, [socket]);
    });
  }

  /** Who this connection is was shown: it counts no more, and may stay. The same connection or the TLS over it. */
  known(socket: Socket): void {
    this.#forget(addressOf(socket), peerOf(socket));
  }

  size(): number {
    return this.#all.size;
  }

  #admit(socket: Socket): boolean {
    const address = addressOf(socket);
    const own: Places = this.#from.get(address) ?? new Map();
    // Among its own the newest counts: whoever shares an address with a flood comes through it.
    if (own.size >= MAX_STRANGERS_EACH) this.#cutOldest(own, 0);
    if (this.#all.size >= MAX_STRANGERS && !this.#cutOldest(this.#all, STRANGER_MS)) return false;
    const peer = peerOf(socket);
    const stranger = { socket, address, sinceMs: this.#clock.monotonicMs() };
    own.set(peer, stranger);
    this.#from.set(address, own);
    this.#all.set(peer, stranger);
    // A later connection may have the same address and port.
    socket.once("close", () => {
      if (this.#all.get(peer) === stranger) this.#forget(address, peer);
    });
    return true;
  }

  /** false: none has been a stranger for so long. */
  #cutOldest(places: Places, leastMs: number): boolean {
    const [oldest] = places;
    if (oldest === undefined) return false;
    const [peer, { socket, address, sinceMs }] = oldest;
    if (this.#clock.monotonicMs() - sinceMs < leastMs) return false;
    this.#forget(address, peer);
    socket.destroy();
    return true;
  }

  #forget(address: string, peer: string): void {
    this.#all.delete(peer);
    const own = this.#from.get(address);
    own?.delete(peer);
    if (own?.size === 0) this.#from.delete(address);
  }
}

const addressOf = ({ remoteAddress }: Socket): string => remoteAddress ?? "";
/** Of two open connections never the same. */
const peerOf = (socket: Socket): string => `${addressOf(socket)} ${socket.remotePort ?? 0}`;
