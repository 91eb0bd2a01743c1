// Joining: a machine becomes a node, once. The node's key is made here and durable before the hub hears of it, so that a power cut at
// any instant and any number of repeats give the same node. A refusal is final and says why; an absent hub is waited for.

import { rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { join as joinPath } from "node:path";
import { installationIdSchema, nodeIdSchema, publicKeySchema } from "@skerry/shared/model/ids.ts";
import type { NodeFacts } from "@skerry/shared/model/node.ts";
import type { JoinTokenText } from "@skerry/shared/protocol/join-token.ts";
import { type BackoffShape, equalJitterMs } from "@skerry/shared/runtime/backoff.ts";
import { type Clock, sleep } from "@skerry/shared/runtime/clock.ts";
import { readIfThere, writeDurably } from "@skerry/shared/runtime/durable-file.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import { PRIVATE_KEY_BYTES, publicKeyOf } from "@skerry/shared/runtime/signature.ts";
import * as z from "zod/mini";
import type { Identity } from "../ledger/ledger.ts";
import { DialError } from "./failure.ts";
import type { OpenHubSocket } from "./hub-socket.ts";
import { agentUrl, networkFailure, wrongServer } from "./network-failure.ts";

/** Name, TCP, TLS and a commit on a slow card. */
const ANSWER_DEADLINE_MS = 20_000;
/** An answer is a few hundred bytes; a sign-in page that is not ours need not be read to its end. */
const MAX_ANSWER_BYTES = 65_536;
const RETRY: BackoffShape = { baseMs: 1_000, capMs: 60_000 };

const joinedSchema = z.object({
  node: nodeIdSchema,
  installation: installationIdSchema,
  name: z.string(),
  /** By which it signs assignments. */
  hubKey: publicKeySchema,
});
const refusalSchema = z.object({ code: z.string(), message: z.string(), hint: z.optional(z.string()) });

export interface JoinRequest {
  readonly hubUrl: string;
  /** As it was given. */
  readonly token: string;
  /** What it says: which hub it is for, and its id. */
  readonly tokenText: Pick<JoinTokenText, "pin" | "id">;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly facts: NodeFacts | null;
}

export type JoinOutcome =
  | { readonly kind: "joined"; readonly identity: Identity }
  /** Asking again will not help; one plain sentence with what to do. */
  | { readonly kind: "refused"; readonly message: string }
  | { readonly kind: "later"; readonly message: string };

export interface JoinParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The agent's data folder, for the key until the ledger holds it. */
  readonly folder: string;
  readonly ask: (request: JoinRequest, privateKey: string) => Promise<JoinOutcome>;
  /** For `agent status`: what is being waited for. */
  readonly onWaiting: (message: string, nextTryInMs: number) => void;
}

/** Asks until the hub answers. */
export async function join(
  parts: JoinParts,
  request: JoinRequest,
): Promise<Exclude<JoinOutcome, { readonly kind: "later" }>> {
  const { clock, random, log, onWaiting } = parts;
  const privateKey = durableKey(parts.folder, random);
  let last = "";
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await parts.ask(request, privateKey);
    if (outcome.kind !== "later") return outcome;
    const delayMs = equalJitterMs(RETRY, attempt, random.next());
    if (outcome.message !== last) log.warn("not joined yet", { reason: outcome.message, nextTryInMs: delayMs });
    last = outcome.message;
    onWaiting(outcome.message, delayMs);
    await sleep(clock, delayMs);
  }
}

const keyPath = (folder: string): string => joinPath(folder, "joining");

function durableKey(folder: string, random: Random): string {
  const path = keyPath(folder);
  const found = readIfThere(path)?.trim() ?? "";
  if (/^[0-9a-f]{64}$/.test(found)) return found;
  const privateKey = random.hex(PRIVATE_KEY_BYTES);
  writeDurably(path, `${privateKey}\n`);
  return privateKey;
}

/** Once the ledger holds the identity. */
export function forgetJoining(folder: string): void {
  rmSync(keyPath(folder), { force: true });
}

/** The pins that a join token brings: a hub that does not have this key learns nothing of it. */
export const pinsOf = ({ tokenText: { pin } }: Pick<JoinRequest, "tokenText">): readonly string[] =>
  pin === null ? [] : [pin];

export async function askHub(open: OpenHubSocket, request: JoinRequest, privateKey: string): Promise<JoinOutcome> {
  const { hubUrl, name, labels, facts } = request;
  try {
    const { socket } = await open({ hubUrl, pins: pinsOf(request) }, ANSWER_DEADLINE_MS);
    const body = { publicKey: publicKeyOf(privateKey), name, labels, facts };
    const answer = await post(socket, hubUrl, request.token, JSON.stringify(body));
    return outcomeOf(request, privateKey, answer);
  } catch (error) {
    const { message } = error instanceof DialError ? error.failure : networkFailure(hubUrl, error);
    return { kind: "later", message };
  }
}

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

function outcomeOf(request: JoinRequest, privateKey: string, answer: Answer): JoinOutcome {
  const { hubUrl } = request;
  const { status, contentType, text } = answer;
  const value = contentType.includes("json") ? parseJson(text) : null;
  const joined = joinedSchema.safeParse(value);
  if (status >= 200 && status < 300 && joined.success) {
    // Whether its hub ends TLS itself, and which key comes next, the first connection tells.
    const hub = { hubUrl, pins: pinsOf(request), binding: "none", tokens: [request.tokenText.id] } as const;
    const keys = { privateKey, nextKey: null, keyStep: 0, labelSecret: null, formerBoxKeys: [] };
    return { kind: "joined", identity: { ...joined.data, ...keys, ...hub, mark: null } };
  }
  const refusal = refusalSchema.safeParse(value);
  if (!refusal.success)
    return { kind: "later", message: wrongServer(hubUrl, `HTTP ${status}, ${contentType}`).message };
  const { message, hint } = refusal.data;
  const words = hint === undefined || hint === "" ? message : `${message} ${hint}`;
  // Too many requests, and what is wrong with the hub itself, may pass; the rest is about this request.
  if (status === 408 || status === 429 || status >= 500) return { kind: "later", message: `the hub says: ${words}` };
  return { kind: "refused", message: `the hub did not let this machine join: ${words}` };
}

function post(socket: Socket, hubUrl: string, token: string, body: string): Promise<Answer> {
  // TLS, where there is any, is the socket's business.
  const url = new URL(
    `${agentUrl(hubUrl)
      .replace(/^ws:/, "http:")
      .replace(/\/agent$/, "")}/nodes/join`,
  );
  // Importing node:http as an ES module reads all of its exports, and one of them loads the whole of fetch: 11 MB for good.
  const { request } = process.getBuiltinModule("node:http");
  return new Promise((resolve, reject) => {
    const call = request(url, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
      },
      createConnection: () => socket,
      // Over the whole exchange, a server that sends one byte a second included.
      signal: AbortSignal.timeout(ANSWER_DEADLINE_MS),
    });
    call.once("error", reject);
    call.once("response", (response) => readAnswer(response).then(resolve, reject));
    call.end(body);
  });
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const parts: string[] = [];
  let size = 0;
  response.setEncoding("utf8");
  for await (const part of response) {
    const text = String(part);
    size += text.length;
    if (size > MAX_ANSWER_BYTES) break;
    parts.push(text);
  }
  response.destroy();
  const contentType = response.headers["content-type"] ?? "";
  return { status: response.statusCode ?? 0, contentType, text: parts.join("") };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
