// The agents' link on the hub's side: real control loop and link server, a clock moved by hand, agents that say what they are told to.

import type { OutboxItem } from "@skerry/shared/model/event.ts";
import type { NodeId } from "@skerry/shared/model/ids.ts";
import type { Hello } from "@skerry/shared/protocol/to-hub.ts";
import {
  CLOSE,
  HEARTBEAT_MS,
  HELLO_DEADLINE_MS,
  MISSED_BEATS,
  PROTOCOL_MINIMUM,
  PROTOCOL_VERSION,
} from "@skerry/shared/protocol/version.ts";
import { signText } from "@skerry/shared/runtime/signature.ts";
import { expect, test } from "vitest";
import { STORAGE_RETRY_MS } from "../../../hub/src/control-loop.ts";
import {
  ANSWER_DEADLINE_MS,
  EVENTS_BURST,
  FRAMES_BURST,
  MAX_AWAITING_HELLO,
  MAX_AWAITING_HELLO_EACH,
  MAX_BUFFERED_BYTES,
  REFUSED_RETRY_MS,
  SILENCE_GRACE_MS,
} from "../../../hub/src/link/limits.ts";
import { StoreError } from "../../../hub/src/store/store.ts";
import { appSpec, nodeId } from "./scenario.ts";
import { type FakeAgent, keyOf, newestOffer, type SmallHub, smallHub } from "./small-hub.ts";

const web = (image = "web:1", replicas: number | "global" = "global") =>
  appSpec("shop", { name: "web", image, replicas });

/** A hub with one node that was greeted. */
function oneNode(hello: Partial<Hello> = {}): {
  readonly hub: SmallHub;
  readonly node: NodeId;
  readonly agent: FakeAgent;
} {
  const hub = smallHub();
  const node = hub.join("pi");
  hub.clock.run(0);
  return { hub, node, agent: hub.agent(node, hello) };
}

const events = (from: number, count: number): { readonly type: "events"; readonly items: OutboxItem[] } => ({
  type: "events",
  items: Array.from({ length: count }, (_, index) => ({
    seq: from + index,
    bootId: "b",
    ageMs: 0,
    event: { kind: "gap", lost: 1 },
  })),
});

test("[L20] a node that is known is welcomed with its heartbeat and what of its events is durable", () => {
  const { hub, agent, node } = oneNode();
  expect(agent.got).toEqual([
    { type: "challenge", nonce: expect.stringMatching(/^[0-9a-f]{64}$/), binding: "none" },
    {
      type: "welcome",
      protocol: PROTOCOL_VERSION,
      installation: hub.loop.world.installation,
      hubVersion: "t",
      heartbeatMs: HEARTBEAT_MS,
      pins: [],
      eventsAcked: 0,
      mark: { count: 1, value: expect.stringMatching(/^[0-9a-f]{32}$/) },
      signature: expect.stringMatching(/^[0-9a-f]{128}$/),
    },
  ]);
  expect(hub.link.isConnected(node)).toBe(true);
  expect(hub.loop.world.reachability.get(node)).toMatchObject({ kind: "ready", connected: true });
});

test.each([
  ["a signature that is none", (node: NodeId): Partial<Hello> => ({ node, signature: "0".repeat(128) })],
  ["no signature", (node: NodeId): Partial<Hello> => ({ node, signature: undefined })],
  ["an unknown node", (): Partial<Hello> => ({ node: nodeId(0xdead) })],
])("[L21] %s is not authenticated and learns nothing", (_what, hello) => {
  const hub = smallHub();
  const node = hub.join("pi");
  const agent = hub.agent(node, hello(node));
  expect(agent.closed?.code).toBe(CLOSE.notAuthenticated);
  expect(agent.got.map(({ type }) => type)).toEqual(["challenge"]);
  expect(hub.link.connected()).toBe(0);
});

test("[L21] another node's key opens no node", () => {
  const hub = smallHub();
  const first = hub.join("pi-1");
  hub.join("pi-2");
  const agent = hub.agent(first, null);
  agent.say({ ...HELLO, node: first, signature: signText(keyOf("pi-2"), agent.toSign(first)) });
  expect(agent.closed?.code).toBe(CLOSE.notAuthenticated);
});

test("[L85] a hello that was overheard opens no other connection, and none to another installation", () => {
  const hub = smallHub();
  const node = hub.join("pi");
  const first = hub.agent(node, null);
  const signature = signText(keyOf("pi"), first.toSign(node));
  first.say({ ...HELLO, node, signature });
  expect(first.closed).toBeNull();
  const second = hub.agent(node, null);
  expect(second.toSign(node)).not.toBe(first.toSign(node));
  second.say({ ...HELLO, node, signature });
  expect(second.closed?.code).toBe(CLOSE.notAuthenticated);
  const third = hub.agent(node, null);
  const elsewhere = third.toSign(node).replace(hub.loop.world.installation, "i00000000000000bb");
  third.say({ ...HELLO, node, signature: signText(keyOf("pi"), elsewhere) });
  expect(third.closed?.code).toBe(CLOSE.notAuthenticated);
});

test.each([
  ["an agent at the hub's minimum", { protocol: 3, protocolMinimum: 1 }, null],
  ["an agent below the hub's minimum", { protocol: 2, protocolMinimum: 1 }, CLOSE.versionTooOld],
  ["an agent whose minimum is the hub's version", { protocol: 9, protocolMinimum: 5 }, null],
  ["an agent whose minimum is above the hub's version", { protocol: 9, protocolMinimum: 6 }, CLOSE.versionTooNew],
])("[L22] versions: %s", (_what, hello, code) => {
  const hub = smallHub({ versions: { version: 5, minimum: 3 } });
  const agent = hub.agent(hub.join("pi"), hello);
  expect(agent.closed?.code ?? null).toBe(code);
  const spoken = agent.all("welcome").map(({ protocol }) => protocol);
  expect(spoken).toEqual(code === null ? [Math.min(hello.protocol, 5)] : []);
});

test("[L23] a connection that does not say hello in time is closed", () => {
  const hub = smallHub();
  const agent = hub.agent(nodeId(1), null);
  hub.clock.run(HELLO_DEADLINE_MS - 1);
  expect(agent.closed).toBeNull();
  hub.clock.run(1);
  expect(agent.closed?.code).toBe(CLOSE.protocolError);
  expect(hub.link.connections()).toBe(0);
});

test.each([
  ["no JSON", "hello"],
  ["an unknown type", '{"type":"surprise"}'],
  ["a field missing", '{"type":"beat"}'],
  ["a number that is none", '{"type":"beat","n":9007199254740993}'],
  ["a depth of a hundred thousand", "[".repeat(100_000)],
  ["a frame over the limit", JSON.stringify({ type: "beat", n: 1, more: "x".repeat(1_048_576) })],
])("[L24] a frame that is wrong ends the connection and nothing else: %s", (_what, text) => {
  const { hub, agent } = oneNode();
  agent.raw(text);
  expect(agent.closed?.code).toBe(CLOSE.protocolError);
  expect(hub.link.connections()).toBe(0);
});

test("[L24] nothing but hello comes first, and hello comes once", () => {
  const hub = smallHub();
  const early = hub.agent(hub.join("pi"), null);
  early.say({ type: "beat", n: 1 });
  expect(early.closed?.reason).toContain("must be hello");
  const { agent } = oneNode();
  agent.say({ ...HELLO, node: agent.node });
  expect(agent.closed?.reason).toContain("said before");
});
const HELLO = {
  type: "hello",
  protocol: PROTOCOL_VERSION,
  protocolMinimum: PROTOCOL_MINIMUM,
  bootId: "",
  runId: "",
  agentVersion: "",
  have: null,
  mark: null,
} as const;

test("[L25] a beat is answered after it renewed the lease", () => {
  const { hub, agent, node } = oneNode();
  hub.clock.run(5_000);
  agent.say({ type: "beat", n: 7 });
  expect(agent.all("beat-ack")).toEqual([{ type: "beat-ack", n: 7 }]);
  expect(hub.loop.world.reachability.get(node)).toMatchObject({ lastHeardMs: 5_000 });
});

test("[L26] a connection is given up when beats are missing, and the node keeps its lease", () => {
  const { hub, agent, node } = oneNode();
  hub.clock.run(MISSED_BEATS * HEARTBEAT_MS + SILENCE_GRACE_MS - 1);
  expect(agent.closed).toBeNull();
  hub.clock.run(1);
  expect(agent.closed?.code).toBe(CLOSE.tooSlow);
  expect(hub.loop.world.reachability.get(node)).toMatchObject({ kind: "ready", connected: false });
});

test("[L26] each frame moves the deadline", () => {
  const { hub, agent } = oneNode();
  for (let n = 1; n <= 20; n += 1) {
    hub.clock.run(HEARTBEAT_MS * 1.9);
    agent.say({ type: "beat", n });
  }
  expect(agent.closed).toBeNull();
});

test("[L27] after the hub itself stood still, frames that waited in the socket count", () => {
  const { hub, agent } = oneNode();
  hub.clock.stall(10 * HEARTBEAT_MS);
  // The overdue timers fire first, the sockets are read right after.
  hub.clock.run(0);
  agent.say({ type: "beat", n: 1 });
  hub.clock.run(SILENCE_GRACE_MS);
  expect(agent.closed).toBeNull();
});

test("[L28] an assignment is sent after the commit that made it, whole at first and as a delta later", () => {
  const { hub, agent, node } = oneNode();
  hub.apply(web());
  expect(agent.all("assign")).toEqual([]);
  hub.clock.run(0);
  const [whole] = agent.all("assign");
  expect(whole?.assignment).toMatchObject({
    node,
    position: { epoch: 1, generation: 1 },
    workloads: [{ revision: 1 }],
  });
  agent.accept();
  hub.clock.run(0);
  expect(hub.loop.world.nodes.get(node)?.accepted).toEqual({ epoch: 1, generation: 1 });
  hub.apply(web("web:2"));
  hub.clock.run(0);
  expect(agent.all("assign")).toHaveLength(1);
  expect(agent.all("assign-delta").map(({ delta }) => delta)).toMatchObject([
    { from: whole?.assignment.position, fromHash: whole?.assignment.hash, position: { generation: 2 } },
  ]);
});

test("[L29] one assignment is under way at a time, and the newest wins", () => {
  const { hub, agent } = oneNode();
  for (const image of ["web:1", "web:2", "web:3", "web:4"]) {
    hub.apply(web(image));
    hub.clock.run(0);
  }
  expect(agent.all("assign").map(({ assignment }) => assignment.position.generation)).toEqual([1]);
  agent.accept();
  hub.clock.run(0);
  expect(agent.all("assign-delta").map(({ delta }) => delta.position.generation)).toEqual([4]);
});

test("[L30] a node that has what it should have is sent nothing, and a delta from there", () => {
  const { hub, agent, node } = oneNode();
  hub.apply(web());
  hub.clock.run(0);
  agent.accept();
  hub.clock.run(0);
  const { position, hash } = newestOffer(agent.got);
  const again = hub.agent(node, { have: { position, hash }, runId: "run-2" });
  expect(again.got.map(({ type }) => type)).toEqual(["challenge", "welcome"]);
  hub.apply(web("web:2"));
  hub.clock.run(0);
  expect(again.all("assign-delta")).toHaveLength(1);
});

test("[L30] a node that comes back behind jumps to the newest", () => {
  const { hub, agent, node } = oneNode();
  hub.apply(web());
  hub.clock.run(0);
  agent.accept();
  hub.clock.run(0);
  const { position, hash } = newestOffer(agent.got);
  agent.wire.far.close(1006, "cut");
  hub.apply(web("web:2"));
  hub.apply(web("web:3"));
  const again = hub.agent(node, { have: { position, hash } });
  hub.clock.run(0);
  expect(again.all("assign").map(({ assignment }) => assignment.workloads[0]?.spec.image)).toEqual(["web:3"]);
});

test("[L31] a delta that does not fit is followed by the whole", () => {
  const { hub, agent } = oneNode();
  hub.apply(web());
  hub.clock.run(0);
  agent.accept();
  hub.apply(web("web:2"));
  hub.clock.run(0);
  expect(agent.all("assign-delta")).toHaveLength(1);
  agent.say({ type: "need-whole", have: null });
  hub.clock.run(0);
  expect(agent.all("assign").at(-1)?.assignment.position.generation).toBe(2);
});

test("[L31] without an answer the whole comes again, but not onto a link that has not sent the last one", () => {
  const { hub, agent } = oneNode();
  hub.apply(web());
  hub.clock.run(0);
  const beat = (seconds: number): void => {
    for (let n = 0; n < seconds; n += 10) {
      agent.say({ type: "beat", n });
      hub.clock.run(10_000);
    }
  };
  agent.wire.near.buffered = 1_000;
  beat(ANSWER_DEADLINE_MS / 1_000 + 10);
  expect(agent.all("assign")).toHaveLength(1);
  agent.wire.near.buffered = 0;
  beat(ANSWER_DEADLINE_MS / 1_000);
  expect(agent.all("assign")).toHaveLength(2);
});

test("[L84] an answer ends the wait for it: however often a node is given something, nothing of what it took is kept", () => {
  const { hub, agent } = oneNode();
  const give = (image: string): void => {
    hub.apply(web(image));
    hub.clock.run(0);
    agent.accept();
    hub.clock.run(0);
  };
  give("web:1");
  const waits = hub.clock.pending();
  for (const image of ["web:2", "web:3", "web:4"]) give(image);
  expect(agent.all("assign").length + agent.all("assign-delta").length).toBe(4);
  expect(hub.clock.pending()).toBe(waits);
});

test("[L32] what a node cannot store is offered again, other refusals wait for another position", () => {
  const { hub, agent, node } = oneNode();
  hub.apply(web());
  hub.clock.run(0);
  const { position } = newestOffer(agent.got);
  const beatUntil = (ms: number): void => {
    for (let n = 0; n < ms; n += 10_000) {
      agent.say({ type: "beat", n });
      hub.clock.run(10_000);
    }
  };
  agent.say({ type: "refused", position, reason: "not-durable", message: "disk full", have: null });
  hub.clock.run(0);
  expect(hub.loop.world.nodes.get(node)?.refusal).toEqual({ reason: "not-durable", message: "disk full" });
  expect(agent.all("assign")).toHaveLength(1);
  beatUntil(REFUSED_RETRY_MS);
  expect(agent.all("assign")).toHaveLength(2);
  agent.say({ type: "refused", position, reason: "unexplained", message: "drops web", have: null });
  beatUntil(2 * REFUSED_RETRY_MS);
  expect(agent.all("assign")).toHaveLength(2);
  hub.apply(web("web:2"));
  hub.clock.run(0);
  expect(agent.all("assign").at(-1)?.assignment.position.generation).toBe(2);
});

test.each([
  ["ahead of this hub", { epoch: 1, generation: 99 }],
  ["of a later epoch", { epoch: 2, generation: 1 }],
  ["at our position with other content", { epoch: 1, generation: 1 }],
])(
  "[L33] a node that is %s keeps what it has: its refusal is shown and it is not offered the same again",
  (_what, position) => {
    const hub = smallHub();
    const node = hub.join("pi");
    hub.apply(web());
    const have = { position, hash: "f".repeat(64) as never };
    const agent = hub.agent(node, { have });
    hub.clock.run(0);
    expect(agent.all("assign")).toHaveLength(1);
    const offered = newestOffer(agent.got);
    agent.say({ type: "refused", position: offered.position, reason: "stale", message: "older than held", have });
    hub.clock.run(10_000);
    expect(agent.all("assign")).toHaveLength(1);
    expect(hub.loop.world.nodes.get(node)).toMatchObject({
      assigned: { epoch: 1, generation: 1 },
      refusal: { reason: "stale" },
    });
    expect(hub.eventKinds()).toContain("assignment-refused");
  },
);

test("[L34] the pace follows the tightest `after`, and the old period is still good for a moment", () => {
  const { hub, agent } = oneNode();
  const fenced = { policy: "fence", afterMs: 3_000 } as const;
  hub.apply(appSpec("lock", { name: "one", replicas: 1, disconnect: fenced }));
  hub.clock.run(0);
  expect(agent.all("pace")).toEqual([{ type: "pace", heartbeatMs: 1_000 }]);
  hub.clock.run(MISSED_BEATS * HEARTBEAT_MS - 1);
  expect(agent.closed).toBeNull();
  agent.say({ type: "beat", n: 1 });
  hub.clock.run(MISSED_BEATS * 1_000 + SILENCE_GRACE_MS);
  expect(agent.closed?.code).toBe(CLOSE.tooSlow);
});

test("[L35] beats are not answered while a fenced copy was given away and the node has not accepted that", () => {
  const hub = smallHub();
  const node = hub.join("pi");
  const lock = { name: "one", replicas: 1, disconnect: { policy: "fence", afterMs: 3_000 } } as const;
  hub.apply(appSpec("lock", lock));
  const agent = hub.agent(node);
  hub.clock.run(0);
  agent.accept();
  hub.clock.run(0);
  hub.apply(appSpec("lock", { ...lock, replicas: 0 }));
  hub.clock.run(0);
  agent.say({ type: "beat", n: 1 });
  expect(agent.all("beat-ack")).toEqual([]);
  agent.accept();
  hub.clock.run(0);
  agent.say({ type: "beat", n: 2 });
  expect(agent.all("beat-ack")).toEqual([{ type: "beat-ack", n: 2 }]);
});

test("[L36] events are acknowledged when they are durable, and each is stored once", () => {
  const { hub, agent } = oneNode();
  agent.say(events(1, 3));
  expect(agent.all("events-ack")).toEqual([]);
  hub.clock.run(0);
  expect(agent.all("events-ack")).toEqual([{ type: "events-ack", seq: 3 }]);
  agent.say(events(2, 3));
  hub.clock.run(0);
  expect(agent.all("events-ack").at(-1)).toEqual({ type: "events-ack", seq: 4 });
  expect(hub.eventKinds().filter((kind) => kind === "gap")).toHaveLength(4);
});

test("[L37] an outbox of months drains at the rate that the hub sets, and nothing is lost", () => {
  const { hub, agent } = oneNode();
  for (let page = 0; page < 50; page += 1) {
    const acked = agent.all("events-ack").length;
    agent.say(events(1 + page * 100, 100));
    for (let waited = 0; agent.all("events-ack").length === acked && waited < 100; waited += 1) hub.clock.run(100);
  }
  expect(agent.closed).toBeNull();
  expect(agent.all("events-ack").at(-1)).toEqual({ type: "events-ack", seq: 5_000 });
  expect(hub.clock.monotonicMs()).toBeGreaterThan(15_000);
});

test("[L37] a node that sends on without waiting is given up", () => {
  const { hub, agent } = oneNode();
  for (let page = 0; page < 60; page += 1) {
    agent.say(events(1 + page * 100, 100));
    hub.clock.run(1);
  }
  expect(agent.closed?.code).toBe(CLOSE.tooSlow);
  expect(hub.loop.waiting()).toBe(0);
  expect(EVENTS_BURST).toBeLessThan(5_000);
});

test("[L38] more frames or bytes than one node may send end its connection, and no other's", () => {
  const { hub, agent } = oneNode();
  const other = hub.agent(hub.join("other"));
  for (let n = 0; n <= FRAMES_BURST; n += 1) agent.say({ type: "beat", n });
  expect(agent.closed?.code).toBe(CLOSE.tooSlow);
  const large = hub.agent(agent.node);
  for (let n = 0; n < 5; n += 1) large.raw(JSON.stringify({ type: "beat", n, more: "x".repeat(1_000_000) }));
  expect(large.closed?.code).toBe(CLOSE.tooSlow);
  other.say({ type: "beat", n: 1 });
  expect(other.all("beat-ack")).toHaveLength(1);
});

test("[L39] a peer that does not read is given up before it costs memory", () => {
  const { agent } = oneNode();
  agent.wire.near.buffered = MAX_BUFFERED_BYTES + 1;
  agent.say({ type: "beat", n: 1 });
  expect(agent.closed?.code).toBe(CLOSE.tooSlow);
});

test("[L40] a node that reconnects takes the place of its older connection at once", () => {
  const { hub, agent, node } = oneNode();
  const newer = hub.agent(node, { runId: "run-2" });
  expect(agent.closed?.code).toBe(CLOSE.supersededByNewerConnection);
  expect(newer.all("welcome")).toHaveLength(1);
  expect(hub.loop.world.reachability.get(node)).toMatchObject({ kind: "ready", connected: true });
  expect(hub.link.connected()).toBe(1);
});

test("[L41] after a reboot the newer connection waits until the older one has fallen silent", () => {
  const { hub, agent, node } = oneNode();
  hub.clock.run(HEARTBEAT_MS);
  const early = hub.agent(node, { bootId: "boot-2" });
  const [goodbye] = early.all("goodbye");
  expect(goodbye?.reconnectWithinMs).toBe(HEARTBEAT_MS / 2);
  expect(agent.closed).toBeNull();
  // What the older connection is probed with would have ended it, had its machine answered with a reset.
  expect(agent.all("pace")).toHaveLength(1);
  hub.clock.run(HEARTBEAT_MS / 2 + 1);
  const later = hub.agent(node, { bootId: "boot-2" });
  expect(later.all("welcome")).toHaveLength(1);
  expect(agent.closed?.code).toBe(CLOSE.supersededByNewerConnection);
  expect(hub.eventKinds()).not.toContain("clone-detected");
});

test("[L42] two machines with one key at once: both are cut off, and an event says so once", () => {
  const { hub, agent, node } = oneNode();
  hub.agent(node, { bootId: "boot-2" });
  hub.clock.run(5_000);
  agent.say({ type: "beat", n: 1 });
  const clone = hub.agent(node, { bootId: "boot-2" });
  expect(clone.closed?.code).toBe(CLOSE.frozen);
  expect(agent.closed?.code).toBe(CLOSE.frozen);
  for (const bootId of ["boot-1", "boot-2"]) expect(hub.agent(node, { bootId }).closed?.code).toBe(CLOSE.frozen);
  expect(hub.loop.world.nodes.get(node)?.standing).toBe("frozen");
  expect(hub.eventKinds().filter((kind) => kind === "clone-detected")).toHaveLength(1);
});

test("[L42] what a machine said right before it was started anew is no second machine", () => {
  const { hub, agent, node } = oneNode();
  hub.agent(node, { bootId: "boot-2" });
  hub.clock.run(1_000);
  agent.say({ type: "beat", n: 1 });
  expect(hub.agent(node, { bootId: "boot-2" }).all("goodbye")).toHaveLength(1);
  expect(agent.closed).toBeNull();
  expect(hub.loop.world.nodes.get(node)?.standing).toBe("member");
});

test("[L43] a node that is removed is cut off and cannot come back", () => {
  const { hub, agent, node } = oneNode();
  expect(hub.submit({ kind: "remove-node", node }).ok).toBe(true);
  expect(agent.closed?.code).toBe(CLOSE.notAuthenticated);
  expect(hub.agent(node).closed?.code).toBe(CLOSE.notAuthenticated);
});

test("[L44] on shutdown each node hears when to come back, in a window that grows with the fleet", () => {
  const hub = smallHub();
  const agents = Array.from({ length: 400 }, (_, index) => hub.agent(hub.join(`pi-${index}`)));
  hub.link.stop();
  for (const agent of agents) {
    expect(agent.all("goodbye")).toEqual([
      { type: "goodbye", reason: "the hub is stopping", reconnectWithinMs: 4_000 },
    ]);
    expect(agent.closed?.code).toBe(CLOSE.goingAway);
  }
  const late = hub.agent(agents[0]?.node ?? nodeId(1));
  expect(late.closed?.code).toBe(CLOSE.goingAway);
});

test("[L45] connections that say nothing cannot fill the hub", () => {
  const hub = smallHub();
  const node = hub.join("pi");
  const silent = Array.from({ length: MAX_AWAITING_HELLO }, (_, index) => hub.agent(node, null, `10.0.0.${index % 8}`));
  expect(hub.agent(node).closed?.code).toBe(CLOSE.goingAway);
  silent[0]?.wire.far.close(1006, "gone");
  expect(hub.agent(node).all("welcome")).toHaveLength(1);
});

test("[L370] nor can those of one address, and whoever says hello gives his place back", () => {
  const hub = smallHub();
  const node = hub.join("pi");
  const silent = Array.from({ length: MAX_AWAITING_HELLO_EACH }, () => hub.agent(node, null, "10.0.0.1"));
  expect(hub.link.isFull("10.0.0.1")).toBe(true);
  expect(hub.agent(node, {}, "10.0.0.1").closed?.code).toBe(CLOSE.goingAway);
  expect(hub.agent(node, {}, "10.0.0.2").all("welcome")).toHaveLength(1);
  silent[0]?.wire.far.close(1006, "gone");
  expect(hub.link.isFull("10.0.0.1")).toBe(false);
  expect(hub.agent(node, {}, "10.0.0.1").all("welcome")).toHaveLength(1);
  expect(hub.link.isFull("10.0.0.1")).toBe(false);
});

test("[L46] sessions live on while the disk is full; what was lost is asked for again when there is room", () => {
  const { hub, agent, node } = oneNode();
  const idle = hub.agent(hub.join("idle"));
  hub.disk.refuse = () => {
    throw new StoreError("full", "no space");
  };
  agent.say(events(1, 1));
  hub.clock.run(1_000);
  agent.say({ type: "beat", n: 1 });
  expect(agent.all("events-ack")).toEqual([]);
  expect(agent.all("beat-ack")).toHaveLength(1);
  expect(agent.closed).toBeNull();
  hub.disk.refuse = null;
  hub.clock.run(STORAGE_RETRY_MS);
  expect(agent.all("goodbye")).toHaveLength(1);
  expect(idle.closed).toBeNull();
  const again = hub.agent(node);
  again.say(events(1, 1));
  hub.clock.run(0);
  expect(again.all("events-ack")).toEqual([{ type: "events-ack", seq: 1 }]);
});

test("[L47] a rollout to many nodes reaches all of them, a few in each turn", () => {
  const hub = smallHub();
  const agents = Array.from({ length: 100 }, (_, index) => hub.agent(hub.join(`pi-${index}`)));
  hub.clock.run(0);
  hub.apply(web());
  hub.clock.run(0);
  expect(agents.filter((agent) => agent.all("assign").length === 1)).toHaveLength(100);
});

test("[L48] an assignment that is too large to send is said, and sent when it is smaller", () => {
  const { hub, agent, node } = oneNode();
  const services = Array.from({ length: 100 }, (_, index) => ({ name: `s${index}`, replicas: "global" as const }));
  const large = appSpec("shop", ...services);
  const padded = large.services.map((service) => ({
    ...service,
    container: { ...service.container, environment: Object.fromEntries(pad()) },
  }));
  hub.apply({ ...large, services: padded });
  hub.clock.run(0);
  expect(agent.all("assign")).toEqual([]);
  expect(agent.closed).toBeNull();
  expect(hub.eventKinds()).toContain("assignment-refused");
  hub.apply(web());
  hub.clock.run(0);
  expect(newestOffer(agent.got).position).toEqual(hub.loop.world.nodes.get(node)?.assigned);
});
const pad = (): [string, string][] => [
  ["PAD", "x".repeat(30_000)],
  ["MORE", "x".repeat(30_000)],
];
