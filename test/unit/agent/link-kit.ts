// A link on a manual clock, and the hub's end of its wires in the test's hands.

import type { SavedLease } from "@skerry/agent/core/link-state.ts";
import type { Told } from "@skerry/agent/core/report.ts";
import type { Identity, Ledger } from "@skerry/agent/ledger/ledger.ts";
import { MemoryDisk, openMemoryLedger } from "@skerry/agent/ledger/memory.ts";
import { type Dial, DialError, type LinkFailure } from "@skerry/agent/link/failure.ts";
import { createLink, type Link, type LinkParts } from "@skerry/agent/link/link.ts";
import type { Assignment, AssignmentDelta } from "@skerry/shared/model/assignment.ts";
import type { Mark } from "@skerry/shared/model/mark.ts";
import { assignmentHash } from "@skerry/shared/protocol/assignment-digest.ts";
import { decodeToHub, encodeToAgent } from "@skerry/shared/protocol/codec.ts";
import type { Connection, ConnectionHandlers } from "@skerry/shared/protocol/connection.ts";
import { keptText } from "@skerry/shared/protocol/hub-word.ts";
import { assignmentText } from "@skerry/shared/protocol/signed-assignment.ts";
import type { ToAgent } from "@skerry/shared/protocol/to-agent.ts";
import type { ToHub } from "@skerry/shared/protocol/to-hub.ts";
import { PROTOCOL_VERSION } from "@skerry/shared/protocol/version.ts";
import { silentLog } from "@skerry/shared/runtime/log.ts";
import { publicKeyOf, signText } from "@skerry/shared/runtime/signature.ts";
import { anAssignment, anIdentity } from "../../contract/ledger-samples.ts";
import { ManualClock, settle } from "./manual-clock.ts";

/** The signing key of the hub at the other end of the wires. */
export const HUB_PRIVATE_KEY = "ab".repeat(32);
export const theIdentity: Identity = { ...anIdentity, hubKey: publicKeyOf(HUB_PRIVATE_KEY) };
export const NONCE = "5".repeat(64);

export class Wire implements Connection {
  readonly sent: ToHub[] = [];
  buffered = 0;
  closed: { readonly code: number; readonly reason: string } | null = null;
  #handlers: ConnectionHandlers | null = null;
  readonly binding?: string;
  readonly #challenge: "tls-exporter" | "none" | null;

  /** `challenge`: said as soon as somebody listens, as a hub does; null: not said. */
  constructor(challenge: "tls-exporter" | "none" | null, binding: string | null) {
    this.#challenge = challenge;
    if (binding !== null) this.binding = binding;
  }

  send(text: string): void {
    const decoded = decodeToHub(text);
    if (!decoded.ok) throw new Error(`the agent sent what a hub does not take: ${decoded.error}`);
    this.sent.push(decoded.value);
  }

  bufferedBytes(): number {
    return this.buffered;
  }

  close(code: number, reason: string): void {
    this.closed ??= { code, reason };
  }

  listen(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
    if (this.#challenge !== null) this.say({ type: "challenge", nonce: NONCE, binding: this.#challenge });
  }

  say(message: ToAgent): void {
    this.#handlers?.onFrame(encodeToAgent(message));
  }

  sayText(text: string): void {
    this.#handlers?.onFrame(text);
  }

  /** As the hub or the network ends it. */
  end(code: number, reason = ""): void {
    this.#handlers?.onClose(code, reason);
  }

  /** Frames of one type, oldest first. */
  frames<T extends ToHub["type"]>(type: T): readonly Extract<ToHub, { type: T }>[] {
    return this.sent.filter((frame): frame is Extract<ToHub, { type: T }> => frame.type === type);
  }
}

export interface Kit {
  readonly clock: ManualClock;
  readonly link: Link;
  readonly ledger: Ledger;
  readonly disk: MemoryDisk;
  readonly wires: Wire[];
  /** What was asked of each dial. */
  readonly dialled: Parameters<Dial>[0][];
  challenge: "tls-exporter" | "none";
  /** For which a stream socket was to be dialled. */
  readonly tickets: string[];
  readonly woken: string[];
  readonly saved: SavedLease[];
  /** What the next dials find; a wire when null. */
  failure: LinkFailure | null;
  told: Told;
  chance: number;
  readonly wire: Wire;
  /** Starts it and says welcome. */
  connect(heartbeatMs?: number): Promise<Wire>;
  /** Lets time pass until it has dialled again, and not longer. */
  redial(): Promise<Wire>;
}

export const quiet: Told = {
  observed: { epoch: 0, generation: 0 },
  workloads: [],
  facts: null,
  figures: null,
  ports: [],
  conditions: [],
};

export interface KitOptions {
  readonly metered?: boolean;
  readonly lease?: SavedLease;
  readonly challenges?: boolean;
  readonly identity?: Identity;
  readonly values?: LinkParts["values"];
  /** Of its connections; none: no TLS. */
  readonly binding?: string;
}

export function linkKit(options: KitOptions = {}): Kit {
  const clock = new ManualClock();
  const identity = options.identity ?? theIdentity;
  const disk = new MemoryDisk();
  const { ledger } = openMemoryLedger(disk);
  ledger.commit([
    { kind: "identity", identity },
    { kind: "boot", bootId: "boot-1" },
  ]);
  const wires: Wire[] = [];
  const kit: { -readonly [K in keyof Kit]: Kit[K] } & { link: Link } = {
    ...{ tickets: [], dialled: [], challenge: options.binding === undefined ? "none" : "tls-exporter" },
    ...{ clock, ledger, disk, wires, woken: [], saved: [], failure: null, told: quiet, chance: 0.5 },
    link: createLink({
      streams: { open: (ticket) => kit.tickets.push(ticket), closeAll: () => undefined },
      ...{ clock, ledger, log: silentLog, identity, bootId: "boot-1", runId: "run-1" },
      random: { next: () => kit.chance, hex: (bytes) => "7".repeat(2 * bytes) },
      dial: (hub) => {
        kit.dialled.push(hub);
        if (kit.failure !== null) return Promise.reject(new DialError(kit.failure));
        const wire = new Wire(options.challenges === false ? null : kit.challenge, options.binding ?? null);
        wires.push(wire);
        return Promise.resolve(wire);
      },
      agentVersion: "1.0.0",
      metered: options.metered ?? false,
      leases: { load: () => options.lease ?? null, save: (lease) => kit.saved.push(lease) },
      told: () => kit.told,
      wake: (reason) => kit.woken.push(reason),
      values: options.values,
    }),
    get wire() {
      const wire = wires.at(-1);
      if (wire === undefined) throw new Error("nothing was dialled");
      return wire;
    },
    async connect(heartbeatMs = 15_000) {
      kit.link.start();
      await settle();
      kit.wire.say(welcome({ heartbeatMs }));
      return kit.wire;
    },
    async redial() {
      for (const before = wires.length; wires.length === before; ) await clock.pass(clock.pending()[0] ?? 0);
      return kit.wire;
    },
  };
  return kit;
}

export function welcome(more: Partial<Extract<ToAgent, { type: "welcome" }>> = {}): ToAgent {
  const { installation } = anIdentity;
  const usual = {
    protocol: PROTOCOL_VERSION,
    installation,
    hubVersion: "1.0.0",
    heartbeatMs: 15_000,
    eventsAcked: 0,
    mark: null,
  };
  const signed = more.mark === undefined && more.pins === undefined ? {} : { signature: signedKept(more) };
  return { type: "welcome", ...usual, ...signed, ...more };
}

/** What the agent says anew on each connection. */
export const FRESH = "7".repeat(32);

/** As a hub with this key signs what is to be kept, the so manieth on its connection. */
export function signedKept(
  more: { readonly pins?: string[] | undefined; readonly mark?: Mark | null },
  count = 1,
  key = HUB_PRIVATE_KEY,
  fresh = FRESH,
): string {
  const { pins = null, mark = null } = more;
  return signText(key, keptText(anIdentity, { fresh, count }, pins, mark));
}

/** With the hash that its content has. */
export function sealed(generation: number, more: Partial<Assignment> = {}): Assignment {
  const assignment = { ...anAssignment(generation), ...more };
  return { ...assignment, hash: assignmentHash(assignment) };
}

/** As the hub says it. */
export const assign = (assignment: Assignment, key = HUB_PRIVATE_KEY): ToAgent => ({
  type: "assign",
  assignment,
  signature: signText(key, assignmentText(assignment)),
});

export const assignDelta = (delta: AssignmentDelta, key = HUB_PRIVATE_KEY): ToAgent => ({
  type: "assign-delta",
  delta,
  signature: signText(key, assignmentText(delta)),
});
