// The stream socket between a real agent side and a real hub side, over real sockets: who is let in, that what nobody reads is not read,
// that one slow reader holds up no other, and that nothing stands when nobody looks.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Engine, LogLine } from "@skerry/agent/engine/engine.ts";
import { containerLabels, labelKey } from "@skerry/agent/engine/labels.ts";
import { createStreams, type Streams } from "@skerry/agent/streams/streams.ts";
import { readLogs } from "@skerry/hub/link/logs.ts";
import { NodeStreams } from "@skerry/hub/link/streams.ts";
import { attachUpgrade, type Upgrades } from "@skerry/hub/link/ws-connection.ts";
import type { InstallationId, NodeId, SpecHash, WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadParts } from "@skerry/shared/model/names.ts";
import {
  type LogAsk,
  type LogItem,
  STREAM_HEADER,
  STREAM_IDLE_MS,
  streamProof,
  TICKET_LIFE_MS,
} from "@skerry/shared/protocol/streams.ts";
import { type Clock, systemClock } from "@skerry/shared/runtime/clock.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import { silentLog } from "@skerry/shared/runtime/log.ts";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WebSocket } from "ws";

const NODE = "n0123456789abcdef" as NodeId;
const CREDENTIAL = "c".repeat(64);
const HASH = sha256Hex(CREDENTIAL) as SpecHash;
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
    ...{ node: NODE, name: "pi-1" as never, credential: CREDENTIAL, hubUrl },
    installation: "i0123456789abcdef" as InstallationId,
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
        ...{ id: "c1", name: "shop-web-1", status: "exited", labels, imageId: "", networks: [] },
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
    credentialHash: (node) => (node === NODE ? HASH : null),
    ask(_node, ticket) {
      tickets.push(ticket);
      if (answers) agent.open(ticket);
      return true;
    },
  });
  server = createServer((_request, response) => response.end());
  upgrades = attachUpgrade(server, { attach: () => undefined }, streams);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const hubUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const of = identity(hubUrl);
  agent = createStreams({ clock: systemClock, engine: engine(), key: labelKey(of), log: silentLog }, of);
});
afterEach(async () => {
  streams.stop();
  agent.closeAll();
  upgrades.close();
  server.closeAllConnections();
  server.close();
  await once(server, "close");
});

async function read(ask: LogAsk = ASK): Promise<LogItem[]> {
  const items: LogItem[] = [];
  for await (const item of readLogs(streams, NODE, ask, new AbortController().signal)) items.push(item);
  return items;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let looks = 0; looks < 500; looks++) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`not in time: ${what}`);
}

/** The HTTP status of a dial that is refused, or 101. */
function dial(headers: Record<string, string>): Promise<number> {
  const { port } = server.address() as AddressInfo;
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/agent/streams`, { headers });
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
const proofs = (credential: string, ticket: string, node: string = NODE) => ({
  [STREAM_HEADER.node]: node,
  [STREAM_HEADER.proof]: streamProof(sha256Hex(credential), ticket),
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

test("[L76] without the ticket, with another node's, or with another credential nobody comes in, and a ticket is good once", async () => {
  answers = false;
  expect(await dial(proofs(CREDENTIAL, ""))).toBe(403);
  const reading = read();
  await until("it was asked", () => tickets.length === 1);
  const [ticket = ""] = tickets;
  expect(await dial({})).toBe(403);
  expect(await dial(proofs(CREDENTIAL, "0".repeat(ticket.length)))).toBe(403);
  expect(await dial(proofs("d".repeat(64), ticket))).toBe(403);
  expect(await dial(proofs(CREDENTIAL, ticket, "nffffffffffffffff"))).toBe(403);
  agent.open(ticket);
  expect(await reading).toHaveLength(2);
  expect(await dial(proofs(CREDENTIAL, ticket))).toBe(403);
});

test("[L76] a ticket that nobody shows in time is gone, and who waited is told", async () => {
  answers = false;
  const reading = read();
  await until("it was asked", () => tickets.length === 1);
  pass(TICKET_LIFE_MS);
  await expect(reading).rejects.toThrow("does not answer");
  expect(await dial(proofs(CREDENTIAL, tickets[0] ?? ""))).toBe(403);
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

test("[K39] what nobody reads is not read from the engine, and one who does not read holds up nobody else", async () => {
  lines = function* () {
    for (let n = 0; n < 100_000; n++) yield line("x".repeat(1_000));
  };
  const stop = new AbortController();
  const slow = readLogs(streams, NODE, ASK, stop.signal);
  await slow.next();
  let before = -1;
  // Until it no longer moves: what fits into the windows and buffers in between.
  await until("the engine is not read any further", () => {
    const still = given === before;
    before = given;
    return still && given > 10;
  });
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
