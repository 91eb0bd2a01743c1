// At the agents' door: somebody without a key, and a node that has one and misuses the wire. Each connection ends by itself; no other notices.
import { once } from "node:events";
import { CLOSE } from "@skerry/shared/protocol/version.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MAX_AWAITING_HELLO } from "../../hub/src/link/limits.ts";
import { sleep, until } from "../lab/wait.ts";
import { type Credentials, connectAs, events, helloOf, joinAs, openLink, type Rogue, upgradeStatus } from "./rogue.ts";
import { hear, startTarget, type Target, WELL_WITHIN_MS } from "./target.ts";

const MIB = 1_048_576;
const MAY_GROW_MB = 160;
const BEAT_MS = 5_000;
const PROTOCOL_ERROR = 4400;
const NOT_AUTHENTICATED = 4401;
const TOO_SLOW = 4408;
/** A frame of a machine that was started anew may be this late (LATE_FRAME_MS of the hub, and half a second). */
const AFTER_LATE_FRAMES_MS = 2_500;

let target: Target;
let rogue: Credentials;
let honest: Credentials;
let neighbour: Rogue;
let restMb: number;
let heart: NodeJS.Timeout;
let beats = 0;
beforeAll(async () => {
  target = await startTarget();
  rogue = await joinAs(target, "rogue");
  honest = await joinAs(target, "honest");
  neighbour = await connectAs(target, honest);
  // As an agent does, so that it is not given up for its silence.
  heart = setInterval(beat, BEAT_MS);
  restMb = await target.rssMb();
});
afterAll(async () => {
  clearInterval(heart);
  await target?.[Symbol.asyncDispose]();
});

const beat = (): number => {
  beats += 1;
  neighbour.say({ type: "beat", n: beats });
  return beats;
};

/** The honest neighbour's beat is answered, and the hub answers people. */
async function unharmed(): Promise<void> {
  const n = beat();
  await until(
    "the neighbour's beat is answered",
    () => neighbour.got.some((frame) => frame.type === "beat-ack" && frame.n === n),
    WELL_WITHIN_MS,
  );
  expect(neighbour.closed()).toBeNull();
  await target.well();
  expect((await target.rssMb()) - restMb).toBeLessThan(MAY_GROW_MB);
}

test("(H03) of connections that never say hello only so many are open, and none for long", async () => {
  const silent = await Promise.all(Array.from({ length: 50 }, () => openLink(target)));
  await target.well();
  for (const one of silent) expect((await one.ended(15_000)).code).toBe(PROTOCOL_ERROR);
  await unharmed();
});

test("(H03) one address cannot hold all places of those that have not said hello", async () => {
  const handshake =
    "GET /v1/agent HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
  const silent = await Promise.all(
    Array.from({ length: 700 }, async () => {
      const socket = await target.dial();
      socket.write(handshake);
      const [first] = (await once(socket, "data")) as [Buffer];
      return { socket, status: first.toString("latin1").slice(9, 12) };
    }),
  );
  expect(new Set(silent.map(({ status }) => status))).toEqual(new Set(["101", "503"]));
  expect(silent.filter(({ status }) => status === "101").length).toBeLessThan(MAX_AWAITING_HELLO);
  await unharmed();
  for (const { socket } of silent) socket.destroy();
  await until("there is room again", async () => (await upgradeStatus(target, "/v1/agent")) === 101, 15_000);
});

test("(H04) a frame of 100 MB ends the connection: of a stranger after 16 KiB, of a node after 1 MiB", async () => {
  const stranger = await openLink(target);
  stranger.say("x".repeat(100 * MIB));
  await stranger.ended();
  const node = await connectAs(target, rogue);
  node.say("x".repeat(100 * MIB));
  expect([1006, 1009]).toContain((await node.ended()).code);
  await unharmed();
});

test("(H04) so does one whose header claims 2^63 bytes", async () => {
  const node = await connectAs(target, rogue);
  rawSocket(node).write(Buffer.from([0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]));
  expect([1006, 1009]).toContain((await node.ended()).code);
  await unharmed();
});

test("(H05) a frame in a million pieces, or one that dribbles in byte by byte, ends the connection", async () => {
  const node = await connectAs(target, rogue);
  for (let piece = 0; piece < 1_000; piece += 1) node.socket.send("", { fin: false });
  expect([1006, 1008]).toContain((await node.ended()).code);

  const dribbling = await connectAs(target, rogue, { bootId: "boot-1" });
  const raw = rawSocket(dribbling);
  raw.setNoDelay(true);
  // A masked text frame of 1 MiB less a byte, a byte at a time; far fewer packets than it has bytes must be enough.
  raw.write(Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0x0f, 0xff, 0xff, 0, 0, 0, 0]));
  let sent = 0;
  while (dribbling.closed() === null && sent < 60_000) {
    raw.write("x");
    sent += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect([1006, 1008]).toContain(dribbling.closed()?.code);
  await unharmed();
  dribbling.socket.terminate();
});

test("(H06) compression is not negotiated, and a compressed frame ends the connection", async () => {
  const node = await openLink(target, "/v1/agent", { perMessageDeflate: true });
  expect(node.socket.extensions).toBe("");
  // A text frame that says that it is compressed (RSV1).
  rawSocket(node).write(Buffer.from([0xc1, 0x81, 0, 0, 0, 0, 0x78]));
  expect([1002, 1006]).toContain((await node.ended()).code);
  const asked = await target.raw(
    "GET /v1/agent HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" +
      `Sec-WebSocket-Extensions: permessage-deflate; ${"a; ".repeat(2_000)}b\r\n\r\n`,
    500,
  );
  expect(asked.text).not.toMatch(/sec-websocket-extensions/i);
  await unharmed();
});

test("(H07) a frame 100,000 levels deep is refused", async () => {
  const node = await connectAs(target, rogue);
  node.say(`{"type":"report","report":${"[".repeat(100_000)}${"]".repeat(100_000)}}`);
  expect((await node.ended()).code).toBe(PROTOCOL_ERROR);
  await unharmed();
});

test("(H18) a hello that was overheard is worth nothing on another connection", async () => {
  const first = await openLink(target);
  const overheard = await helloOf(first, rogue);
  first.say(overheard);
  await first.heard("welcome");
  first.socket.terminate();
  const second = await openLink(target);
  await second.heard("challenge");
  second.say(overheard);
  expect((await second.ended()).code).toBe(NOT_AUTHENTICATED);
  // Nor for another installation: what it signs names the one that it is for.
  const third = await openLink(target);
  third.say(await helloOf(third, { ...rogue, installation: "i00000000000000ff" as Credentials["installation"] }));
  expect((await third.ended()).code).toBe(NOT_AUTHENTICATED);
  await unharmed();
});

test("(H27) a node's key opens its own link and no other node's, and nothing of the API", async () => {
  const asOther = await openLink(target);
  asOther.say(await helloOf(asOther, { ...rogue, node: honest.node }));
  const refusal = await asOther.ended();
  const asNobody = await openLink(target);
  asNobody.say(await helloOf(asNobody, { ...rogue, node: "n00000000000000ff" as Credentials["node"] }));
  expect(await asNobody.ended()).toEqual(refusal);
  expect(refusal.code).toBe(NOT_AUTHENTICATED);
  for (const token of [rogue.privateKey, `skt1.${rogue.node}.${rogue.privateKey}`, `ska1.${rogue.privateKey}`]) {
    for (const path of [`/v1/nodes/${honest.node}`, `/v1/nodes/${rogue.node}`, "/v1/workloads", "/v1/watch"]) {
      expect((await target.call("GET", path, undefined, token)).status).toBe(401);
    }
  }
  await unharmed();
});

test.each<[string, string]>([
  ["an unknown type", '{"type":"exec","command":["sh"]}'],
  ["no type", "{}"],
  ["a frame of the hub's own", '{"type":"welcome","protocol":3}'],
  ["a list", "[]"],
  ["a bare value", "7"],
  ["no JSON", "hello"],
  ["nothing", ""],
  [
    "an unknown value of an enum",
    '{"type":"refused","position":{"epoch":1,"generation":1},"reason":"because","message":"","have":null}',
  ],
  ["a second hello", '{"type":"hello"}'],
  ["a beat that is no number", '{"type":"beat","n":"1"}'],
  ["a beat beyond 2^48", '{"type":"beat","n":9007199254740991}'],
  ["prototypes", '{"type":"beat","__proto__":{"n":1}}'],
])("(H33) %s ends the connection and changes nothing", async (_what, frame) => {
  const node = await connectAs(target, rogue);
  node.say(frame);
  expect((await node.ended()).code).toBe(PROTOCOL_ERROR);
  await unharmed();
});

test.each([
  ["2^53-1", 9_007_199_254_740_991],
  ["negative", -1],
  ["NaN", null],
  ["a text", "1"],
  ["a fraction", 1.5],
])("(H31) an event's number that is %s is refused", async (_what, seq) => {
  const node = await connectAs(target, rogue);
  node.say(events({ seq, event: { kind: "engine-lost", reason: "x" } }));
  expect((await node.ended()).code).toBe(PROTOCOL_ERROR);
  await unharmed();
});

test("(H31) the largest number there is silences the node that sent it, and no other", async () => {
  const last = await joinAs(target, "last");
  const node = await connectAs(target, last);
  node.say(events({ seq: 2 ** 48, event: { kind: "engine-lost", reason: "last words" } }));
  expect((await node.heard("events-ack")).seq).toBe(2 ** 48);
  neighbour.say(events({ seq: 1, event: { kind: "engine-lost", reason: "still heard" } }));
  expect((await neighbour.heard("events-ack")).seq).toBe(1);
  node.socket.terminate();
  await unharmed();
});

test("(H32) 100,000 events at once end the connection, and delay no neighbour", async () => {
  const node = await connectAs(target, rogue);
  let seq = 0;
  for (let page = 0; page < 1_000; page += 1) {
    const items = Array.from({ length: 100 }, () => {
      seq += 1;
      return { seq, event: { kind: "engine-lost", reason: "x" } };
    });
    node.say(events(...items));
  }
  expect((await node.ended(30_000)).code).toBe(TOO_SLOW);
  await unharmed();
});

test("(H32) so do frames without end", async () => {
  const node = await connectAs(target, rogue);
  for (let n = 1; n <= 20_000; n += 1) node.say({ type: "beat", n });
  expect((await node.ended(30_000)).code).toBe(TOO_SLOW);
  await unharmed();
});

test("(H36) a stream socket that the hub did not ask for is refused, also with the node's own key", async () => {
  const node = await connectAs(target, rogue);
  for (const headers of [
    {},
    { "x-skerry-node": rogue.node },
    { "x-skerry-node": rogue.node, "x-skerry-proof": "0".repeat(128) },
    { "x-skerry-node": honest.node, "x-skerry-proof": rogue.privateKey.repeat(2) },
    { "x-skerry-node": "../../etc/passwd", "x-skerry-proof": "" },
  ]) {
    expect(await upgradeStatus(target, "/v1/agent/streams", { headers })).toBe(403);
  }
  node.socket.terminate();
  await unharmed();
});

test("(H41) a browser's page is refused at every socket, whatever it calls itself", async () => {
  for (const origin of ["https://evil.example", "null", "http://hub", target.hub.url]) {
    for (const path of ["/v1/agent", "/v1/agent/streams"]) {
      expect(await upgradeStatus(target, path, { origin })).toBe(403);
    }
  }
  expect(await upgradeStatus(target, "/v1/watch", {})).toBe(404);
  await unharmed();
});

test("(H23) after its removal a node's socket is closed within 5 s, and it does not come back", async () => {
  const gone = await joinAs(target, "gone");
  const node = await connectAs(target, gone);
  const from = performance.now();
  expect((await target.call("DELETE", `/v1/nodes/${gone.node}`)).status).toBe(200);
  expect((await node.ended(5_000)).code).toBe(NOT_AUTHENTICATED);
  expect(performance.now() - from).toBeLessThan(5_000);
  const again = await openLink(target);
  again.say(await helloOf(again, gone));
  expect((await again.ended()).code).toBe(NOT_AUTHENTICATED);
  expect(await upgradeStatus(target, "/v1/agent/streams", { headers: { "x-skerry-node": gone.node } })).toBe(403);
  await unharmed();
});

test("(H22) while both machines run with one key, the copy is refused, and then the node is frozen for both", async () => {
  const card = await joinAs(target, "card");
  const first = await connectAs(target, card);
  const copy = { bootId: "boot-of-the-copy", runId: "run-of-the-copy" };
  const early = await openLink(target);
  early.say(await helloOf(early, card, copy));
  expect((await early.ended()).code).toBe(CLOSE.goingAway);
  expect(first.closed()).toBeNull();
  // What the first machine says later than a machine that was started anew could have said.
  await sleep(AFTER_LATE_FRAMES_MS);
  first.say({ type: "beat", n: 1 });
  await first.heard("beat-ack");
  const again = await openLink(target);
  again.say(await helloOf(again, card, copy));
  expect((await again.ended()).code).toBe(CLOSE.frozen);
  expect((await first.ended()).code).toBe(CLOSE.frozen);
  await expectFrozen("card");
  await unharmed();
});

test("(H22) a copy that comes while the first machine is off freezes the node when the first comes back, and shows an older mark", async () => {
  const card = await joinAs(target, "twin");
  const first = await connectAs(target, card);
  const { mark } = await first.heard("welcome");
  first.say({ type: "marked", mark: mark ?? {} });
  first.say({ type: "beat", n: 1 });
  await first.heard("beat-ack");
  first.socket.terminate();
  // The card was copied here: both have this mark. The copy comes first, is given the next one, and goes.
  const copy = await openLink(target);
  copy.say(await helloOf(copy, card, { bootId: "boot-1", runId: "run-of-the-copy", mark }));
  const next = (await copy.heard("welcome")).mark;
  expect(next).not.toEqual(mark);
  copy.say({ type: "marked", mark: next ?? {} });
  copy.say({ type: "beat", n: 1 });
  await copy.heard("beat-ack");
  copy.socket.terminate();
  const back = await openLink(target);
  back.say(await helloOf(back, card, { bootId: "boot-1", runId: "run-2", mark }));
  expect((await back.ended()).code).toBe(CLOSE.frozen);
  await expectFrozen("twin");
  // Neither gets in from now on, whatever it shows.
  for (const shown of [null, mark, next]) {
    const later = await openLink(target);
    later.say(await helloOf(later, card, { runId: "run-3", mark: shown }));
    expect((await later.ended()).code).toBe(CLOSE.frozen);
  }
  await unharmed();
});

async function expectFrozen(node: string): Promise<void> {
  const { items } = (await target.call("GET", `/v1/events?node=${node}`)).body;
  expect(JSON.stringify(items)).toContain("clone-detected");
  expect((await target.call("GET", `/v1/nodes/${node}`)).body).toMatchObject({ standing: "frozen" });
}

/** The socket below a websocket: ws keeps it to itself. */
function rawSocket({ socket }: Rogue): import("node:net").Socket {
  return (socket as unknown as { readonly _socket: import("node:net").Socket })._socket;
}

test("(H13) nothing that follows a refused upgrade is read as a request", async () => {
  const socket = await target.dial();
  const heard = hear(socket, 5_000);
  const closed = once(socket, "close");
  socket.write(
    "GET /v1/other HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n",
  );
  const { text } = await heard;
  await closed;
  expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  expect(text).toContain("404");
});
