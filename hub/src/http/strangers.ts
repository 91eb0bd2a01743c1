// Connections of which nobody has shown who he is, from the first packet on: no handshake yet, no request, no hello. They cost as much memory as
// those of nodes, and whoever wants can open them: so they have far fewer places, and who keeps one for long gives way. It knows no names.
import type { Server, Socket } from "node:net";
import type { Clock, Millis } from "@skerry/shared/runtime/clock.ts";

/** About 64 KB each with TLS, 130 MB in all. As many as may wait for hello: a whole fleet's return goes through in turns of that. */
export const MAX_STRANGERS = 2_000;
/** Of them those of one address: a quarter, as of those that wait for hello. */
export const MAX_STRANGERS_EACH = 500;
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
    if (own.size >= MAX_STRANGERS_EACH && !this.#makeRoom(own)) return false;
    if (this.#all.size >= MAX_STRANGERS && !this.#makeRoom(this.#all)) return false;
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

  /** Cuts the one that has been a stranger for longest, if that is long. */
  #makeRoom(places: Places): boolean {
    for (const [peer, { socket, address, sinceMs }] of places) {
      if (this.#clock.monotonicMs() - sinceMs < STRANGER_MS) return false;
      this.#forget(address, peer);
      socket.destroy();
      return true;
    }
    return false;
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
