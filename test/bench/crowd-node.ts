// One simulated node: it runs no containers, and says and checks what an agent does. By the product's own code it takes the hub by its pin
// alone, signs the challenge with its key bound to the TLS connection, and checks the signature of each assignment. It does not hash an
// assignment's content anew, which an agent does; what it holds is in memory.
import { randomBytes } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { Assignment, AssignmentDelta, Position, Workload } from "@skerry/shared/model/assignment.ts";
import type { PublicKey, SpecHash } from "@skerry/shared/model/ids.ts";
import { tlsBinding } from "@skerry/shared/protocol/binding.ts";
import { decodeToAgent, encodeToHub } from "@skerry/shared/protocol/codec.ts";
import { connectPinned, pinnedContext } from "@skerry/shared/protocol/pinned-socket.ts";
import { helloText, type Signer } from "@skerry/shared/protocol/proof.ts";
import { assignmentText } from "@skerry/shared/protocol/signed-assignment.ts";
import type { ToAgent } from "@skerry/shared/protocol/to-agent.ts";
import type { ToHub } from "@skerry/shared/protocol/to-hub.ts";
import { PROTOCOL_MINIMUM, PROTOCOL_VERSION, RECONNECT_CAP_MS } from "@skerry/shared/protocol/version.ts";
import { fullJitterMs } from "@skerry/shared/runtime/backoff.ts";
import { isSignedBy, signText } from "@skerry/shared/runtime/signature.ts";
import WebSocket from "ws";
import { reportOf } from "./crowd-words.ts";

/** As an agent's. */
const BACKOFF = { baseMs: 1_000, capMs: RECONNECT_CAP_MS };
const HANDSHAKE_MS = 20_000;
const context = pinnedContext();

export interface HubDoor {
  readonly host: string;
  readonly port: number;
  readonly pins: readonly string[];
}

/** From a loopback address of the node's own, as nodes come from many: the hub has limits for each. */
export async function dialHub(door: HubDoor, number: number): Promise<TLSSocket> {
  const from = `127.1.${number >> 8}.${number & 255}`;
  return (await connectPinned({ ...door, localAddress: from }, context, HANDSHAKE_MS)).socket;
}

export interface NodeParts {
  readonly door: HubDoor;
  readonly signer: Signer;
  readonly privateKey: string;
  /** By which the hub signs assignments. */
  readonly hubKey: PublicKey;
  readonly number: number;
  /** Of each frame, in either direction. */
  readonly onBytes: (bytes: number) => void;
  readonly onAccepted: (workloads: number, revision: number) => void;
  /** Closed by the hub, or by nobody that was asked. */
  readonly onLost: (reason: string) => void;
}

export class CrowdNode {
  readonly #parts: NodeParts;
  readonly #bootId = randomBytes(8).toString("hex");
  readonly #runId = randomBytes(8).toString("hex");
  readonly #held = new Map<string, Workload>();
  #have: { readonly position: Position; readonly hash: SpecHash } | null = null;
  #mark: Extract<ToAgent, { type: "welcome" }>["mark"] = null;
  #socket: WebSocket | null = null;
  #heart: NodeJS.Timeout | undefined;
  #beats = 0;
  /** What it was told to start, to replace or to remove, over all. */
  actions = 0;

  constructor(parts: NodeParts) {
    this.#parts = parts;
  }

  /** The line is cut: no goodbye in either direction. */
  cut(): void {
    clearInterval(this.#heart);
    this.#socket?.removeAllListeners();
    this.#socket?.on("error", () => undefined);
    this.#socket?.terminate();
  }

  /** Until it is back, as an agent does. Returns how many tries that took. */
  async comeBack(): Promise<number> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.dial();
        return attempt;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, fullJitterMs(BACKOFF, attempt, Math.random())));
      }
    }
  }

  /** Resolves when it was welcomed, has told what it runs, and a beat of it was answered. */
  async dial(): Promise<void> {
    const { door, number } = this.#parts;
    const wire = await dialHub(door, number);
    const binding = tlsBinding(wire);
    const socket = new WebSocket(`ws://${door.host}:${door.port}/v1/agent`, {
      perMessageDeflate: false,
      createConnection: () => wire,
    });
    this.#socket = socket;
    await new Promise<void>((resolve, reject) => {
      let isUp = false;
      socket.on("error", reject);
      socket.on("close", (code, reason) => {
        clearInterval(this.#heart);
        const words = `node ${number} was closed: ${code} ${reason.toString("utf8")}`;
        if (isUp) this.#parts.onLost(words);
        else reject(new Error(words));
      });
      socket.on("message", (data) => {
        const text = data.toString();
        this.#parts.onBytes(Buffer.byteLength(text));
        const decoded = decodeToAgent(text);
        if (!decoded.ok) return reject(new Error(decoded.error));
        if (decoded.value.type === "beat-ack") {
          isUp = true;
          resolve();
        }
        this.#hear(decoded.value, binding);
      });
    });
  }

  #hear(message: ToAgent, binding: string): void {
    switch (message.type) {
      case "challenge":
        return this.#say(this.#hello(message.nonce, binding));
      case "welcome":
        if (message.mark !== null) {
          this.#mark = message.mark;
          this.#say({ type: "marked", mark: message.mark });
        }
        this.#report(true);
        this.#beat();
        return this.#beatEvery(message.heartbeatMs);
      case "pace":
        return this.#beatEvery(message.heartbeatMs);
      case "assign":
        this.#checkSigned(message.assignment, message.signature);
        return this.#take(message.assignment, message.assignment.workloads, message.assignment.retired);
      case "assign-delta":
        this.#checkSigned(message.delta, message.signature);
        return this.#take(message.delta, message.delta.setWorkloads, message.delta.retired);
      default:
        return;
    }
  }

  #hello(nonce: string, binding: string): ToHub {
    const { signer, privateKey } = this.#parts;
    return {
      type: "hello",
      protocol: PROTOCOL_VERSION,
      protocolMinimum: PROTOCOL_MINIMUM,
      node: signer.node,
      signature: signText(privateKey, helloText(signer, nonce, binding)),
      bootId: this.#bootId,
      runId: this.#runId,
      agentVersion: "0.0.0-crowd",
      have: this.#have,
      mark: this.#mark,
    };
  }

  #checkSigned(head: Assignment | AssignmentDelta, signature: string | undefined): void {
    if (!isSignedBy(this.#parts.hubKey, assignmentText(head), signature ?? ""))
      throw new Error(`what node ${this.#parts.number} was given is not signed by its hub`);
  }

  #take(
    { position, hash }: Assignment | AssignmentDelta,
    workloads: readonly Workload[],
    retired: Assignment["retired"],
  ): void {
    for (const { id } of retired) if (this.#held.delete(id)) this.actions += 1;
    for (const workload of workloads) {
      if (this.#held.get(workload.id)?.specHash !== workload.specHash) this.actions += 1;
      this.#held.set(workload.id, workload);
    }
    this.#have = { position, hash };
    this.#say({ type: "accepted", position, hash });
    this.#report(false);
    const revisions = [...this.#held.values()].map(({ revision }) => revision);
    this.#parts.onAccepted(this.#held.size, Math.max(0, ...revisions));
  }

  #report(whole: boolean): void {
    const position = this.#have?.position ?? { epoch: 0, generation: 0 };
    this.#say({ type: "report", report: reportOf(position, [...this.#held.values()], whole, this.#parts.number) });
  }

  #beatEvery(periodMs: number): void {
    clearInterval(this.#heart);
    this.#heart = setInterval(() => this.#beat(), periodMs);
  }

  #beat(): void {
    this.#beats += 1;
    this.#say({ type: "beat", n: this.#beats });
  }

  #say(message: ToHub): void {
    const text = encodeToHub(message);
    this.#parts.onBytes(Buffer.byteLength(text));
    this.#socket?.send(text);
  }
}
