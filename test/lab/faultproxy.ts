// A wire that can be made bad: a proxy for TCP or unix sockets that adds latency, holds back one direction or both,
// slices, slows, resets in mid-message, or refuses. It knows nothing of what it carries. Our own, because the kernels we
// test on have no netem.

import { rm } from "node:fs/promises";
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from "node:net";

export type Place = { readonly host: string; readonly port: number } | { readonly path: string };

/** Which bytes a direction holds: from the client to the target, or back. */
export type Direction = "to-target" | "to-client";

export interface Faults {
  /** Added to every chunk, each way. Order is kept. */
  readonly latencyMs: number;
  /** Bytes are swallowed and the connection stays open: a half-open link. */
  readonly blackhole: "none" | Direction | "both";
  /** New connections are reset at once. */
  readonly refuse: boolean;
  /** Each chunk is passed on in pieces of at most this many bytes; 0: whole. */
  readonly sliceBytes: number;
  /** Each way, for each connection; 0: no limit. */
  readonly bytesPerSecond: number;
  /** A connection is reset after this many bytes in either direction, in mid-message; 0: never. Counts from when it is set. */
  readonly resetAfterBytes: number;
}

const NONE: Faults = {
  latencyMs: 0,
  blackhole: "none",
  refuse: false,
  sliceBytes: 0,
  bytesPerSecond: 0,
  resetAfterBytes: 0,
};

export interface FaultProxy extends AsyncDisposable {
  /** Where it listens; a port of 0 has become the real one. */
  readonly at: Place;
  /** Changes some faults, for connections that are open too. */
  set(faults: Partial<Faults>): void;
  /** No faults any more. What a black hole swallowed stays lost. */
  heal(): void;
  /** Resets every open connection, as a router that forgot them. */
  resetAll(): void;
  readonly connections: number;
  /** Passed on since the start, over all connections. */
  readonly bytes: Readonly<Record<Direction, number>>;
  /** Lost in black holes. */
  readonly swallowed: Readonly<Record<Direction, number>>;
}

export async function startFaultProxy(listen: Place, target: Place): Promise<FaultProxy> {
  let faults: Faults = NONE;
  const bytes: Record<Direction, number> = { "to-target": 0, "to-client": 0 };
  const swallowed: Record<Direction, number> = { "to-target": 0, "to-client": 0 };
  const pairs = new Set<Pair>();

  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (faults.refuse) return reset(client, listen);
    const upstream = connect({ ...place(target), allowHalfOpen: true });
    const pair: Pair = { client, upstream, passed: 0 };
    pairs.add(pair);
    pump(client, upstream, "to-target", pair);
    pump(upstream, client, "to-client", pair);
  });

  function pump(from: Socket, to: Socket, direction: Direction, pair: Pair): void {
    const queue = new Lane((chunk) => write(to, chunk));
    from.on("data", (chunk: Buffer) => {
      if (faults.blackhole === direction || faults.blackhole === "both") {
        swallowed[direction] += chunk.length;
        return;
      }
      bytes[direction] += chunk.length;
      const left = faults.resetAfterBytes === 0 ? chunk.length : Math.max(0, faults.resetAfterBytes - pair.passed);
      pair.passed += chunk.length;
      queue.push(chunk.subarray(0, left), faults);
      if (left < chunk.length) queue.after(() => closePair(pair));
      // The sender is held back while much is waiting, as a slow wire would.
      if (queue.waitingBytes > HIGH_WATER_BYTES) {
        from.pause();
        queue.after(() => from.resume());
      }
    });
    from.on("end", () => {
      // The end of a stream is a packet like any other: a black hole swallows it.
      if (faults.blackhole === "none") queue.after(() => to.end());
    });
    from.on("error", () => closePair(pair));
    from.on("close", () => {
      if (faults.blackhole === "none") queue.after(() => finish(pair));
      else pairs.delete(pair);
    });
  }

  function finish(pair: Pair): void {
    if (pair.client.destroyed) pair.upstream.destroySoon();
    if (pair.upstream.destroyed) pair.client.destroySoon();
    if (pair.client.destroyed && pair.upstream.destroyed) pairs.delete(pair);
  }

  function closePair(pair: Pair): void {
    pairs.delete(pair);
    reset(pair.client, listen);
    reset(pair.upstream, target);
  }

  const at = await bind(server, listen);
  return {
    at,
    bytes,
    swallowed,
    set: (wanted) => {
      faults = { ...faults, ...wanted };
      if (wanted.resetAfterBytes !== undefined) for (const pair of pairs) pair.passed = 0;
    },
    heal: () => {
      faults = NONE;
    },
    resetAll: () => {
      for (const pair of [...pairs]) closePair(pair);
    },
    get connections() {
      return pairs.size;
    },
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const pair of [...pairs]) closePair(pair);
      await closed;
      if ("path" in at) await rm(at.path, { force: true });
    },
  };
}

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  /** Both directions together, for resetAfterBytes. */
  passed: number;
}

/** What may wait in one direction before the sender is held back. */
const HIGH_WATER_BYTES = 256 * 1024;

/** One direction of one connection: chunks leave in order, each when it is due. */
class Lane {
  readonly #send: (chunk: Buffer) => void;
  #tail: Promise<void> = Promise.resolve();
  #due = 0;
  waitingBytes = 0;

  constructor(send: (chunk: Buffer) => void) {
    this.#send = send;
  }

  push(chunk: Buffer, faults: Faults): void {
    const size = faults.sliceBytes > 0 ? faults.sliceBytes : Math.max(1, chunk.length);
    for (let at = 0; at < chunk.length; at += size) this.#piece(chunk.subarray(at, at + size), faults);
  }

  after(next: () => void): void {
    this.#tail = this.#tail.then(next);
  }

  #piece(piece: Buffer, faults: Faults): void {
    const onWire = faults.bytesPerSecond > 0 ? (piece.length / faults.bytesPerSecond) * 1000 : 0;
    const now = performance.now();
    this.#due = Math.max(this.#due, now) + onWire;
    const due = this.#due + faults.latencyMs;
    this.waitingBytes += piece.length;
    this.#tail = this.#tail.then(async () => {
      const wait = due - performance.now();
      // Slices must leave as packets of their own, so each waits for a turn of the event loop at least.
      if (wait > 0 || faults.sliceBytes > 0) await new Promise((resolve) => setTimeout(resolve, Math.max(0, wait)));
      this.waitingBytes -= piece.length;
      this.#send(piece);
    });
  }
}

function write(to: Socket, chunk: Buffer): void {
  if (!to.destroyed && to.writable) to.write(chunk);
}

function reset(socket: Socket, kind: Place): void {
  // A unix socket knows no reset; closing it in mid-message looks the same from the other side.
  if ("path" in kind) socket.destroy();
  else socket.resetAndDestroy();
}

function place(target: Place): NetConnectOpts {
  return "path" in target ? { path: target.path } : { host: target.host, port: target.port };
}

export function bind(server: Server, listen: Place): Promise<Place> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen("path" in listen ? { path: listen.path } : { host: listen.host, port: listen.port }, () => {
      const address = server.address();
      if ("path" in listen) resolve(listen);
      else if (address === null || typeof address === "string") reject(new Error(`no port on ${listen.host}`));
      else resolve({ host: listen.host, port: address.port });
    });
  });
}
