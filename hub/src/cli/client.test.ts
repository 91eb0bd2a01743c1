// An answer that goes on, over a real socket: who reads slowly gets all of it, and a dead link is found out.
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "@skerry/shared/runtime/clock.ts";
import { seededRandom } from "@skerry/shared/runtime/random.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Client, createClient } from "./client.ts";
import type { Io } from "./io.ts";

const server = createServer((_request, response) => {
  response.writeHead(200);
  response.write("first\n");
  answering(response);
});
let answering: (response: ServerResponse) => unknown;
/** Timers that have not been cancelled. */
let due: Set<() => void>;

const clock: Clock = {
  monotonicMs: () => 0,
  wallMs: () => 0,
  setTimer(_delayMs, fire) {
    due.add(fire);
    return { cancel: () => void due.delete(fire) };
  },
};

/** All that was waited for is over. */
function pass(): void {
  for (const fire of [...due]) fire();
}

async function client(): Promise<Client> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  // Of what a command sees, the client needs these alone.
  const io = { clock, random: seededRandom(1) } as Io;
  return createClient({ url: `http://127.0.0.1:${port}`, token: "t", pin: null }, io);
}

beforeEach(() => {
  due = new Set();
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test("[U32] who reads slowly, as in a pager, gets the whole of a stream", async () => {
  answering = (response) => setTimeout(() => response.end("second\n"), 50);
  const lines: string[] = [];
  for await (const line of (await client()).lines("getLogs", {}, {}, { app: "shop" })) {
    lines.push(line);
    // He looks at it for longer than any silence may last.
    pass();
  }
  expect(lines).toEqual(["first", "second"]);
});

test("[U32] a stream on which nothing comes is given up, with words", async () => {
  answering = () => undefined;
  const read = async (): Promise<void> => {
    for await (const line of (await client()).lines("getLogs", {}, {}, { app: "shop" })) {
      expect(line).toBe("first");
      // The hub goes away without a word.
      setTimeout(pass, 50);
    }
  };
  await expect(read()).rejects.toThrow("broke the connection off");
});
