// What binds a node's signature to the TLS connection that carries it: RFC 9266's "tls-exporter" (RFC 5705, RFC 8446 7.5). Both ends work it
// out and nobody else can, so a signature that was made on one connection is worth nothing on another.
import type { TLSSocket } from "node:tls";

const LABEL = "EXPORTER-Channel-Binding";
const BYTES = 32;

/** 64 hex digits. The handshake is done. */
export const tlsBinding = (socket: TLSSocket): string =>
  socket.exportKeyingMaterial(BYTES, LABEL, Buffer.alloc(0)).toString("hex");
