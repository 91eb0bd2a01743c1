// A websocket as a duplex of bytes, for HTTP/2. It never ends on the reading side: it is whole, or it is destroyed. Node's HTTP/2 over a
// stream that is no socket asserts, and so ends the process, when it writes its farewell after an end that it answered with its own.
import { Duplex } from "node:stream";

/** What this needs of a `ws` socket. */
export interface RawSocket {
  on(event: "message", listener: (data: unknown) => void): unknown;
  on(event: "close" | "error", listener: () => void): unknown;
  send(data: Buffer, options: { binary: true }, done: (error?: Error | null) => void): void;
  pause(): void;
  resume(): void;
  terminate(): void;
}

/** The websocket is open. A slow reader of the duplex pauses the websocket; a slow peer holds `write` back. */
export function socketDuplex(socket: RawSocket): Duplex {
  const duplex = new Duplex({
    read: () => socket.resume(),
    write: (chunk: Buffer, _encoding, done) => socket.send(chunk, { binary: true }, (error) => done(error ?? null)),
    // HTTP/2 has said all that it had to; the other side sees the socket end.
    final(done) {
      done();
      socket.terminate();
    },
    destroy(error, done) {
      socket.terminate();
      done(error);
    },
  });
  socket.on("message", (data) => {
    if (duplex.destroyed) return;
    const isRoomLeft = Buffer.isBuffer(data) ? duplex.push(data) : true;
    if (!isRoomLeft) socket.pause();
  });
  socket.on("error", () => duplex.destroy());
  socket.on("close", () => duplex.destroy());
  return duplex;
}
