// Two ends of one connection in memory. Frames arrive at once and in order; what is buffered is set by the test.
import type { Connection, ConnectionHandlers } from "@skerry/shared/protocol/connection.ts";

export interface End extends Connection {
  /** What `bufferedBytes` says. */
  buffered: number;
}

export interface Wire {
  readonly near: End;
  readonly far: End;
  /** false: frames are lost, both ways, and nobody is told. */
  up: boolean;
}

export function wire(): Wire {
  const handlers: { near: ConnectionHandlers | null; far: ConnectionHandlers | null } = { near: null, far: null };
  let open = true;
  const close = (code: number, reason: string): void => {
    if (!open) return;
    open = false;
    handlers.near?.onClose(code, reason);
    handlers.far?.onClose(code, reason);
  };
  const end = (own: "near" | "far", other: "near" | "far"): End => ({
    buffered: 0,
    send(text) {
      if (open && made.up) handlers[other]?.onFrame(text);
    },
    bufferedBytes() {
      return this.buffered;
    },
    close,
    listen(given) {
      handlers[own] = given;
    },
  });
  const made: Wire = { near: end("near", "far"), far: end("far", "near"), up: true };
  return made;
}
