// The node's side of the link, frame by frame and to the millisecond.

import { openMemoryLedger } from "@skerry/agent/ledger/memory.ts";
import type { LinkFailure } from "@skerry/agent/link/failure.ts";
import { plainStatus } from "@skerry/shared/model/plain.ts";
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import { helloText } from "@skerry/shared/protocol/proof.ts";
import { CLOSE, PROTOCOL_MINIMUM, PROTOCOL_VERSION } from "@skerry/shared/protocol/version.ts";
import { isSignedBy, publicKeyOf } from "@skerry/shared/runtime/signature.ts";
import { describe, expect, test } from "vitest";
import { anAssignment, anIdentity, WEB } from "../../contract/ledger-samples.ts";
import {
  assign,
  assignDelta,
  FRESH,
  type Kit,
  linkKit,
  NONCE,
  quiet,
  sealed,
  signedKept,
  theIdentity,
  welcome,
} from "./link-kit.ts";
import { settle } from "./manual-clock.ts";

const refused: LinkFailure = { kind: "refused", message: "nothing listens" };
const running = (health: "none" | "healthy"): WorkloadStatus => ({
  ...{ id: WEB, revision: 1, specHash: anAssignment(1).hash, forMs: 0, containerId: "c1", imageId: "i1", restarts: 0 },
  state: { kind: "running", health },
  ...plainStatus,
});

describe("greeting", () => {
  test("[K1] hello says who it is, its boot and run, and what its ledger holds, before anything else", async () => {
    const kit = linkKit();
    kit.ledger.commit([{ kind: "assignment", assignment: sealed(3), seal: null }]);
    kit.link.start();
    await settle();
    const { position, hash } = sealed(3);
    expect(kit.wire.sent).toEqual([
      {
        ...{
          type: "hello",
          protocol: PROTOCOL_VERSION,
          protocolMinimum: PROTOCOL_MINIMUM,
          node: anIdentity.node,
          signature: expect.any(String),
        },
        ...{ bootId: "boot-1", runId: "run-1", agentVersion: "1.0.0", have: { position, hash }, mark: null, pins: [] },
        fresh: FRESH,
      },
    ]);
  });

  test("[K82] it waits for the challenge, signs it with its own key, and says nothing that is secret", async () => {
    const kit = linkKit({ challenges: false });
    kit.link.start();
    await settle();
    expect(kit.wire.sent).toEqual([]);
    kit.wire.say({ type: "challenge", nonce: NONCE, binding: "none" });
    const [hello] = kit.wire.frames("hello");
    const { privateKey } = anIdentity;
    expect(isSignedBy(publicKeyOf(privateKey), helloText(anIdentity, NONCE, null), hello?.signature ?? "")).toBe(true);
    expect(
      isSignedBy(publicKeyOf(privateKey), helloText(anIdentity, "6".repeat(64), null), hello?.signature ?? ""),
    ).toBe(false);
    expect(JSON.stringify(kit.wire.sent)).not.toContain(privateKey);
    kit.wire.say({ type: "challenge", nonce: NONCE, binding: "none" });
    expect(kit.wire.closed?.code).toBe(CLOSE.protocolError);
    expect(kit.wire.frames("hello")).toHaveLength(1);
  });

  test("[K2] without a welcome in time, or with something else before it, the connection is given up and tried again", async () => {
    const kit = linkKit();
    kit.link.start();
    await kit.clock.pass(9_999);
    expect(kit.wire.closed).toBeNull();
    await kit.clock.pass(1);
    expect(kit.wire.closed?.code).toBe(CLOSE.tooSlow);
    await kit.clock.pass(60_000);
    expect(kit.wires.length).toBeGreaterThan(1);
    const other = linkKit();
    other.link.start();
    await settle();
    other.wire.say({ type: "beat-ack", n: 1 });
    expect(other.wire.closed?.code).toBe(CLOSE.protocolError);
  });

  test("[K3] a hub of another installation is refused, shows as a condition, and never changes the ledger", async () => {
    const kit = linkKit();
    kit.link.start();
    await settle();
    const commits = kit.disk.commits;
    // Another id that fits the schema.
    kit.wire.say(welcome({ installation: `i${"f".repeat(16)}` as typeof anIdentity.installation }));
    expect(kit.wire.closed).not.toBeNull();
    expect(kit.link.conditions().map(({ kind }) => kind)).toEqual(["wrong-installation"]);
    expect(kit.disk.commits).toBe(commits);
  });

  test.each([
    [PROTOCOL_VERSION + 1, "agent-too-old"],
    [1, "hub-too-old"],
  ])("[K4] a welcome in protocol %i is refused as %s", async (protocol, kind) => {
    const kit = linkKit();
    kit.link.start();
    await settle();
    kit.wire.say(welcome({ protocol }));
    expect(kit.wire.closed).not.toBeNull();
    expect(kit.link.status()).toMatchObject({ kind: "waiting", failure: { kind } });
  });
});

describe("beats", () => {
  test("[K5] the first beat follows the welcome at once, the others the period; a pace changes it, at once when it is faster", async () => {
    const kit = linkKit();
    const wire = await kit.connect(10_000);
    expect(wire.frames("beat").map(({ n }) => n)).toEqual([1]);
    wire.say({ type: "beat-ack", n: 1 });
    await kit.clock.pass(10_000);
    expect(wire.frames("beat").map(({ n }) => n)).toEqual([1, 2]);
    wire.say({ type: "beat-ack", n: 2 });
    wire.say({ type: "pace", heartbeatMs: 1_000 });
    expect(wire.frames("beat").map(({ n }) => n)).toEqual([1, 2, 3]);
    await kit.clock.pass(1_000);
    expect(wire.frames("beat").map(({ n }) => n)).toEqual([1, 2, 3, 4]);
    wire.say({ type: "pace", heartbeatMs: 2_000 });
    await kit.clock.pass(1_999);
    expect(wire.frames("beat").map(({ n }) => n)).toEqual([1, 2, 3, 4]);
    await kit.clock.pass(1);
    expect(wire.frames("beat").map(({ n }) => n)).toEqual([1, 2, 3, 4, 5]);
  });

  test("[K6] a connection on which nothing comes for two periods is given up", async () => {
    const kit = linkKit();
    const wire = await kit.connect(10_000);
    await kit.clock.pass(19_999);
    expect(wire.closed).toBeNull();
    await kit.clock.pass(1);
    expect(wire.closed?.code).toBe(CLOSE.tooSlow);
    expect(kit.link.state().connected).toBe(false);
  });

  test("[K7] the lease counts from when the acknowledged beat was sent, not from its answer", async () => {
    const kit = linkKit();
    const wire = await kit.connect(10_000);
    const sentAtMs = kit.clock.monotonicMs();
    await kit.clock.pass(700);
    wire.say({ type: "beat-ack", n: 1 });
    expect(kit.link.state().leaseFromMs).toBe(sentAtMs);
    expect(kit.woken).toContain("lease");
  });

  test("[K8] the lease is kept over a restart of the agent in the same boot, and only where something is fenced", async () => {
    const kit = linkKit({ lease: { bootId: "boot-1", leaseFromMs: 7 } });
    expect(kit.link.state().leaseFromMs).toBe(7);
    expect(linkKit({ lease: { bootId: "boot-0", leaseFromMs: 7 } }).link.state().leaseFromMs).toBeNull();
    const wire = await kit.connect();
    wire.say({ type: "beat-ack", n: 1 });
    expect(kit.saved).toEqual([]);
    const [web] = anAssignment(1).workloads;
    const fenced = web === undefined ? [] : [{ ...web, disconnect: { policy: "fence" as const, afterMs: 30_000 } }];
    kit.ledger.commit([{ kind: "assignment", assignment: sealed(1, { workloads: fenced }), seal: null }]);
    await kit.clock.pass(15_000);
    wire.say({ type: "beat-ack", n: 2 });
    expect(kit.saved).toEqual([{ bootId: "boot-1", leaseFromMs: kit.clock.monotonicMs() }]);
  });
});

describe("assignments", () => {
  test("[K9] accepted is said only once the ledger holds it, and wakes the reconciler", async () => {
    const kit = linkKit();
    const wire = await kit.connect();
    const durableWhenSaid: boolean[] = [];
    const send = wire.send.bind(wire);
    wire.send = (text) => {
      if (text.includes('"accepted"')) durableWhenSaid.push(kit.disk.content().assignment !== null);
      send(text);
    };
    wire.say(assign(sealed(1)));
    expect(durableWhenSaid).toEqual([true]);
    expect(wire.frames("accepted")).toEqual([{ type: "accepted", position: sealed(1).position, hash: sealed(1).hash }]);
    expect(kit.woken).toContain("assignment");
  });

  test.each(["full", "broken"] as const)(
    "[K10] when the ledger is %s the assignment is refused as not durable, what was held stays, and it is said as a condition",
    async (state) => {
      const kit = linkKit();
      kit.ledger.commit([{ kind: "assignment", assignment: sealed(1), seal: null }]);
      const wire = await kit.connect();
      kit.disk.onCommit = () => state;
      wire.say(assign(sealed(2)));
      expect(wire.frames("refused")[0]).toMatchObject({
        reason: "not-durable",
        have: { position: sealed(1).position },
      });
      expect(wire.frames("accepted")).toEqual([]);
      expect(kit.ledger.content().assignment?.position.generation).toBe(1);
      expect(kit.link.conditions().map(({ kind }) => kind)).toEqual(["disk-full"]);
      kit.disk.onCommit = () => "written";
      wire.say(assign(sealed(2)));
      expect(wire.frames("accepted")).toHaveLength(1);
      expect(kit.link.conditions()).toEqual([]);
    },
  );

  test("[K11] a stale one is refused with what is held, and one event tells of it however often it comes", async () => {
    const kit = linkKit();
    kit.ledger.commit([{ kind: "assignment", assignment: sealed(5), seal: null }]);
    const wire = await kit.connect();
    for (let time = 0; time < 3; time += 1) wire.say(assign(sealed(4)));
    expect(wire.frames("refused").map(({ reason }) => reason)).toEqual(["stale", "stale", "stale"]);
    expect(kit.ledger.content().outbox.filter(({ event }) => event.kind === "assignment-refused")).toHaveLength(1);
    expect(kit.link.conditions().map(({ kind }) => kind)).toEqual(["assignment-refused"]);
  });

  test("[K12] a delta that does not fit asks for the whole", async () => {
    const kit = linkKit();
    const wire = await kit.connect();
    const { installation, node, position, hash, apps, workloads } = sealed(2);
    wire.say(
      assignDelta({
        ...{ installation, node, position, hash, from: { epoch: 1, generation: 1 }, fromHash: hash },
        ...{ setApps: apps, unsetApps: [], setWorkloads: workloads, retired: [] },
      }),
    );
    expect(wire.frames("need-whole")).toEqual([{ type: "need-whole", have: null }]);
  });

  test("[K13] a frame that cannot be understood ends the connection with its reason, and changes nothing", async () => {
    const kit = linkKit();
    const wire = await kit.connect();
    wire.sayText('{"type":"assign","assignment":{"position":{"epoch":-1}}}');
    expect(wire.closed?.code).toBe(CLOSE.protocolError);
    expect(kit.link.status()).toMatchObject({ kind: "waiting", failure: { kind: "protocol" } });
    expect(kit.ledger.content().assignment).toBeNull();
  });
});

describe("events and reports", () => {
  const note = (kit: ReturnType<typeof linkKit>, count: number): void =>
    kit.ledger.commit(
      Array.from({ length: count }, (_, at) => ({
        ...{ kind: "event" as const, atMs: at, wallMs: at },
        event: { kind: "link-lost" as const, reason: String(at) },
      })),
    );

  test("[K14] events go out a page at a time, the next one after the acknowledgement, and none twice on one connection", async () => {
    const kit = linkKit();
    note(kit, 250);
    const wire = await kit.connect();
    expect(wire.frames("events").map(({ items }) => items.length)).toEqual([100]);
    kit.link.sendEvents();
    expect(wire.frames("events")).toHaveLength(1);
    wire.say({ type: "events-ack", seq: 100 });
    wire.say({ type: "events-ack", seq: 200 });
    wire.say({ type: "events-ack", seq: 250 });
    expect(wire.frames("events").map(({ items }) => items.length)).toEqual([100, 100, 50]);
    expect(kit.ledger.content().outbox).toEqual([]);
  });

  test("[K15] what was not acknowledged goes out again on the next connection; what the welcome acknowledges does not", async () => {
    const kit = linkKit();
    note(kit, 3);
    (await kit.connect()).end(1006);
    const wire = await kit.redial();
    wire.say(welcome({ eventsAcked: 2 }));
    expect(wire.frames("events").map(({ items }) => items.map(({ seq }) => seq))).toEqual([[3]]);
  });

  test("[K16] the first report of a connection is whole, and nothing is sent while nothing changes", async () => {
    const kit = linkKit();
    kit.told = { ...quiet, workloads: [running("none")] };
    const wire = await kit.connect();
    expect(wire.frames("report").map(({ report }) => report.whole)).toEqual([true]);
    for (let beat = 1; beat <= 20; beat += 1) {
      wire.say({ type: "beat-ack", n: beat });
      await kit.clock.pass(15_000);
    }
    expect(wire.frames("report")).toHaveLength(1);
    expect(wire.frames("events")).toHaveLength(0);
  });

  test("[K17] a turned state is told at once, at most four times a second; progress waits ten seconds, figures alone five minutes", async () => {
    const kit = linkKit();
    const wire = await kit.connect();
    await kit.clock.pass(1_000);
    const tell = async (told: typeof kit.told, ms: number): Promise<number> => {
      kit.told = told;
      kit.link.reportSoon();
      await kit.clock.pass(ms);
      return wire.frames("report").length;
    };
    expect(await tell({ ...quiet, workloads: [running("none")] }, 0)).toBe(2);
    expect(await tell({ ...quiet, workloads: [running("healthy")] }, 100)).toBe(2);
    expect(await tell({ ...quiet, workloads: [running("none")] }, 100)).toBe(2);
    expect(await tell({ ...quiet, workloads: [running("healthy")] }, 50)).toBe(3);
    const figures = {
      memoryAvailableBytes: 1,
      diskFreeBytes: 1,
      load1: 0,
      temperatureC: null,
      clockSynchronised: null,
    };
    expect(await tell({ ...kit.told, figures }, 9_000)).toBe(3);
    wire.say({ type: "beat-ack", n: 1 });
    expect(await tell(kit.told, 1_000)).toBe(4);
    const busier = { ...kit.told, figures: { ...figures, load1: 8 } };
    expect(await tell(busier, 14_000)).toBe(4);
    for (let beat = 2; beat <= 21; beat += 1) {
      wire.say({ type: "beat-ack", n: beat });
      await kit.clock.pass(15_000);
    }
    expect(wire.frames("report")).toHaveLength(5);
    expect(wire.frames("report").at(-1)?.report.figures?.load1).toBe(8);
  });

  test("[K18] a link that does not drain gets beats and nothing else", async () => {
    const kit = linkKit();
    const wire = await kit.connect();
    wire.buffered = 1_000_000;
    note(kit, 1);
    kit.link.sendEvents();
    kit.told = { ...quiet, workloads: [running("none")] };
    kit.link.reportSoon();
    wire.say({ type: "beat-ack", n: 1 });
    await kit.clock.pass(15_000);
    expect(wire.frames("events")).toHaveLength(0);
    expect(wire.frames("report")).toHaveLength(1);
    expect(wire.frames("beat")).toHaveLength(2);
    wire.buffered = 0;
    wire.say({ type: "beat-ack", n: 2 });
    await kit.clock.pass(15_000);
    expect(wire.frames("events")).toHaveLength(1);
    expect(wire.frames("report")).toHaveLength(2);
  });
});

describe("trying again", () => {
  test("[K19] tries follow full jitter from one second to a minute, five minutes where the link is metered", async () => {
    for (const [metered, capMs] of [
      [false, 60_000],
      [true, 300_000],
    ] as const) {
      const kit = linkKit({ metered });
      kit.failure = refused;
      kit.link.start();
      const delays: number[] = [];
      for (let attempt = 0; attempt < 12; attempt += 1) {
        await settle();
        delays.push(kit.clock.pending()[0] ?? 0);
        await kit.clock.pass(kit.clock.pending()[0] ?? 0);
      }
      const half = (ms: number): number => Math.min(ms, capMs) / 2;
      expect(delays).toEqual(delays.map((_, at) => half(1_000 * 2 ** at)));
    }
  });

  test("[K20] a goodbye is followed within the window that the hub named", async () => {
    const kit = linkKit();
    kit.chance = 0.25;
    const wire = await kit.connect();
    wire.say({ type: "goodbye", reason: "restart", reconnectWithinMs: 8_000 });
    expect(wire.closed).not.toBeNull();
    expect(kit.link.status()).toMatchObject({ kind: "waiting", failure: { kind: "goodbye" }, nextTryInMs: 2_000 });
  });

  test.each([
    [CLOSE.notAuthenticated, "not-authenticated"],
    [CLOSE.versionTooOld, "agent-too-old"],
    [CLOSE.versionTooNew, "hub-too-old"],
    [CLOSE.supersededByNewerConnection, "superseded"],
  ])("[K21] what does not pass by itself (close %i) is named, and tried again slowly", async (code, kind) => {
    const kit = linkKit();
    kit.chance = 0;
    const wire = await kit.connect();
    wire.end(code, "said the hub");
    expect(kit.link.status()).toMatchObject({ kind: "waiting", failure: { kind }, nextTryInMs: 30_000 });
  });

  test("[K22] a loss of some seconds is told as lost and back, with how long it was; a shorter one is not", async () => {
    const kit = linkKit();
    kit.chance = 0.999;
    const told = (): readonly string[] => kit.ledger.content().outbox.map(({ event }) => event.kind);
    (await kit.connect()).end(1006);
    await kit.clock.pass(1_000);
    kit.wire.say(welcome());
    expect(told()).toEqual([]);
    kit.failure = refused;
    kit.wire.end(1006);
    await kit.clock.pass(6_000);
    expect(told()).toEqual(["link-lost"]);
    kit.failure = null;
    (await kit.redial()).say(welcome());
    const last = kit.ledger.content().outbox.at(-1)?.event;
    expect(last?.kind).toBe("link-back");
    expect(last?.kind === "link-back" && last.downMs >= 6_000).toBe(true);
  });

  test("[K23] the attempts start over only after a connection that stood for a minute", async () => {
    const kit = linkKit();
    kit.chance = 0.999;
    for (let time = 0; time < 3; time += 1) {
      if (time === 0) await kit.connect();
      else kit.wire.say(welcome());
      kit.wire.end(1006);
      await kit.clock.pass(kit.clock.pending()[0] ?? 0);
    }
    kit.failure = refused;
    kit.wire.end(1006);
    expect(kit.link.status()).toMatchObject({ attempt: 4 });
  });

  test("[K24] a stopped link closes, sets no timer and dials no more", async () => {
    const kit = linkKit();
    const wire = await kit.connect();
    kit.link.stop();
    expect(wire.closed?.code).toBe(CLOSE.goingAway);
    expect(kit.clock.pending()).toEqual([]);
    await kit.clock.pass(600_000);
    expect(kit.wires).toHaveLength(1);
    expect(kit.ledger.content().lastHubContactWallMs).not.toBeNull();
  });
});

describe("the hub's key", () => {
  const [A, B] = ["a".repeat(64), "b".repeat(64)];
  const pinned = (kit: Kit, more: object = {}): void =>
    kit.ledger.commit([{ kind: "identity", identity: { ...theIdentity, pins: [A], ...more } }]);

  test("[K204] pins that the hub names are durable before the node says so, and are what the next dial is held to", async () => {
    const kit = linkKit();
    pinned(kit);
    kit.link.start();
    await settle();
    expect(kit.wire.frames("hello")[0]?.pins).toEqual([A]);
    kit.wire.say(welcome({ pins: [A, B] }));
    expect(kit.wire.frames("pins-kept").map(({ pins }) => pins)).toEqual([[A, B]]);
    expect(kit.ledger.content().identity?.pins).toEqual([A, B]);
    kit.wire.say({ type: "pins", pins: [B], count: 2, signature: signedKept({ pins: [B] }, 2) });
    expect(kit.wire.frames("pins-kept").at(-1)?.pins).toEqual([B]);
    expect(openMemoryLedger(kit.disk).ledger.content().identity?.pins).toEqual([B]);
    kit.wire.end(1006);
    await kit.redial();
    expect(kit.dialled.at(-1)).toMatchObject({ pins: [B] });
  });

  test("[K206] hello is bound to its connection, and a hub that once was bound is not believed otherwise", async () => {
    const kit = linkKit({ binding: B });
    pinned(kit);
    kit.link.start();
    await settle();
    const signature = kit.wire.frames("hello")[0]?.signature ?? "";
    const key = publicKeyOf(anIdentity.privateKey);
    expect(isSignedBy(key, helloText(anIdentity, NONCE, B), signature)).toBe(true);
    expect(isSignedBy(key, helloText(anIdentity, NONCE, null), signature)).toBe(false);
    kit.wire.say(welcome({ pins: [A] }));
    expect(kit.ledger.content().identity?.binding).toBe("tls-exporter");
    kit.wire.end(1006);
    kit.challenge = "none";
    const wire = await kit.redial();
    expect(wire.frames("hello")).toEqual([]);
    expect(kit.link.status()).toMatchObject({ kind: "waiting", failure: { kind: "wrong-key" } });
  });
});
