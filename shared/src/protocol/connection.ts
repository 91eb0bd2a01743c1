// One open two-way text channel: a websocket in production, a simulated wire in the simulator. Both ends see the same shape.

export interface Connection {
  /** What binds a signature to this very connection, see binding.ts. Absent where TLS does not end at both sides. */
  readonly binding?: string;
  /** Queues a frame. Never throws; on a closed connection it does nothing. */
  send(text: string): void;
  /** Bytes queued and not yet handed to the system: for cutting off a peer that does not read. */
  bufferedBytes(): number;
  close(code: number, reason: string): void;
  /** The peer has shown who it is: from here on it may send all that the protocol allows. Only a hub holds it to less before. */
  trust?(): void;
  /** Set once, before the first frame can arrive. */
  listen(handlers: ConnectionHandlers): void;
}

export interface ConnectionHandlers {
  onFrame(text: string): void;
  /** Called exactly once, also after our own close(). */
  onClose(code: number, reason: string): void;
}
