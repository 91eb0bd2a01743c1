// This node's stream sockets, as the rest of the agent sees them. At rest it holds a set and nothing else: what serves a stream is
// loaded when the hub, or a person on this machine, first asks.
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { Identity } from "../ledger/ledger.ts";
import type { OpenHubSocket } from "../link/hub-socket.ts";
import type { LogParts } from "./logs.ts";

/** The hub needs one; a second stands while the first is being closed. */
export const MAX_SOCKETS = 2;
/** People on this machine who look at once. */
const MAX_LOCAL = 4;

/** What the link tells: the hub asks for a stream socket, the hub is gone. */
export interface Streams {
  open(ticket: string): void;
  closeAll(): void;
}

/** `identity`: asked at each dial, for the hub's keys may change. */
export function createStreams(
  parts: LogParts & { readonly log: Log; readonly open: OpenHubSocket },
  identity: () => Identity,
): Streams {
  const open = new Set<{ close(): void }>();
  return {
    open(ticket) {
      // The hub asks when it has none: the oldest is on its way out, and the hub would wait in vain for a new one that is refused.
      for (const one of [...open].slice(0, Math.max(0, open.size + 1 - MAX_SOCKETS))) {
        one.close();
        open.delete(one);
      }
      // Has its place from now on, and can be called off while the code that dials is being loaded.
      const loading = { close: () => void open.delete(loading) };
      open.add(loading);
      void import("./dial.ts").then(({ dialStreams }) => {
        if (!open.delete(loading)) return;
        const one = dialStreams(parts, identity(), ticket, () => void open.delete(one));
        open.add(one);
      });
    },
    closeAll() {
      for (const one of [...open]) one.close();
    },
  };
}

/** Shorter than the socket of `agent status`, whose length is checked. */
export const streamsSocket = (dataDir: string): string => join(dataDir, "look.sock");

/** The same streams for the owner of this machine, also without a hub: `skerry agent logs`. Resolves when it listens. */
export async function listenLocally(dataDir: string, parts: () => LogParts | null): Promise<{ stop(): Promise<void> }> {
  const path = streamsSocket(dataDir);
  const sockets = new Set<Socket>();
  rmSync(path, { force: true });
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    const ready = parts();
    if (ready === null) {
      socket.destroy();
      return;
    }
    void import("./router.ts").then(({ serveStreams }) => serveStreams(ready, socket, () => undefined));
  });
  server.maxConnections = MAX_LOCAL;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
  chmodSync(path, 0o600);
  return {
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
