// A connection to the hub that is known to be the hub's before a byte is said on it: by the pin that came with the join token. A hub without
// TLS is spoken with on this very machine only. Everything that this agent says to a hub goes through here.
import { connect, type Socket } from "node:net";
import { tlsBinding } from "@skerry/shared/protocol/binding.ts";
import { connectPinned, pinnedContext, WrongKeyError } from "@skerry/shared/protocol/pinned-socket.ts";
import type { Identity } from "../ledger/ledger.ts";
import { DialError } from "./failure.ts";
import { isLoopback, networkFailure } from "./network-failure.ts";

/** Where the hub is, and which keys it may have; no pins: it has no TLS. */
export type HubAddress = Pick<Identity, "hubUrl" | "pins">;

export interface HubSocket {
  readonly socket: Socket;
  /** See protocol/binding; null: no TLS. */
  readonly binding: string | null;
}

/** Rejects with DialError. */
export type OpenHubSocket = (hub: HubAddress, deadlineMs: number) => Promise<HubSocket>;

/** Ports of addresses that name none. */
const DEFAULT_PORT = { "https:": 443, "http:": 80 } as const;

export function hubSockets(): OpenHubSocket {
  let context: ReturnType<typeof pinnedContext> | null = null;
  return async (hub, deadlineMs) => {
    const url = new URL(hub.hubUrl);
    const refusal = addressProblem(hub);
    if (refusal !== null) throw new DialError({ kind: "wrong-key", message: refusal });
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const isSecure = url.protocol === "https:";
    const port = Number(url.port) || DEFAULT_PORT[isSecure ? "https:" : "http:"];
    try {
      if (!isSecure) return { socket: await connectPlain(host, port, deadlineMs), binding: null };
      context ??= pinnedContext();
      const { socket } = await connectPinned({ host, port, pins: hub.pins }, context, deadlineMs);
      return { socket, binding: tlsBinding(socket) };
    } catch (error) {
      throw new DialError(failureOf(hub.hubUrl, error), { cause: error });
    }
  };
}

/** null: it may be dialled. */
export function addressProblem({ hubUrl, pins }: HubAddress): string | null {
  const url = new URL(hubUrl);
  if (url.protocol === "https:") {
    if (pins.length > 0) return null;
    return `this node knows no key of the hub at ${hubUrl}, because it joined a hub without TLS: give it a new join token of that hub`;
  }
  if (pins.length > 0) {
    return `the address ${hubUrl} is without TLS, and this node's hub has a key: give its https:// address with --hub`;
  }
  if (isLoopback(url.hostname)) return null;
  return `the address ${hubUrl} is without TLS, which is allowed to a hub on this very machine only: give an https:// address, and a join token of that hub`;
}

function failureOf(hubUrl: string, error: unknown): DialError["failure"] {
  if (!(error instanceof WrongKeyError)) return networkFailure(hubUrl, error);
  return {
    kind: "wrong-key",
    message: `wrong server at ${hubUrl}: its key is not the pinned one (it is ${error.found.slice(0, 16)}…). A proxy or a sign-in page stands in between, or the hub's key was replaced; nothing was sent to it. If it was replaced, give this node a new join token`,
  };
}

function connectPlain(host: string, port: number, deadlineMs: number): Promise<Socket> {
  const socket = connect({ host, port });
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(deadlineMs, () => fail(new Error("the connection timed out")));
    socket.once("error", fail);
    socket.once("connect", () => {
      socket.removeListener("error", fail);
      socket.setTimeout(0);
      socket.removeAllListeners("timeout");
      resolve(socket);
    });
  });
}
