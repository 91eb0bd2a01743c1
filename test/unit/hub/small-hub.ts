// A hub in memory for unit tests: the real control loop, store contract and link server on a clock that is moved by hand, and agents
// that say what a test tells them to.

import type { AppSpec } from "@skerry/shared/model/app.ts";
import type { InstallationId, NodeId, NodeName, SpecHash } from "@skerry/shared/model/ids.ts";
import { decodeToAgent, encodeToHub } from "@skerry/shared/protocol/codec.ts";
import { helloText } from "@skerry/shared/protocol/proof.ts";
import type { ToAgent } from "@skerry/shared/protocol/to-agent.ts";
import type { Hello, ToHub } from "@skerry/shared/protocol/to-hub.ts";
import { PROTOCOL_MINIMUM, PROTOCOL_VERSION } from "@skerry/shared/protocol/version.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import { silentLog } from "@skerry/shared/runtime/log.ts";
import { seededRandom } from "@skerry/shared/runtime/random.ts";
import { publicKeyOf, signText } from "@skerry/shared/runtime/signature.ts";
import { type ControlLoop, createControlLoop } from "../../../hub/src/control-loop.ts";
import type { Command } from "../../../hub/src/core/command.ts";
import { DEFAULT_SETTINGS } from "../../../hub/src/core/decide.ts";
import type { Have } from "../../../hub/src/link/dispatch.ts";
import { createLinkServer, type LinkServer, type LinkServerOptions } from "../../../hub/src/link/server.ts";
import { createMemoryDisk, openMemoryStore } from "../../../hub/src/store/memory.ts";
import type { Store } from "../../../hub/src/store/store.ts";
import { type HandClock, handClock } from "./hand-clock.ts";
import { ORIGIN } from "./origin.ts";
import { facts } from "./scenario.ts";
import { type Wire, wire } from "./wire.ts";

export interface SmallHub {
  readonly clock: HandClock;
  readonly disk: ReturnType<typeof createMemoryDisk>;
  readonly store: Store;
  readonly loop: ControlLoop;
  readonly link: LinkServer;
  submit(command: Command): ReturnType<ControlLoop["submit"]>;
  apply(spec: AppSpec): void;
  join(name: string, labels?: Readonly<Record<string, string>>): NodeId;
  /** Connects from this address, and says hello unless told otherwise. */
  agent(node: NodeId, hello?: Partial<Hello> | null, from?: string): FakeAgent;
  /** Everything durable, as one kind a line. */
  eventKinds(): string[];
}

export interface FakeAgent {
  readonly node: NodeId;
  readonly wire: Wire;
  readonly got: ToAgent[];
  closed: { readonly code: number; readonly reason: string } | null;
  say(frame: ToHub): void;
  raw(text: string): void;
  /** What a node has to sign on this connection. */
  toSign(node: NodeId): string;
  /** The frames of one type, in order. */
  all<T extends ToAgent["type"]>(type: T): Extract<ToAgent, { readonly type: T }>[];
  /** Accepts the newest assignment that was sent whole or as a delta. */
  accept(): void;
}

/** The hub's private signing key. */
export const HUB_KEY = "5a".repeat(32);
/** The private key of a node of this name. */
export const keyOf = (name: string): string => sha256Hex(`key of ${name}`);
/** Brand: sha256 as hex. */
const hashOf = (text: string): SpecHash => sha256Hex(text) as SpecHash;

export function smallHub(
  options: Partial<LinkServerOptions> = {},
  disk = createMemoryDisk({ installation: "i00000000000000aa" as InstallationId, epoch: 1 }),
  store: Store = openMemoryStore(disk),
): SmallHub {
  const clock = handClock();
  const random = seededRandom(7);
  const loop = createControlLoop({ clock, random, log: silentLog, store, settings: DEFAULT_SETTINGS });
  loop.start();
  const link = createLinkServer({
    ...{ clock, random, log: silentLog, hub: loop, hubVersion: "t" },
    publicKey: (node) => store.publicKey(node),
    revokedKeys: (node) => store.revokedKeysOf(node),
    sign: (text) => signText(HUB_KEY, text),
    ...options,
  });
  const submit = (command: Command) =>
    loop.submit(command, {
      actor: "admin",
      origin: ORIGIN,
      freshToken: { id: "t1", secretHash: hashOf("t1") },
      idempotency: null,
    });
  const done = (command: Command) => {
    const result = submit(command);
    assert(result.ok, `refused: ${JSON.stringify(result)}`);
    return result.value.outcome;
  };
  if (store.tokens().length === 0)
    done({ kind: "create-token", uses: 1_000, expiresInMs: 1e9, labels: {}, approval: false });
  const names = new Map<NodeId, string>();
  return {
    clock,
    disk,
    store,
    loop,
    link,
    submit,
    apply: (spec) => void done({ kind: "apply-app", retry: false, force: false, spec, source: "", ifRevision: null }),
    join(name, labels = {}) {
      const outcome = done({
        kind: "join-node",
        publicKey: publicKeyOf(keyOf(name)),
        // A valid name by eye.
        name: name as NodeName,
        labels,
        facts: { ...facts, hostname: name },
        tokenId: "t1",
      });
      assert(outcome.kind === "node-joined", "joined");
      names.set(outcome.node, name);
      return outcome.node;
    },
    agent(node, hello = {}, from = "test") {
      const agent = fakeAgent(node, loop.world.installation);
      link.attach(agent.wire.near, from);
      if (hello !== null) {
        const key = keyOf(names.get(node) ?? "?");
        agent.say({ ...helloOf(node), signature: signText(key, agent.toSign(hello.node ?? node)), ...hello });
      }
      clock.run(0);
      return agent;
    },
    eventKinds: () =>
      store
        .events({ app: null, node: null, workload: null, afterId: null, limit: 1_000, within: null })
        .map(({ event }) => event.event.kind),
  };
}

const helloOf = (node: NodeId): Hello => ({
  type: "hello",
  protocol: PROTOCOL_VERSION,
  protocolMinimum: PROTOCOL_MINIMUM,
  node,
  bootId: "boot-1",
  runId: "run-1",
  agentVersion: "t",
  have: null,
  mark: null,
});

function fakeAgent(node: NodeId, installation: InstallationId): FakeAgent {
  const line = wire();
  const agent: FakeAgent = {
    node,
    wire: line,
    got: [],
    closed: null,
    say: (frame) => line.far.send(encodeToHub(frame)),
    raw: (text) => line.far.send(text),
    toSign: (of) => helloText({ installation, node: of }, agent.all("challenge")[0]?.nonce ?? "", null),
    // The filter's condition is the type's.
    all: (type) => agent.got.filter((frame) => frame.type === type) as never,
    accept() {
      const offered = newestOffer(agent.got);
      agent.say({ type: "accepted", position: offered.position, hash: offered.hash });
    },
  };
  line.far.listen({
    onFrame(text) {
      const decoded = decodeToAgent(text);
      assert(decoded.ok, `hub sent what an agent cannot read: ${text}`);
      agent.got.push(decoded.value);
    },
    onClose(code, reason) {
      agent.closed = { code, reason };
    },
  });
  return agent;
}

export function newestOffer(got: readonly ToAgent[]): Have {
  let newest: Have | null = null;
  for (const frame of got) {
    if (frame.type === "assign") newest = frame.assignment;
    if (frame.type === "assign-delta") newest = frame.delta;
  }
  assert(newest !== null, "nothing was offered");
  return newest;
}
