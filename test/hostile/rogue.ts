// A rogue node: it has joined by the book, holds a real key and a real websocket, and says whatever an attempt tells it to.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { TLSSocket } from "node:tls";
import type { InstallationId, NodeId } from "@skerry/shared/model/ids.ts";
import { tlsBinding } from "@skerry/shared/protocol/binding.ts";
import { decodeToAgent } from "@skerry/shared/protocol/codec.ts";
import { helloText } from "@skerry/shared/protocol/proof.ts";
import type { ToAgent } from "@skerry/shared/protocol/to-agent.ts";
import { PROTOCOL_MINIMUM, PROTOCOL_VERSION } from "@skerry/shared/protocol/version.ts";
import { publicKeyOf, signText } from "@skerry/shared/runtime/signature.ts";
import { type ClientOptions, WebSocket } from "ws";
import { until } from "../lab/wait.ts";
import { facts } from "../unit/http-hub.ts";
import type { Target } from "./target.ts";

/** A frame from a hub on a busy machine. */
const ANSWER_WITHIN_MS = 10_000;

export interface Credentials {
  readonly installation: InstallationId;
  readonly node: NodeId;
  readonly name: string;
  readonly privateKey: string;
}

export interface Rogue {
  readonly socket: WebSocket;
  readonly got: ToAgent[];
  /** Of its TLS connection, as an honest node has it. */
  readonly binding: string;
  /** null: the connection stands. */
  readonly closed: () => { readonly code: number; readonly reason: string } | null;
  /** Sent as it is; a text, or what JSON.stringify makes of it. */
  say(frame: string | object): void;
  heard<T extends ToAgent["type"]>(type: T): Promise<Extract<ToAgent, { readonly type: T }>>;
  /** Waits for the hub to end the connection. */
  ended(withinMs?: number): Promise<{ readonly code: number; readonly reason: string }>;
}

export async function joinAs(
  target: Target,
  name: string,
  more: { readonly token?: string; readonly labels?: Readonly<Record<string, string>> } = {},
): Promise<Credentials> {
  const token = more.token ?? ((await target.call("POST", "/v1/tokens", {})).body.token as string);
  const privateKey = randomBytes(32).toString("hex");
  const body = {
    publicKey: publicKeyOf(privateKey),
    name,
    labels: more.labels ?? {},
    facts: facts(name, 4_294_967_296),
  };
  const joined = await target.call("POST", "/v1/nodes/join", body, token);
  if (joined.status !== 200) throw new Error(`not joined: ${JSON.stringify(joined.body)}`);
  return { ...joined.body, privateKey };
}

/** A websocket that has said nothing yet. */
export async function openLink(target: Target, path = "/v1/agent", options: ClientOptions = {}): Promise<Rogue> {
  const socket = new WebSocket(`${target.hub.url.replace(/^http/, "ws")}${path}`, {
    perMessageDeflate: false,
    // A rogue does not care whose hub it is.
    rejectUnauthorized: false,
    ...options,
  });
  const got: ToAgent[] = [];
  let closed: ReturnType<Rogue["closed"]> = null;
  socket.on("error", () => undefined);
  socket.on("close", (code, reason) => {
    closed = { code, reason: reason.toString("utf8") };
  });
  socket.on("message", (data) => {
    const decoded = decodeToAgent(String(data));
    if (decoded.ok) got.push(decoded.value);
  });
  let binding = "";
  socket.once("upgrade", ({ socket: wire }) => {
    binding = tlsBinding(wire as TLSSocket);
  });
  await once(socket, "open");
  const rogue: Rogue = {
    socket,
    binding,
    got,
    closed: () => closed,
    say: (frame) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
    },
    heard: (type) =>
      until(`the hub says ${type}`, () => got.find((frame) => frame.type === type), ANSWER_WITHIN_MS) as never,
    ended: (withinMs = ANSWER_WITHIN_MS) => until("the hub ends the connection", () => closed, withinMs),
  };
  return rogue;
}

export async function helloOf(rogue: Rogue, who: Credentials, more: object = {}): Promise<object> {
  const { nonce } = await rogue.heard("challenge");
  return {
    type: "hello",
    protocol: PROTOCOL_VERSION,
    protocolMinimum: PROTOCOL_MINIMUM,
    node: who.node,
    signature: signText(who.privateKey, helloText(who, nonce, rogue.binding)),
    bootId: "boot-1",
    runId: "run-1",
    agentVersion: "0.0.0-hostile",
    have: null,
    ...more,
  };
}

/** Joined, greeted, and on the link. */
export async function connectAs(target: Target, who: Credentials, more: object = {}): Promise<Rogue> {
  const rogue = await openLink(target);
  rogue.say(await helloOf(rogue, who, more));
  await rogue.heard("welcome");
  return rogue;
}

/** A report that says nothing. */
export const report = (more: object = {}): object => ({
  type: "report",
  report: {
    whole: true,
    observed: { epoch: 0, generation: 0 },
    workloads: [],
    gone: [],
    facts: null,
    figures: null,
    ports: null,
    conditions: null,
    ...more,
  },
});

export const events = (...items: readonly { readonly seq: unknown; readonly event: object }[]): object => ({
  type: "events",
  items: items.map((item) => ({ bootId: "boot-1", ageMs: 0, ...item })),
});

/** The status of a link request that the hub refuses at the upgrade; 101: it was let in, 0: no answer. */
export async function upgradeStatus(target: Target, path: string, options: ClientOptions = {}): Promise<number> {
  const socket = new WebSocket(`${target.hub.url.replace(/^http/, "ws")}${path}`, {
    rejectUnauthorized: false,
    ...options,
  });
  return new Promise((resolve) => {
    // Also after an answer, when the request is given up: by then it is settled.
    socket.on("error", () => resolve(0));
    socket.once("open", () => {
      socket.terminate();
      resolve(101);
    });
    socket.once("unexpected-response", (request, response) => {
      request.destroy();
      resolve(response.statusCode ?? 0);
    });
  });
}
