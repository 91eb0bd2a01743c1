// A crowd of simulated nodes in a process of its own: each joins over HTTP, holds a real websocket, beats, accepts what it is given
// and reports it as running. It speaks the protocol through the shared codec and runs no containers. Talks to the bench over IPC.

import { randomBytes } from "node:crypto";
import { Agent, request } from "node:https";
import { TLSSocket } from "node:tls";
import type { Position, Workload } from "@skerry/shared/model/assignment.ts";
import type { NodeFacts } from "@skerry/shared/model/node.ts";
import { plainStatus } from "@skerry/shared/model/plain.ts";
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import { tlsBinding } from "@skerry/shared/protocol/binding.ts";
import { decodeToAgent, encodeToHub } from "@skerry/shared/protocol/codec.ts";
import { helloText, type Signer } from "@skerry/shared/protocol/proof.ts";
import type { ToHub } from "@skerry/shared/protocol/to-hub.ts";
import { PROTOCOL_MINIMUM, PROTOCOL_VERSION } from "@skerry/shared/protocol/version.ts";
import { publicKeyOf, signText } from "@skerry/shared/runtime/signature.ts";
import WebSocket from "ws";

/** So many joins and dials under way at once: a fleet does not arrive in one millisecond. */
const ARRIVING_AT_ONCE = 32;

export type ToCrowd =
  | { readonly kind: "start"; readonly url: string; readonly token: string; readonly nodes: number }
  | { readonly kind: "bytes" };
export type FromCrowd =
  | { readonly kind: "ready" }
  /** Sent once per node and assignment. */
  | { readonly kind: "accepted"; readonly node: number; readonly workloads: number; readonly revision: number }
  | { readonly kind: "bytes"; readonly bytes: number }
  | { readonly kind: "failed"; readonly reason: string };

// The bench trusts the hub that it has just started.
const http = new Agent({ keepAlive: true, maxSockets: ARRIVING_AT_ONCE, rejectUnauthorized: false });
/** Over all websockets, both directions. */
const payload = { bytes: 0 };
const tell = (message: FromCrowd): void => void process.send?.(message);

process.on("message", (message: ToCrowd) => {
  if (message.kind === "bytes") return tell({ kind: "bytes", bytes: payload.bytes });
  start(message).catch((error: Error) => tell({ kind: "failed", reason: error.stack ?? error.message }));
});
process.on("disconnect", () => process.exit(0));

async function start({ url, token, nodes }: Extract<ToCrowd, { kind: "start" }>): Promise<void> {
  const numbers = Array.from({ length: nodes }, (_, index) => index + 1);
  const next = async (): Promise<void> => {
    for (let number = numbers.shift(); number !== undefined; number = numbers.shift()) await arrive(url, token, number);
  };
  await Promise.all(Array.from({ length: ARRIVING_AT_ONCE }, next));
  tell({ kind: "ready" });
}

async function arrive(url: string, token: string, number: number): Promise<void> {
  const privateKey = randomBytes(32).toString("hex");
  const name = `crowd-${String(number).padStart(4, "0")}`;
  const joined = await post(`${url}/v1/nodes/join`, token, {
    publicKey: publicKeyOf(privateKey),
    name,
    labels: { crowd: "yes" },
    facts: facts(name),
  });
  // The hub's own answer.
  const signer = JSON.parse(joined) as Signer;
  await dial(url, signer, privateKey, number);
}

function dial(url: string, signer: Signer, privateKey: string, number: number): Promise<void> {
  const options = { perMessageDeflate: false, rejectUnauthorized: false };
  const socket = new WebSocket(`${url.replace(/^http/, "ws")}/v1/agent`, options);
  let binding: string | null = null;
  socket.on("upgrade", ({ socket: wire }) => {
    if (wire instanceof TLSSocket) binding = tlsBinding(wire);
  });
  const send = (message: ToHub): void => {
    const text = encodeToHub(message);
    payload.bytes += Buffer.byteLength(text);
    socket.send(text);
  };
  const held = new Map<string, Workload>();
  let beats = 0;
  let heart: NodeJS.Timeout | undefined;
  const beatEvery = (periodMs: number): void => {
    clearInterval(heart);
    heart = setInterval(() => send({ type: "beat", n: ++beats }), periodMs);
  };
  const accepted = (position: Position, hash: Workload["specHash"]): void => {
    send({ type: "accepted", position, hash });
    send({ type: "report", report: reportOf(position, [...held.values()], false, number) });
    const revision = Math.max(0, ...[...held.values()].map((workload) => workload.revision));
    tell({ kind: "accepted", node: number, workloads: held.size, revision });
  };
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", (code, reason) => {
      clearInterval(heart);
      tell({ kind: "failed", reason: `node ${number} was closed: ${code} ${reason.toString("utf8")}` });
    });
    socket.on("message", (data) => {
      const text = data.toString();
      payload.bytes += Buffer.byteLength(text);
      const decoded = decodeToAgent(text);
      if (!decoded.ok) return reject(new Error(decoded.error));
      const message = decoded.value;
      switch (message.type) {
        case "challenge":
          return send(hello(signer, signText(privateKey, helloText(signer, message.nonce, binding))));
        case "welcome":
          beatEvery(message.heartbeatMs);
          if (message.mark !== null) send({ type: "marked", mark: message.mark });
          send({ type: "report", report: reportOf({ epoch: 0, generation: 0 }, [], true, number) });
          return resolve();
        case "pace":
          return beatEvery(message.heartbeatMs);
        case "assign":
          held.clear();
          for (const workload of message.assignment.workloads) held.set(workload.id, workload);
          return accepted(message.assignment.position, message.assignment.hash);
        case "assign-delta":
          for (const retired of message.delta.retired) held.delete(retired.id);
          for (const workload of message.delta.setWorkloads) held.set(workload.id, workload);
          return accepted(message.delta.position, message.delta.hash);
        default:
          return;
      }
    });
  });
}

function hello({ node }: Signer, signature: string): ToHub {
  return {
    type: "hello",
    protocol: PROTOCOL_VERSION,
    protocolMinimum: PROTOCOL_MINIMUM,
    node,
    signature,
    bootId: randomBytes(8).toString("hex"),
    runId: randomBytes(8).toString("hex"),
    agentVersion: "0.0.0-crowd",
    have: null,
    mark: null,
  };
}

function reportOf(
  observed: Position,
  workloads: readonly Workload[],
  whole: boolean,
  number: number,
): Extract<ToHub, { type: "report" }>["report"] {
  return {
    whole,
    observed,
    workloads: workloads.map(
      (workload): WorkloadStatus => ({
        id: workload.id,
        revision: workload.revision,
        specHash: workload.specHash,
        state: { kind: "running", health: "none" },
        forMs: 0,
        containerId: `c${number}-${workload.id}-${workload.specHash.slice(0, 8)}`,
        imageId: null,
        restarts: 0,
        ...plainStatus,
        // Whatever it is given is good at once.
        gate: { kind: "passed" },
        gateFor: { specHash: workload.specHash, attempt: workload.changeOver.attempt },
      }),
    ),
    gone: [],
    facts: whole ? facts(`crowd-${String(number).padStart(4, "0")}`) : null,
    figures: null,
    ports: whole ? [] : null,
    conditions: whole ? [] : null,
  };
}

function facts(hostname: string): NodeFacts {
  return {
    hostname,
    arch: "arm64",
    os: "Debian GNU/Linux 12",
    kernel: "6.6.31",
    model: "Raspberry Pi 5 Model B Rev 1.0",
    cores: 4,
    memoryBytes: 4_294_967_296,
    diskBytes: 32_000_000_000,
    engineVersion: "20.10.24",
    engineApiVersion: "1.41",
    agentVersion: "0.0.0-crowd",
    metered: false,
  };
}

function post(url: string, token: string, body: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const call = request(url, { method: "POST", headers, agent: http }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => {
        if (response.statusCode !== undefined && response.statusCode < 300) resolve(text);
        else reject(new Error(`${url}: ${response.statusCode} ${text}`));
      });
    });
    call.on("error", reject);
    call.end(JSON.stringify(body));
  });
}
