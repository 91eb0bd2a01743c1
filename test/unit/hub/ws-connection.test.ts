// The agents' websocket on a real HTTP server: what is refused at the upgrade, the limits, and a Connection's promises.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Connection } from "@skerry/shared/protocol/connection.ts";
import { MAX_FRAME_TO_HUB_BYTES } from "@skerry/shared/protocol/version.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { MAX_BYTES_BEFORE_HELLO } from "../../../hub/src/link/limits.ts";
import { AGENT_PATH, attachUpgrade, type Upgrades } from "../../../hub/src/link/ws-connection.ts";
import { until } from "../../lab/wait.ts";

interface Attached {
  readonly connection: Connection;
  readonly frames: string[];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
}

let server: Server;
let upgrades: Upgrades;
let attached: Attached[];
let url: string;
let full: boolean;
let known: unknown[];

beforeEach(async () => {
  attached = [];
  server = createServer((_request, response) => response.end("http"));
  full = false;
  const link = { attach: (connection: Connection) => void attached.push(listenTo(connection)), isFull: () => full };
  known = [];
  upgrades = attachUpgrade(server, link, null, ({ remotePort }) => known.push(remotePort));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // A TCP server's address is an AddressInfo.
  url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  upgrades.close();
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
});

function listenTo(connection: Connection): Attached {
  const frames: string[] = [];
  const { promise: closed, resolve } = Promise.withResolvers<{ code: number; reason: string }>();
  connection.listen({ onFrame: (text) => frames.push(text), onClose: (code, reason) => resolve({ code, reason }) });
  return { connection, frames, closed };
}

async function open(path = AGENT_PATH, options: { readonly origin?: string } = {}): Promise<WebSocket> {
  const socket = new WebSocket(`${url}${path}`, { perMessageDeflate: true, ...options });
  await once(socket, "open");
  return socket;
}

const only = (): Attached => {
  const [first] = attached;
  if (first === undefined || attached.length !== 1) throw new Error(`${attached.length} connections`);
  return first;
};

test("[L60] frames go both ways, uncompressed also when the peer offers compression", async () => {
  const socket = await open();
  expect(socket.extensions).toBe("");
  socket.send("héllo");
  const answer = once(socket, "message");
  const { connection, frames } = only();
  connection.send("wélcome");
  expect(String((await answer)[0])).toBe("wélcome");
  socket.close(4999, "bye");
  expect(await only().closed).toEqual({ code: 4999, reason: "bye" });
  expect(frames).toEqual(["héllo"]);
});

test("[L60] our close carries its code, and a reason of any length is cut between characters", async () => {
  const socket = await open();
  const closed = once(socket, "close");
  only().connection.close(4401, "ü".repeat(200));
  const [code, reason] = await closed;
  expect(code).toBe(4401);
  expect(String(reason)).toBe("ü".repeat(61));
  only().connection.send("into the void");
});

test.each([
  ["another path", "/v1/other", {}, 404],
  ["a browser's page", AGENT_PATH, { origin: "https://evil.example" }, 403],
])("[L61] an upgrade from %s is refused", async (_what, path, options, status) => {
  const socket = new WebSocket(`${url}${path}`, options);
  const [error] = await once(socket, "error");
  expect(String(error)).toContain(String(status));
  expect(attached).toEqual([]);
});

test("[L61] a query on the path is no other path", async () => {
  const socket = await open(`${AGENT_PATH}?x=1`);
  expect(attached).toHaveLength(1);
  socket.terminate();
});

test("[L87] who has not shown who he is may send a hello and no more", async () => {
  const part = "x".repeat(MAX_BYTES_BEFORE_HELLO / 2);
  const socket = await open();
  const closed = once(socket, "close");
  // Of a message that never ends nothing is kept.
  for (let count = 0; count < 4; count += 1) socket.send(part, { fin: false });
  await closed;
  expect(only().frames).toEqual([]);
  attached = [];
  const known = await open();
  only().connection.trust?.();
  known.send(part.repeat(8));
  await until("it is read", () => only().frames.length === 1, 5_000);
  known.terminate();
});

test("[L88] a hub that is full refuses before the handshake", async () => {
  full = true;
  const socket = new WebSocket(`${url}${AGENT_PATH}`);
  const [error] = await once(socket, "error");
  expect(String(error)).toContain("503");
  expect(attached).toEqual([]);
});

test("[L62] a frame over the limit ends the connection before it is read", async () => {
  const socket = await open();
  only().connection.trust?.();
  const closed = once(socket, "close");
  socket.send("x".repeat(MAX_FRAME_TO_HUB_BYTES + 1));
  expect((await closed)[0]).toBe(1009);
  await only().closed;
  expect(only().frames).toEqual([]);
});

test("[L62] a frame in very many pieces ends the connection", async () => {
  const socket = await open();
  const closed = once(socket, "close");
  for (let piece = 0; piece < 70; piece += 1) socket.send("x", { fin: false });
  await closed;
  await only().closed;
  expect(only().frames).toEqual([]);
});

test("[L371] a frame that comes in very many small pieces of the wire ends the connection (H05)", async () => {
  const socket = await open();
  only().connection.trust?.();
  const closed = once(socket, "close");
  // ws keeps the socket below it to itself.
  const { _socket: wire } = socket as unknown as { readonly _socket: Socket };
  wire.setNoDelay(true);
  // A masked text frame of a megabyte, of which a byte comes at a time.
  wire.write(Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0x0f, 0, 0, 0, 0, 0, 0]));
  for (let sent = 0; sent < 20_000 && socket.readyState === socket.OPEN; sent += 1) {
    wire.write("x");
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect((await closed)[0]).toBe(1008);
  expect(only().frames).toEqual([]);
});

test("[L62] binary frames are not spoken", async () => {
  const socket = await open();
  const closed = once(socket, "close");
  socket.send(Buffer.from("hello"), { binary: true });
  expect((await closed)[0]).toBe(1003);
  expect(only().frames).toEqual([]);
});

test("[L63] a peer that vanishes is seen as closed", async () => {
  const socket = await open();
  socket.terminate();
  expect((await only().closed).code).toBe(1006);
  expect(upgrades.open()).toBe(0);
});

test("[L63] bytes that are no websocket do not disturb the server", async () => {
  const port = Number(new URL(url).port);
  const raw = connect(port, "127.0.0.1");
  await once(raw, "connect");
  const ended = once(raw, "close");
  raw.write(`GET ${AGENT_PATH} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
  raw.resume();
  await ended;
  const socket = await open();
  expect(attached).toHaveLength(1);
  socket.terminate();
});

test("[L373] a connection is told to be known when its node has shown who it is, and not before", async () => {
  const socket = await open();
  await until("it is attached", () => attached.length === 1, 5_000);
  expect(known).toEqual([]);
  only().connection.trust?.();
  expect(known).toEqual([expect.any(Number)]);
  socket.terminate();
});
