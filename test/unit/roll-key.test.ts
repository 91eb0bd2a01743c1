// Another key for a node, hub and agent in one process: at whichever frame or write the link, the agent or the hub breaks off, the node comes back by
// itself, is never taken for two machines, and ends with one key that both know; the former one then opens nothing.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Identity, Ledger } from "@skerry/agent/ledger/ledger.ts";
import { MemoryDisk, openMemoryLedger, PowerCutError } from "@skerry/agent/ledger/memory.ts";
import { openSqliteLedger } from "@skerry/agent/ledger/sqlite.ts";
import { createLink, type Link } from "@skerry/agent/link/link.ts";
import type { InstallationId } from "@skerry/shared/model/ids.ts";
import { keyTakenText, rollKeyText } from "@skerry/shared/protocol/hub-word.ts";
import { helloText, nextKeyText } from "@skerry/shared/protocol/proof.ts";
import { CLOSE } from "@skerry/shared/protocol/version.ts";
import { silentLog } from "@skerry/shared/runtime/log.ts";
import { seededRandom } from "@skerry/shared/runtime/random.ts";
import { publicKeyOf, signText } from "@skerry/shared/runtime/signature.ts";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openSqliteStore } from "../../hub/src/store/sqlite/store.ts";
import type { Store } from "../../hub/src/store/store.ts";
import { anIdentity } from "../contract/ledger-samples.ts";
import { quiet } from "./agent/link-kit.ts";
import { settle } from "./agent/manual-clock.ts";
import { type HandClock, handClock } from "./hub/hand-clock.ts";
import { HUB_KEY, keyOf, type SmallHub, smallHub } from "./hub/small-hub.ts";
import { wire } from "./hub/wire.ts";

type Breaks = "link" | "agent" | "hub";
/** `frame`: before the so manieth frame, of either side, is heard. `write`: at the so manieth commit of the agent's ledger. */
type Fault =
  | { readonly at: "frame"; readonly number: number; readonly breaks: Breaks }
  | { readonly at: "write"; readonly number: number; readonly kept: boolean };

const STEP_MS = 500;

/** What outlives agents and hubs: memory, or files in a folder. */
interface Disks {
  hub(): SmallHub;
  ledger(): Ledger;
  /** What the agent's disk holds, also while none runs. */
  identity(): Identity | null;
  /** Asked at each commit of the agent's; files have no faults of their own. */
  onWrite(ask: () => "written" | "cut-before" | "cut-after"): void;
}

function inMemory(): Disks {
  const disk = new MemoryDisk();
  let hub: SmallHub | null = null;
  return {
    hub: () => {
      hub = hub === null ? smallHub() : smallHub({}, hub.disk);
      return hub;
    },
    ledger: () => openMemoryLedger(disk).ledger,
    identity: () => disk.content().identity,
    onWrite: (ask) => {
      disk.onCommit = ask;
    },
  };
}

/** SQLite on both sides, and the identity's own two files. */
function inFiles(folder: string): Disks {
  const path = join(folder, "hub.sqlite");
  const first = () => ({ installation: "i00000000000000aa" as InstallationId, epoch: 1 });
  let store: Store | null = null;
  let ledger: Ledger | null = null;
  return {
    hub: () => {
      store?.close();
      store = openSqliteStore({ path, startedAtMs: 0, first });
      return smallHub({}, undefined, store);
    },
    ledger: () => {
      ledger?.close();
      ledger = openSqliteLedger({ folder: join(folder, "agent") }).ledger;
      return ledger;
    },
    identity: () => ledger?.content().identity ?? null,
    onWrite: () => undefined,
  };
}

class Pair {
  hub: SmallHub;
  readonly disks: Disks;
  readonly clock: HandClock = handClock();
  readonly random = seededRandom(11);
  readonly node: Identity["node"];
  frames = 0;
  writes = 0;
  faults: Fault[] = [];
  #ledger: Ledger | null = null;
  /** Of the agent that runs now: frames for an older one are heard by nobody. */
  #life = 0;
  #cut: () => void = () => undefined;

  constructor(disks: Disks = inMemory()) {
    this.disks = disks;
    this.hub = disks.hub();
    this.node = this.hub.join("pi");
    const { installation } = this.hub.loop.world;
    const hubKey = publicKeyOf(HUB_KEY);
    const identity = { ...anIdentity, installation, node: this.node, privateKey: keyOf("pi"), hubKey };
    disks.ledger().commit([{ kind: "identity", identity }]);
    disks.onWrite(() => {
      this.writes += 1;
      const fault = this.faults.find((one) => one.at === "write" && one.number === this.writes);
      return fault?.at !== "write" ? "written" : fault.kept ? "cut-after" : "cut-before";
    });
  }

  get identity(): Identity {
    const identity = this.disks.identity();
    if (identity === null) throw new Error("no identity");
    return identity;
  }

  start(): void {
    this.#life += 1;
    const ledger = this.disks.ledger();
    this.#ledger = ledger;
    this.#linkOf(ledger, this.#life).start();
  }

  stop(): void {
    this.#life += 1;
    // What is left of the agent that stops writes nothing any more.
    this.#ledger?.close();
    this.#cut();
  }

  restartHub(): void {
    this.hub.loop.stop();
    this.#cut();
    this.hub = this.disks.hub();
  }

  roll(): void {
    const rolled = this.hub.submit({ kind: "roll-node-key", node: this.node });
    if (!rolled.ok) throw new Error(JSON.stringify(rolled));
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      await settle();
      this.#guarded(this.#life, () => this.clock.run(STEP_MS));
      this.hub.clock.run(STEP_MS);
      await settle();
    }
  }

  isSettled(): boolean {
    const { world } = this.hub.loop;
    const node = world.nodes.get(this.node);
    const known = this.hub.store.publicKey(this.node);
    const isDone = node?.keyRoll.kind === "none" && this.identity.nextKey === null;
    return isDone && known === publicKeyOf(this.identity.privateKey) && this.hub.link.isConnected(this.node);
  }

  #linkOf(ledger: Ledger, life: number): Link {
    const { clock, random } = this;
    return createLink({
      ...{ clock, random, log: silentLog, ledger, identity: this.identity },
      ...{ bootId: "boot-1", runId: `run-${life}`, agentVersion: "t", metered: false },
      leases: { load: () => null, save: () => undefined },
      streams: { open: () => undefined, closeAll: () => undefined },
      told: () => quiet,
      wake: () => undefined,
      // One that is dead dials no more.
      dial: () => (life === this.#life ? Promise.resolve(this.#dial(life)) : new Promise(() => undefined)),
    });
  }

  #dial(life: number) {
    const line = wire();
    this.#cut = () => line.far.close(1006, "cut");
    const { hub } = this;
    const isHere = (): boolean => life === this.#life && hub === this.hub;
    const far = {
      ...{ buffered: 0, bufferedBytes: () => 0 },
      close: (code: number, reason: string) => line.far.close(code, reason),
      send: (text: string) => {
        if (isHere() && !this.#breaks()) line.far.send(text);
      },
      listen: (handlers: Parameters<typeof line.far.listen>[0]) => {
        line.far.listen({
          onFrame: (text) => {
            if (isHere() && !this.#breaks()) this.#guarded(life, () => handlers.onFrame(text));
          },
          onClose: (code, reason) => {
            if (life === this.#life) this.#guarded(life, () => handlers.onClose(code, reason));
          },
        });
        hub.link.attach(line.near, "test");
      },
    };
    return far;
  }

  /** true: this frame is lost, and what breaks has broken. */
  #breaks(): boolean {
    this.frames += 1;
    const fault = this.faults.find((one) => one.at === "frame" && one.number === this.frames);
    if (fault?.at !== "frame") return false;
    if (fault.breaks === "link") this.#cut();
    // Later, as a process does not fall over in the middle of a call of its own.
    else if (fault.breaks === "hub") queueMicrotask(() => this.restartHub());
    else this.#die();
    return true;
  }

  /** A power cut takes the agent, and it is started again. */
  #guarded(life: number, run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof PowerCutError)) throw error;
      if (life === this.#life) this.#die();
    }
  }

  #die(): void {
    this.#life += 1;
    this.#ledger?.close();
    const cut = this.#cut;
    queueMicrotask(() => {
      cut();
      this.start();
    });
  }
}

/** Connected, and then asked for another key; or asked while it is away. */
async function rolled(faults: readonly Fault[], away = false, disks = inMemory()): Promise<Pair> {
  const pair = new Pair(disks);
  if (!away) {
    pair.start();
    await pair.pass(2_000);
  }
  pair.frames = 0;
  pair.writes = 0;
  pair.faults = [...faults];
  pair.roll();
  if (away) pair.start();
  for (let waited = 0; waited < 300_000 && !pair.isSettled(); waited += 5_000) await pair.pass(5_000);
  return pair;
}

function expectRolled(pair: Pair, about: string): void {
  const first = publicKeyOf(keyOf("pi"));
  expect(pair.isSettled(), about).toBe(true);
  expect(pair.hub.store.publicKey(pair.node), about).not.toBe(first);
  expect(pair.hub.loop.world.nodes.get(pair.node)?.standing, about).toBe("member");
  expect(pair.hub.store.revokedKey(first), about).toMatchObject({ why: "replaced", node: pair.node });
  expect(pair.hub.eventKinds(), about).not.toContain("clone-detected");
}

describe("another key", () => {
  test("[H350] [L350] [K350] a node that is connected has another key at once, and one that is away when it is back", async () => {
    for (const away of [false, true]) {
      const pair = await rolled([], away);
      expectRolled(pair, `away ${away}`);
      expect(pair.identity).toMatchObject({ keyStep: 2, nextKey: null, labelSecret: expect.any(String) });
      expect(JSON.stringify(pair.identity)).not.toContain(keyOf("pi"));
    }
  });

  test("[H351] [K351] at whichever frame link, agent or hub breaks off, and at whichever write the power goes, it is done in the end", async () => {
    for (const away of [false, true]) {
      const { frames, writes } = await rolled([], away);
      // Roll-key, next-key, key-taken, and what connecting anew takes; the next key, and going over to it.
      expect([frames >= 7, writes >= 2]).toEqual([true, true]);
      for (let number = 1; number <= frames; number += 1)
        for (const breaks of ["link", "agent", "hub"] as const)
          expectRolled(await rolled([{ at: "frame", number, breaks }], away), `${breaks} at frame ${number}`);
      for (let number = 1; number <= writes; number += 1)
        for (const kept of [false, true])
          expectRolled(await rolled([{ at: "write", number, kept }], away), `write ${number}, kept ${kept}`);
    }
  });

  test("[H351] [K351] so it is with real files on both sides", async () => {
    const root = mkdtempSync(join(tmpdir(), "skerry-roll-"));
    let made = 0;
    const files = (): Disks => {
      made += 1;
      return inFiles(join(root, String(made)));
    };
    try {
      const { frames } = await rolled([], true, files());
      expect(frames).toBeGreaterThan(7);
      for (let number = 1; number <= frames; number += 1)
        for (const breaks of ["agent", "hub"] as const)
          expectRolled(await rolled([{ at: "frame", number, breaks }], true, files()), `${breaks} at frame ${number}`);
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  test("[H351] [K351] nor do several faults in a row leave it outside", async () => {
    const number = fc.integer({ min: 1, max: 40 });
    const fault: fc.Arbitrary<Fault> = fc.oneof(
      fc.record({
        at: fc.constant("frame" as const),
        number,
        breaks: fc.constantFrom("link" as const, "agent" as const, "hub" as const),
      }),
      fc.record({ at: fc.constant("write" as const), number: fc.integer({ min: 1, max: 12 }), kept: fc.boolean() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fault, { maxLength: 8 }), fc.boolean(), async (faults, away) => {
        expectRolled(await rolled(faults, away), JSON.stringify(faults));
      }),
      { numRuns: 30, seed: 20_261_122 },
    );
  });

  test("[L351] [H352] the former key opens nothing afterwards: who shows it is told so, is no clone, and one event tells of it", async () => {
    const pair = await rolled([]);
    const { hub, node } = pair;
    for (let time = 0; time < 3; time += 1) {
      const thief = hub.agent(node, { runId: `thief-${time}` });
      expect(thief.closed).toMatchObject({ code: CLOSE.revoked, reason: expect.stringContaining("another key") });
    }
    expect(hub.eventKinds().filter((kind) => kind === "former-key-shown")).toHaveLength(1);
    expect(hub.eventKinds()).not.toContain("clone-detected");
    expect(pair.isSettled()).toBe(true);
    const join = { kind: "join-node", publicKey: publicKeyOf(keyOf("pi")), name: "again" as never } as const;
    const again = hub.submit({ ...join, labels: {}, facts: null, tokenId: "t1" });
    expect(again).toMatchObject({ ok: false, error: { refusal: { code: "key-revoked" } } });
  });

  test.each(["the one that had gone over", "the other"])(
    "[H353] a machine that names another next key than was named before is another machine: the node is frozen, and may be %s again",
    async (whose) => {
      // The node goes over, and is cut off before it shows the new key.
      const pair = new Pair();
      pair.start();
      await pair.pass(2_000);
      const copied = pair.identity;
      pair.roll();
      pair.hub.clock.run(0);
      expect(pair.hub.loop.world.nodes.get(pair.node)?.keyRoll.kind).toBe("named");
      pair.stop();
      pair.hub.clock.run(120_000);
      const gone = pair.identity;
      const disk = (identity: Identity): void => pair.disks.ledger().commit([{ kind: "identity", identity }]);
      disk(copied);
      pair.start();
      await pair.pass(5_000);
      expect(pair.hub.loop.world.nodes.get(pair.node)).toMatchObject({
        standing: "frozen",
        keyRoll: { kind: "named" },
      });
      expect(pair.hub.eventKinds()).toContain("clone-detected");
      // Whichever connects first after the freeze is the node, by either key.
      pair.stop();
      if (whose === "the one that had gone over") disk(gone);
      expect(pair.hub.submit({ kind: "unfreeze-node", node: pair.node }).ok).toBe(true);
      pair.start();
      await pair.pass(90_000);
      expect(pair.isSettled()).toBe(true);
      expect(publicKeyOf(pair.identity.privateKey)).toBe(pair.hub.store.publicKey(pair.node));
    },
  );

  test("[H354] a frozen node gets no other key, and a revoked one loses the next one, too", async () => {
    const pair = new Pair();
    pair.start();
    await pair.pass(2_000);
    pair.roll();
    pair.hub.clock.run(0);
    pair.stop();
    const { nextKey, privateKey } = pair.identity;
    pair.hub.loop.freeze(pair.node);
    expect(pair.hub.submit({ kind: "roll-node-key", node: pair.node })).toMatchObject({
      ok: false,
      error: { refusal: { code: "invalid", message: expect.stringContaining("frozen") } },
    });
    pair.hub.submit({ kind: "revoke-node", node: pair.node });
    const next = pair.hub.store.revokedKeysOf(pair.node).map(({ publicKey, why }) => [publicKey, why]);
    expect(next).toHaveLength(2);
    expect(next).toContainEqual([publicKeyOf(nextKey ?? privateKey), "revoked"]);
  });

  test("[H350] asking again changes nothing, and what is done may be asked for anew", async () => {
    const pair = await rolled([]);
    const before = pair.hub.store.publicKey(pair.node);
    pair.stop();
    pair.roll();
    const { seq } = pair.hub.loop.world;
    expect(pair.hub.submit({ kind: "roll-node-key", node: pair.node })).toMatchObject({
      ok: true,
      value: { isChange: false, outcome: { changed: false } },
    });
    expect(pair.hub.loop.world.seq).toBe(seq);
    pair.start();
    await pair.pass(120_000);
    expect(pair.isSettled()).toBe(true);
    expect(pair.hub.store.publicKey(pair.node)).not.toBe(before);
    expect(pair.identity.formerBoxKeys).toHaveLength(2);
  });
});

describe("words about keys", () => {
  const texts = (key: string) => [
    rollKeyText(anIdentity, publicKeyOf(key)),
    keyTakenText(anIdentity, publicKeyOf(key), publicKeyOf("cd".repeat(32))),
  ];

  test("[L350] the hub's wish and its word are of one key and one purpose", () => {
    expect(new Set([...texts("ab".repeat(32)), ...texts("12".repeat(32))]).size).toBe(4);
  });

  test("[L352] the hub takes a next key only with the signatures of both, of this connection, and one that no node has or had", () => {
    const [present, next, other] = [keyOf("pi"), "cd".repeat(32), "ef".repeat(32)];
    const named = (by: readonly [string, string], more: { key?: string; nonce?: string } = {}) => {
      const hub = smallHub();
      const node = hub.join("pi");
      const agent = hub.agent(node);
      const taken = hub.join("other");
      expect(taken).not.toBe(node);
      hub.submit({ kind: "roll-node-key", node });
      hub.clock.run(0);
      const publicKey = publicKeyOf(more.key ?? next);
      const nonce = more.nonce ?? agent.all("challenge")[0]?.nonce ?? "";
      const signer = { installation: hub.loop.world.installation, node };
      const text = nextKeyText(signer, { from: publicKeyOf(present), to: publicKey }, nonce, null);
      const [byPresent, byNext] = [signText(by[0], text), signText(by[1], text)];
      agent.say({ type: "next-key", publicKey, byPresent, byNext });
      hub.clock.run(0);
      const { keyRoll } = hub.loop.world.nodes.get(node) ?? {};
      return [keyRoll?.kind, agent.all("key-taken").length, agent.closed?.code ?? null];
    };
    expect(named([present, next])).toEqual(["named", 1, null]);
    const refused = ["asked", 0, CLOSE.protocolError];
    expect(named([other, next])).toEqual(refused);
    expect(named([present, other])).toEqual(refused);
    expect(named([present, next], { nonce: "0".repeat(64) })).toEqual(refused);
    expect(named([present, present], { key: present })).toEqual(refused);
    expect(named([present, keyOf("other")], { key: keyOf("other") })).toEqual(refused);
  });

  test("[L352] two nodes that name one key are both refused, and the hub goes on", () => {
    const hub = smallHub();
    const nodes = ["a", "b"].map((name) => ({ name, node: hub.join(name) }));
    const next = "cd".repeat(32);
    const agents = nodes.map(({ name, node }) => ({ name, node, agent: hub.agent(node) }));
    for (const { node } of nodes) hub.submit({ kind: "roll-node-key", node });
    hub.clock.run(0);
    for (const { name, node, agent } of agents) {
      const signer = { installation: hub.loop.world.installation, node };
      const between = { from: publicKeyOf(keyOf(name)), to: publicKeyOf(next) };
      const text = nextKeyText(signer, between, agent.all("challenge")[0]?.nonce ?? "", null);
      const signatures = { byPresent: signText(keyOf(name), text), byNext: signText(next, text) };
      agent.say({ type: "next-key", publicKey: between.to, ...signatures });
    }
    hub.clock.run(0);
    // In one commit: neither saw the other.
    expect(nodes.map(({ node }) => hub.loop.world.nodes.get(node)?.keyRoll.kind)).toEqual(["named", "named"]);
    for (const { node } of nodes) {
      const agent = hub.agent(node, null);
      const [nonce = ""] = agent.all("challenge").map((one) => one.nonce);
      const text = helloText({ installation: hub.loop.world.installation, node }, nonce, null);
      agent.say({
        ...{ type: "hello", protocol: 3, protocolMinimum: 3, node, signature: signText(next, text) },
        ...{ bootId: "boot-1", runId: "run-1", agentVersion: "t", have: null, mark: null },
      });
      hub.clock.run(0);
      expect(agent.closed?.code).toBe(CLOSE.protocolError);
    }
    expect(hub.loop.storage()).toEqual({ kind: "ok" });
  });
});
