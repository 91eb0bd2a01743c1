// The stream socket between a real agent side and a real hub side, over real sockets: who is let in, that what nobody reads is not read,
// that one slow reader holds up no other, and that nothing stands when nobody looks.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { Engine, LogLine } from "@skerry/agent/engine/engine.ts";
import { containerLabels, labelKey } from "@skerry/agent/engine/labels.ts";
import { hubSockets } from "@skerry/agent/link/hub-socket.ts";
import {
  createStreams,
  listenLocally,
  MAX_SOCKETS,
  type Streams,
  streamsSocket,
} from "@skerry/agent/streams/streams.ts";
import { readLogs } from "@skerry/hub/link/logs.ts";
import { MAX_STREAM_SOCKETS, NodeStreams, PING_MS } from "@skerry/hub/link/streams.ts";
import { attachUpgrade, type Upgrades } from "@skerry/hub/link/ws-connection.ts";
import type { InstallationId, NodeId, SpecHash, WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadParts } from "@skerry/shared/model/names.ts";
import { streamText } from "@skerry/shared/protocol/proof.ts";
import {
  LOG_END,
  type LogAsk,
  type LogItem,
  logAskSchema,
  MAX_LOG_CHARACTERS_PER_SECOND,
  MAX_LOG_ITEM_CHARACTERS,
  MAX_LOG_LINE_CHARACTERS,
  MAX_LOG_TAIL,
  MAX_STREAM_MESSAGE_BYTES,
  MAX_STREAMS_PER_NODE,
  STREAM_HEADER,
  STREAM_IDLE_MS,
  TICKET_LIFE_MS,
} from "@skerry/shared/protocol/streams.ts";
import { type Clock, systemClock } from "@skerry/shared/runtime/clock.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import { silentLog } from "@skerry/shared/runtime/log.ts";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { publicKeyOf, signText } from "@skerry/shared/runtime/signature.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";

const NODE = "n0123456789abcdef" as NodeId;
const INSTALLATION = "i0123456789abcdef" as InstallationId;
const KEY = "c".repeat(64);
const HASH = sha256Hex("a spec") as SpecHash;
const ID = "shop/web/1" as WorkloadId;
const ASK: LogAsk = { workload: ID, follow: false, tail: null, sinceMs: null, after: null };
const AT = "2026-11-21T12:00:00.000000000Z";

let server: Server;
let upgrades: Upgrades;
let streams: NodeStreams;
let agent: Streams;
let tickets: string[];
let answers: boolean;
/** Timers of the hub side that fire only when the test says so: idle, tickets, pings. */
let due: { readonly delayMs: number; readonly fire: () => void; live: boolean }[];
/** Lines that the engine was asked for. */
let given: number;
let lines: () => Iterable<LogLine>;

const held: Clock = {
  ...systemClock,
  setTimer(delayMs, fire) {
    const one = { delayMs, fire, live: true };
    due.push(one);
    return {
      cancel: () => {
        one.live = false;
      },
    };
  },
};
function pass(delayMs: number): void {
  for (const one of due.splice(0)) {
    if (one.delayMs !== delayMs) due.push(one);
    else if (one.live) one.fire();
  }
}

function identity(hubUrl: string) {
  return {
    ...{ node: NODE, name: "pi-1" as never, privateKey: KEY, hubUrl },
    hubKey: null,
    mark: null,
    ...{ nextKey: null, keyStep: 0, labelSecret: null, formerBoxKeys: [] },
    ...({ installation: INSTALLATION, pins: [], binding: "none", tokens: [] } as const),
  };
}

/** Of the engine only what logs need is there. */
function engine(): Engine {
  const { app, service, slot } = workloadParts(ID);
  const workload = { id: ID, app, service, slot, revision: 1, specHash: HASH, fencingToken: 0 };
  const labels = containerLabels(labelKey(identity("")), workload, "shop-web-1", "");
  const parts: Partial<Engine> = {
    listContainers: async () => [
      {
        ...{ id: "c1", name: "shop-web-1", status: "exited", labels, imageId: "", networks: [], endpoints: [] },
        health: "none",
        publishedPorts: [],
      },
    ],
    inspectContainer: async () => ({ id: "c1", startedAt: "a", status: "exited" }) as never,
    async *logs() {
      for (const line of lines()) {
        given += 1;
        yield line;
      }
    },
  };
  return parts as Engine;
}

const line = (text: string): LogLine => ({ stream: "stdout", at: AT, text, more: false });

beforeEach(async () => {
  [tickets, answers, due, given] = [[], true, [], 0];
  lines = () => [line("one"), line("two")];
  streams = new NodeStreams({
    ...{ clock: held, random: systemRandom, log: silentLog },
    installation: INSTALLATION,
    publicKeys: (node) => (node === NODE ? [publicKeyOf(KEY)] : []),
    ask(_node, ticket) {
      tickets.push(ticket);
      if (answers) agent.open(ticket);
      return true;
    },
  });
  server = createServer((_request, response) => response.end());
  upgrades = attachUpgrade(server, { attach: () => undefined, isFull: () => false }, streams);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  agent = agentSide();
});
afterEach(async () => {
  streams.stop();
  agent.closeAll();
  upgrades.close();
  server.closeAllConnections();
  server.close();
  await once(server, "close");
});

/** Of one that dials this test's hub, or another server. */
function agentSide({ clock = systemClock, log = silentLog, port = portOf(server) } = {}): Streams {
  const of = identity(`http://127.0.0.1:${port}`);
  return createStreams({ clock, engine: engine(), key: labelKey(of), log, open: hubSockets() }, () => of);
}
const portOf = (one: { address(): unknown }): number => (one.address() as AddressInfo).port;

async function read(ask: LogAsk = ASK): Promise<LogItem[]> {
  const items: LogItem[] = [];
  for await (const item of readLogs(streams, NODE, ask, new AbortController().signal)) items.push(item);
  return items;
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let looks = 0; looks < 500; looks++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`not in time: ${what}`);
}

const streamsUrl = (): string => `ws://127.0.0.1:${portOf(server)}/v1/agent/streams`;

/** The HTTP status of a dial that is refused, or 101. */
function dial(headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(streamsUrl(), { headers });
  return new Promise((resolve) => {
    socket.on("error", () => undefined);
    socket.once("unexpected-response", (request, response) => {
      request.destroy();
      resolve(response.statusCode ?? 0);
    });
    socket.once("open", () => {
      socket.terminate();
      resolve(101);
    });
  });
}
const proofs = (key: string, ticket: string, node: NodeId = NODE) => ({
  [STREAM_HEADER.node]: node,
  [STREAM_HEADER.proof]: signText(key, streamText({ installation: INSTALLATION, node }, ticket, null)),
});

test("[L75] the agent dials when it is asked, and several looks share one socket", async () => {
  expect(await read()).toMatchObject([
    { kind: "line", text: "one" },
    { kind: "line", text: "two" },
  ]);
  expect(await read()).toHaveLength(2);
  expect(tickets).toHaveLength(1);
  expect(streams.sockets()).toBe(1);
});

test("[L76] without the ticket, with another node's, or with another key nobody comes in, and a ticket is good once", async () => {
  answers = false;
  expect(await dial(proofs(KEY, ""))).toBe(403);
  const reading = read();
  await until("it was asked", () => tickets.length === 1);
  const [ticket = ""] = tickets;
  expect(await dial({})).toBe(403);
  expect(await dial(proofs(KEY, "0".repeat(ticket.length)))).toBe(403);
  expect(await dial(proofs("d".repeat(64), ticket))).toBe(403);
  expect(await dial(proofs(KEY, ticket, "nffffffffffffffff" as NodeId))).toBe(403);
  agent.open(ticket);
  expect(await reading).toHaveLength(2);
  expect(await dial(proofs(KEY, ticket))).toBe(403);
});

test("[L76] a ticket that nobody shows in time is gone, and who waited is told", async () => {
  answers = false;
  const reading = read();
  await until("it was asked", () => tickets.length === 1);
  pass(TICKET_LIFE_MS);
  await expect(reading).rejects.toThrow("does not answer");
  expect(await dial(proofs(KEY, tickets[0] ?? ""))).toBe(403);
});

test("[L77] a socket that nobody looks through is closed", async () => {
  await read();
  await until("it is idle", () => due.some(({ delayMs, live }) => live && delayMs === STREAM_IDLE_MS));
  pass(STREAM_IDLE_MS);
  await until("it is closed", () => streams.sockets() === 0);
  expect(await read()).toHaveLength(2);
  expect(tickets).toHaveLength(2);
});

test("[L77] it ends with the node's control connection, and who was reading is told", async () => {
  lines = function* () {
    for (;;) yield line("x".repeat(10_000));
  };
  const reading = read();
  await until("it reads", () => given > 10);
  streams.drop(NODE);
  await expect(reading).rejects.toThrow("broke off");
});

test("[L78] whichever side breaks off in the middle of whatever, both processes live on", async () => {
  lines = function* () {
    for (;;) yield line("z".repeat(5_000));
  };
  for (let round = 0; round < 9; round++) {
    const reading = read();
    const from = given;
    await until("it reads", () => given > from + (round % 5));
    if (round % 3 === 0) agent.closeAll();
    else if (round % 3 === 1) streams.drop(NODE);
    else {
      const [, session] = await Promise.all([Promise.resolve(), streams.get(NODE, "/logs")]);
      session.session?.close();
      agent.closeAll();
    }
    await expect(reading).rejects.toThrow();
  }
  lines = () => [line("one")];
  expect(await read()).toHaveLength(1);
});

test("[K83] a stream socket that the hub asks for is dialled however many are still being closed, and takes the place of the oldest", async () => {
  answers = false;
  for (let round = 0; round < MAX_SOCKETS + 2; round += 1) agent.open("0".repeat(64));
  answers = true;
  expect(await read()).toHaveLength(2);
});

test("[K39] what nobody reads is not read from the engine, and one who does not read holds up nobody else", async () => {
  lines = function* () {
    for (let n = 0; n < 100_000; n++) yield line("x".repeat(1_000));
  };
  const stop = new AbortController();
  const slow = readLogs(streams, NODE, ASK, stop.signal);
  await slow.next();
  await untilStill();
  expect(given).toBeLessThan(2_000);
  lines = () => [line("one"), line("two")];
  expect(await read()).toHaveLength(2);
  stop.abort();
  await slow.return(undefined);
});

test("[K40] a followed log that outruns every reader is thinned, and the count is told", async () => {
  lines = function* () {
    for (let n = 0; n < 5_000; n++) yield line("y".repeat(1_000));
  };
  const stop = new AbortController();
  let [seen, skipped] = [0, 0];
  for await (const item of readLogs(streams, NODE, { ...ASK, follow: true }, stop.signal)) {
    if (item.kind === "line") seen += 1;
    if (item.kind === "skipped") skipped += item.lines;
    if (seen + skipped === 5_000) stop.abort();
  }
  expect(skipped).toBeGreaterThan(0);
  expect(seen).toBeLessThan(5_000);
});

test("[K41] a path or a question that it does not know is refused, and the connection stands", async () => {
  for (const path of ["/etc/passwd", "/logs", "/logs?ask=%7B%7D"]) {
    const stream = await streams.get(NODE, path);
    const [headers] = await once(stream, "response");
    expect(headers[":status"]).toBeGreaterThanOrEqual(400);
    stream.resume();
    await once(stream, "close");
  }
  expect(await read()).toHaveLength(2);
});

test.each(["//", "//[", "/\\"])(
  "[K41] a path that is none, %s, is refused on its stream, and the others go on",
  async (path) => {
    const stream = await streams.get(NODE, path);
    const [headers] = await once(stream, "response");
    expect(headers[":status"]).toBe(404);
    stream.resume();
    expect((await read()).map((item) => item.kind)).toEqual(["line", "line"]);
  },
);

// ---- limits

const askPath = (ask: LogAsk = ASK): string => `/logs?ask=${encodeURIComponent(JSON.stringify(ask))}`;
const endless = function* (): Generator<LogLine> {
  for (;;) yield line("x".repeat(1_000));
};
/** Until the engine is read no further: what fits into the windows and buffers in between. */
async function untilStill(): Promise<void> {
  let before = -1;
  await until("the engine is not read any further", () => {
    const still = given === before;
    before = given;
    return still && given > 10;
  });
}

/** A socket that was let in for the node, of somebody who never says a word of HTTP/2. */
async function mute(): Promise<{ socket: WebSocket; reading: Promise<LogItem[]> }> {
  answers = false;
  const reading = read();
  reading.catch(() => undefined);
  await until("it was asked", () => tickets.length === 1);
  const socket = new WebSocket(streamsUrl(), { headers: proofs(KEY, tickets[0] ?? "") });
  socket.on("error", () => undefined);
  await once(socket, "open");
  await until("it was let in", () => streams.sockets() === 1);
  return { socket, reading };
}

test("[L79] one node has so many streams at once and no more; readers that stand still hold up none of the others", async () => {
  lines = endless;
  const open = [];
  for (let count = 1; count < MAX_STREAMS_PER_NODE; count += 1) open.push(await streams.get(NODE, askPath()));
  await untilStill();
  lines = () => [line("one"), line("two")];
  expect(await read()).toHaveLength(2);
  const last = await streams.get(NODE, askPath());
  await expect(streams.get(NODE, askPath())).rejects.toThrow(`is looked at by ${MAX_STREAMS_PER_NODE} streams already`);
  expect(last.session?.remoteSettings.maxConcurrentStreams).toBe(MAX_STREAMS_PER_NODE);
  open[0]?.destroy();
  await until("there is room", async () => {
    const next = await streams.get(NODE, askPath()).catch(() => null);
    next?.destroy();
    return next !== null;
  });
});

test("[L79] a hub looks at so many nodes at once and no more", async () => {
  answers = false;
  const waiting = [];
  for (let count = 0; count < MAX_STREAM_SOCKETS; count += 1) {
    const one = streams.get(`n${count.toString(16).padStart(16, "0")}` as NodeId, "/logs");
    one.catch(() => undefined);
    waiting.push(one);
  }
  expect(tickets).toHaveLength(MAX_STREAM_SOCKETS);
  await expect(streams.get("nffffffffffffffff" as NodeId, "/logs")).rejects.toThrow("too many nodes");
  expect(tickets).toHaveLength(MAX_STREAM_SOCKETS);
  pass(TICKET_LIFE_MS);
  await expect(waiting[0]).rejects.toThrow("does not answer");
  // Their places are free again.
  answers = true;
  expect(await read()).toHaveLength(2);
});

test("[L80] a socket whose other end does not answer is broken off, one that answers stands", async () => {
  await read();
  const pings = (): readonly boolean[] => due.filter(({ delayMs }) => delayMs === PING_MS).map(({ live }) => live);
  for (let round = 0; round < 3; round += 1) {
    pass(PING_MS);
    // The deadline of its answer is called off, and the next one is set.
    await until("it was answered", () => pings().join() === "false,true");
  }
  expect(streams.sockets()).toBe(1);
  streams.drop(NODE);
  await until("it is gone", () => streams.sockets() === 0);
  [tickets, due] = [[], []];
  const { socket, reading } = await mute();
  pass(PING_MS);
  expect(streams.sockets()).toBe(1);
  pass(PING_MS);
  await expect(reading).rejects.toThrow("broke off");
  await until("it is gone", () => streams.sockets() === 0);
  socket.terminate();
});

test("[L81] a message over the limit ends the socket on either side", async () => {
  const { socket, reading } = await mute();
  const [closed] = await Promise.all([once(socket, "close"), socket.send(Buffer.alloc(MAX_STREAM_MESSAGE_BYTES + 1))]);
  expect(closed[0]).toBe(1009);
  await expect(reading).rejects.toThrow("broke off");
  const hub = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(hub, "listening");
  const dialled = agentSide({ port: portOf(hub) });
  const ended = new Promise<number>((resolve) => {
    hub.on("connection", (other) => {
      other.on("error", () => undefined);
      other.once("close", resolve);
      other.send(Buffer.alloc(MAX_STREAM_MESSAGE_BYTES + 1));
    });
  });
  dialled.open("t");
  expect([1006, 1009]).toContain(await ended);
  hub.close();
});

test("[L81] what is too long for a line of a log ends the reading, before memory fills", async () => {
  const answering = async (...chunks: readonly string[]): Promise<LogItem[]> => {
    const stream = new PassThrough();
    const get = async () => {
      setImmediate(() => {
        stream.emit("response", { ":status": 200 });
        for (const chunk of chunks) stream.write(chunk);
        stream.end();
      });
      return stream as never;
    };
    const items: LogItem[] = [];
    for await (const item of readLogs({ get }, NODE, ASK, new AbortController().signal)) items.push(item);
    return items;
  };
  const item = (characters: number, letter = "x") =>
    `${JSON.stringify({ kind: "line", ...line(letter.repeat(characters)) })}\n`;
  // Of all characters these take the most room.
  const longest = item(MAX_LOG_LINE_CHARACTERS, "\u0001");
  expect(longest.length).toBeLessThanOrEqual(MAX_LOG_ITEM_CHARACTERS);
  expect(await answering(longest.slice(0, -1), `\n${LOG_END}\n`)).toHaveLength(1);
  await expect(answering(item(MAX_LOG_LINE_CHARACTERS + 1))).rejects.toThrow("what is no line of a log");
  await expect(answering("y".repeat(MAX_LOG_ITEM_CHARACTERS + 1))).rejects.toThrow("a line that is too long");
  await expect(answering(item(1))).rejects.toThrow("broke off");
});

test("[L82] so many lines from the end and no more may be asked for, and no further back than thirty years", () => {
  const fits = (over: Partial<LogAsk>): boolean => logAskSchema.safeParse({ ...ASK, ...over }).success;
  expect(fits({ tail: MAX_LOG_TAIL, sinceMs: 1_000_000_000_000 })).toBe(true);
  for (const over of [{ tail: MAX_LOG_TAIL + 1 }, { tail: -1 }, { sinceMs: 1_000_000_000_001 }, { after: "yesterday" }])
    expect(fits(over as Partial<LogAsk>)).toBe(false);
});

test("[K40] of a followed log exactly the rate is sent in a second, and of one that is not followed all", async () => {
  let nowMs = 0;
  agent.closeAll();
  agent = agentSide({ clock: { ...held, monotonicMs: () => nowMs } });
  const most = Math.floor(MAX_LOG_CHARACTERS_PER_SECOND / 1_000);
  lines = () => Array.from({ length: 2_000 }, () => line("y".repeat(1_000)));
  expect(await read()).toHaveLength(2_000);
  const stop = new AbortController();
  const items: LogItem[] = [];
  const reading = (async () => {
    for await (const item of readLogs(streams, NODE, { ...ASK, follow: true }, stop.signal)) items.push(item);
  })();
  await until("all of it was read", () => given === 4_000 && items.length >= most);
  expect(items.every(({ kind }) => kind === "line")).toBe(true);
  expect(items).toHaveLength(most);
  lines = () => [line("one more")];
  nowMs += 1_000;
  pass(1_000);
  await until("the count is told", () => items.some(({ kind }) => kind === "skipped"));
  expect(items[most]).toEqual({ kind: "skipped", lines: 2_000 - most });
  stop.abort();
  await reading;
});

test("[K43] a node has two stream sockets at most, whoever asks, and closes by itself one that a hub forgets", async () => {
  let dialled = 0;
  const live = new Set<Socket>();
  const silent = createTcpServer((socket) => {
    dialled += 1;
    live.add(socket.resume());
    socket.on("error", () => undefined);
    socket.once("close", () => live.delete(socket));
  }).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const two = agentSide({ port: portOf(silent) });
  for (let count = 1; count <= 4; count += 1) {
    two.open("t");
    await until("it has dialled", () => dialled === count);
  }
  await until("the oldest have given way", () => live.size === 2);
  two.closeAll();
  silent.close();
  agent = agentSide({ clock: held });
  await read();
  expect(streams.sockets()).toBe(1);
  await until("it is idle on both sides", () =>
    due.some(({ delayMs, live }) => live && delayMs === 2 * STREAM_IDLE_MS),
  );
  pass(2 * STREAM_IDLE_MS);
  await until("the agent has closed it", () => streams.sockets() === 0);
});

test("[K48] what is called off before it has dialled dials nothing, and takes no place", async () => {
  let dialled = 0;
  server.on("connection", () => {
    dialled += 1;
  });
  const told: string[] = [];
  agent = agentSide({ log: { ...silentLog, warn: (message) => told.push(message) } });
  for (let round = 0; round < 3; round += 1) {
    agent.open("t");
    agent.closeAll();
  }
  expect(await read()).toHaveLength(2);
  expect({ dialled, told }).toEqual({ dialled: 1, told: [] });
});

test("[K43] on the node itself four look at once at most", async () => {
  const folder = mkdtempSync(join(tmpdir(), "skerry-look-"));
  const of = identity("");
  const parts = { clock: held, engine: engine(), key: labelKey(of) };
  const local = await listenLocally(folder, () => parts);
  const open: Socket[] = [];
  const isDropped = async (): Promise<boolean> => {
    const socket = connect(streamsSocket(folder));
    socket.on("error", () => undefined);
    open.push(socket);
    // The server's first word of HTTP/2, or the end.
    return await new Promise((resolve) => {
      socket.once("data", () => resolve(false));
      socket.once("close", () => resolve(true));
    });
  };
  for (let count = 0; count < 4; count += 1) expect(await isDropped()).toBe(false);
  expect(await isDropped()).toBe(true);
  open[0]?.destroy();
  await until("there is room", async () => !(await isDropped()));
  for (const socket of open) socket.destroy();
  await local.stop();
  rmSync(folder, { recursive: true });
});
