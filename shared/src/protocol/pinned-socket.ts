// A TLS connection to a server that is known by its pin alone. It is handed over only after the handshake and the check of the key: not a byte
// of what is to be said goes out before. TLS 1.3 or nothing; names, authorities and dates in the certificate do not count.
import type { SecureContext, TLSSocket } from "node:tls";
import { pinOf } from "./pin.ts";

/** The server's key is none of the pinned ones. `found`: its pin. */
export class WrongKeyError extends Error {
  override name = "WrongKeyError";
  readonly found: string;
  constructor(found: string) {
    super(`the server's key is not the pinned one; its pin is ${found}`);
    this.found = found;
  }
}

export interface PinnedAddress {
  readonly host: string;
  readonly port: number;
  readonly pins: readonly string[];
  /** Of this machine; absent: the system chooses. */
  readonly localAddress?: string;
}

export interface PinnedSocket {
  readonly socket: TLSSocket;
  /** The server's. */
  readonly pin: string;
}

/** node:tls costs a process 2.5 MB: loaded at the first connection. */
const tls = () => process.getBuiltinModule("node:tls");

/** To be made once for all connections. An own, empty list of authorities keeps Node's 150 from being read: they are several MB. */
export const pinnedContext = (): SecureContext => tls().createSecureContext({ ca: [], minVersion: "TLSv1.3" });

/** Rejects with WrongKeyError or what the system says, and then leaves nothing open. */
export function connectPinned(
  { host, port, pins, localAddress }: PinnedAddress,
  secureContext: SecureContext,
  deadlineMs: number,
): Promise<PinnedSocket> {
  const isName = process.getBuiltinModule("node:net").isIP(host) === 0;
  const socket = tls().connect({
    ...{ host, port, secureContext },
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(isName ? { servername: host } : {}),
    minVersion: "TLSv1.3",
    // The pin is checked below, by us; that the server holds the key is proven by the handshake itself.
    rejectUnauthorized: false,
  });
  return new Promise((resolve, reject) => {
    // Node's own listeners stay: one of them frees what TLS holds.
    const letGo = (): void => {
      socket.off("error", fail).off("close", closed).off("timeout", late).off("secureConnect", shaken);
      socket.setTimeout(0);
    };
    const fail = (error: Error): void => {
      letGo();
      socket.on("error", () => undefined);
      socket.destroy();
      reject(error);
    };
    const late = (): void => fail(new Error("the handshake timed out"));
    const closed = (): void => fail(new Error("the connection was closed in the handshake"));
    const shaken = (): void => {
      const pin = pinOfPeer(socket);
      if (!pins.includes(pin)) return fail(new WrongKeyError(pin));
      letGo();
      resolve({ socket, pin });
    };
    socket.setTimeout(deadlineMs);
    socket.once("error", fail).once("close", closed).once("timeout", late).once("secureConnect", shaken);
  });
}

/** "": it showed no certificate, which is nobody's pin. */
function pinOfPeer(socket: TLSSocket): string {
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? "" : pinOf(certificate.publicKey);
}
