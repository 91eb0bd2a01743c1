// A unix socket in the agent's own folder that answers with one JSON document and closes: how `skerry agent status` on the node asks a
// running agent. It takes no orders and reads no input; whoever may open the socket is root or the agent's own user.
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";

/** People and scripts ask now and then; more at once is a mistake. */
const MAX_ASKING = 8;

export const controlSocket = (dataDir: string): string => join(dataDir, "agent.sock");

/** `answer` is called for each that asks. Resolves when it listens. */
export async function startControl(dataDir: string, answer: () => unknown): Promise<{ stop(): Promise<void> }> {
  const path = controlSocket(dataDir);
  // The ledger's lock says that no other agent runs in this folder: a socket here is one that a killed agent left.
  rmSync(path, { force: true });
  const server = createServer((socket) => reply(socket, answer));
  server.maxConnections = MAX_ASKING;
  await listening(server, path);
  chmodSync(path, 0o600);
  return { stop: () => new Promise((resolve) => server.close(() => resolve())) };
}

function reply(socket: Socket, answer: () => unknown): void {
  socket.on("error", () => undefined);
  socket.end(`${JSON.stringify(answer())}\n`);
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}
