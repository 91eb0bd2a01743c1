// The hub's HTTP API as commands use it: one request, one answer, deadlines on everything, failures in words.
// It must never send a token to another hub than the one it is for, nor show it.
import type { IncomingMessage, RequestOptions } from "node:http";
import type { TLSSocket } from "node:tls";
import { connectPinned, pinnedContext, WrongKeyError } from "@skerry/shared/protocol/pinned-socket.ts";
import { sleep } from "@skerry/shared/runtime/clock.ts";
import type { RequestOf, ResponseOf } from "../http/api.ts";
import { type RouteName, routes } from "../http/routes.ts";
import { visible } from "./escape.ts";
import { CliFailure } from "./failure.ts";
import type { Io } from "./io.ts";

/** A hub that works answers in milliseconds; applying to thousands of nodes takes a second or two. */
const ANSWER_WITHIN_MS = 30_000;
/** Ten thousand nodes in one page would be some 10 MB. */
const MAX_ANSWER_BYTES = 64 * 1_024 * 1_024;
/** A repeated write carries the same key, so it is done once. */
const TRIES = 3;
const TRY_AGAIN_AFTER_MS = 300;

export interface Target {
  /** Without a slash at its end. */
  readonly url: string;
  /** "": none is sent. */
  readonly token: string;
  /** The hub must have this key; null: a certificate that this machine trusts. */
  readonly pin: string | null;
}

/** An answer with a status of 400 or more. */
export class HubRefusal extends CliFailure {
  override name = "HubRefusal";
  readonly status: number;
  readonly code: string;
  readonly problems: readonly ShownProblem[];
  constructor(status: number, code: string, message: string, hint: string, problems: readonly ShownProblem[]) {
    super(message, { hint });
    this.status = status;
    this.code = code;
    this.problems = problems;
  }
}

export interface ShownProblem {
  readonly message: string;
  readonly hint: string;
  readonly path: string;
  readonly line: number | null;
  readonly column: number | null;
}

type Asked<N extends RouteName> = {
  [P in keyof RequestOf<N> as RequestOf<N>[P] extends undefined ? never : P]: RequestOf<N>[P];
};

export interface Client {
  readonly url: string;
  call<N extends RouteName>(name: N, asked: Asked<N>): Promise<ResponseOf<N>>;
  /** An answer that goes on: its lines, as they come. Ends when the hub ends it. */
  lines(
    name: RouteName,
    query: Readonly<Record<string, unknown>>,
    headers: Readonly<Record<string, string>>,
    params?: Readonly<Record<string, unknown>>,
  ): AsyncIterable<string>;
}

export function createClient(target: Target, io: Io): Client {
  return {
    url: target.url,
    async call<N extends RouteName>(name: N, asked: Asked<N>): Promise<ResponseOf<N>> {
      const parts: { params?: unknown; query?: unknown; body?: unknown } = asked;
      const { method } = routes[name];
      const key = method === "GET" ? {} : { "idempotency-key": io.random.hex(16) };
      const path = addressOf(name, asRecord(parts.params), asRecord(parts.query));
      const answer = await withTries(io, () => exchange(target, io, method, path, parts.body, key));
      // The hub checks its answers with the schema that this type is made from before it sends them.
      return answer as ResponseOf<N>;
    },
    lines: (name, query, headers, params = {}) => streamLines(target, io, addressOf(name, params, query), headers),
  };
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

/** `/v1/apps/:app` with its parameters and the query. */
export function addressOf(
  name: RouteName,
  params: Readonly<Record<string, unknown>>,
  query: Readonly<Record<string, unknown>>,
): string {
  const path = routes[name].url
    .replace(/:(\w+)/g, (_whole, key: string) => encodeURIComponent(String(params[key] ?? "")))
    .replace("*", () =>
      String(params["*"] ?? "")
        .split("/")
        .map(encodeURIComponent)
        .join("/"),
    );
  const asked = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const search = new URLSearchParams(asked.map(([key, value]): [string, string] => [key, String(value)]));
  return search.size === 0 ? path : `${path}?${search}`;
}

/** Only a connection that broke is tried again: the hub restarts in a second, and says so to nobody. */
async function withTries<T>(io: Io, attempt: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await attempt();
    } catch (error) {
      const isBroken = error instanceof CliFailure && BROKEN.has(codeOf(error.cause));
      if (!isBroken || tried === TRIES) throw error;
      await sleep(io.clock, TRY_AGAIN_AFTER_MS);
    }
  }
}
const BROKEN: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE"]);

async function send(
  target: Target,
  method: string,
  path: string,
  headers: RequestOptions["headers"],
  body: string | null,
) {
  const url = new URL(target.url + path);
  const pinned = target.pin === null || url.protocol !== "https:" ? null : await pinnedSocket(target, url, target.pin);
  // What the socket carries is HTTP; that it is TLS was settled with it.
  if (pinned !== null) url.protocol = "http:";
  const isSecure = url.protocol === "https:";
  const { request } = isSecure ? await import("node:https") : await import("node:http");
  return request(url, {
    method,
    ...(pinned === null ? {} : { createConnection: () => pinned }),
    ...(isSecure ? { minVersion: "TLSv1.3" as const } : {}),
    headers: {
      ...headers,
      accept: "application/json",
      ...(target.token === "" ? {} : { authorization: `Bearer ${target.token}` }),
      ...(body === null ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
    },
  });
}

/** Nothing of the request, and so not the token, goes out before the key was checked. */
async function pinnedSocket(target: Target, url: URL, pin: string): Promise<TLSSocket> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const address = { host, port: Number(url.port) || 443, pins: [pin] };
  try {
    return (await connectPinned(address, pinnedContext(), ANSWER_WITHIN_MS)).socket;
  } catch (error) {
    throw cannotReach(target, error);
  }
}

async function exchange(
  target: Target,
  io: Io,
  method: string,
  path: string,
  body: unknown,
  headers: RequestOptions["headers"],
): Promise<unknown> {
  const text = body === undefined ? null : JSON.stringify(body);
  const request = await send(target, method, path, headers, text);
  return await new Promise((resolve, reject) => {
    const deadline = io.clock.setTimer(ANSWER_WITHIN_MS, () => {
      request.destroy();
      reject(noAnswer(target));
    });
    const fail = (error: unknown): void => {
      deadline.cancel();
      reject(error instanceof CliFailure ? error : cannotReach(target, error));
    };
    request.on("error", fail);
    request.on("response", (response) => {
      readAll(response)
        .then((answer) => {
          deadline.cancel();
          resolve(understand(target, response, answer));
        })
        .catch(fail);
    });
    request.end(text ?? undefined);
  });
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    const piece = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    size += piece.length;
    if (size > MAX_ANSWER_BYTES) {
      response.destroy();
      throw new CliFailure("The hub's answer is larger than this program takes.", { hint: "Ask for less." });
    }
    chunks.push(piece);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function understand(target: Target, response: Pick<IncomingMessage, "statusCode" | "headers">, text: string): unknown {
  const status = response.statusCode ?? 0;
  const parsed = parseJson(text);
  if (status >= 200 && status < 300 && parsed !== undefined) return parsed;
  if (isError(parsed)) {
    // Of what has passed its time, and of a login, the hub says more than that the token is none.
    const isUnknown = status === 401 && !TOLD.has(parsed.code);
    const hint = isUnknown ? refusedTokenHint(target) : parsed.hint;
    const message = isUnknown ? `The hub at ${target.url} refuses the token.` : parsed.message;
    throw new HubRefusal(status, parsed.code, message, hint, parsed.problems.filter(isProblem));
  }
  const kind = response.headers["content-type"] ?? "no content type";
  throw new CliFailure(`${target.url} answers, but not as a Skerry hub does (status ${status}, ${visible(kind)}).`, {
    hint: "Look at the address: --hub, SKERRY_HUB, or the one given to skerry login. The default port is 7443.",
  });
}

const TOLD: ReadonlySet<string> = new Set(["token-expired", "session-ended", "login-refused", "second-factor-needed"]);

function refusedTokenHint(target: Target): string {
  return `Log in again: skerry login ${target.url}. Your API token is what you were given; the admin token is in the file admin-token of the hub's data folder. A token in SKERRY_TOKEN wins over the one logged in with.`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

interface HubError {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly problems: readonly unknown[];
}
function isError(value: unknown): value is HubError {
  return (
    typeof value === "object" &&
    value !== null &&
    "code" in value &&
    typeof value.code === "string" &&
    "message" in value &&
    typeof value.message === "string" &&
    "hint" in value &&
    typeof value.hint === "string" &&
    "problems" in value &&
    Array.isArray(value.problems)
  );
}
function isProblem(value: unknown): value is ShownProblem {
  return (
    typeof value === "object" &&
    value !== null &&
    "message" in value &&
    typeof value.message === "string" &&
    "hint" in value &&
    typeof value.hint === "string" &&
    "path" in value &&
    typeof value.path === "string" &&
    "line" in value &&
    "column" in value
  );
}

function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}

function noAnswer(target: Target): CliFailure {
  return new CliFailure(`The hub at ${target.url} did not answer within ${ANSWER_WITHIN_MS / 1_000} s.`, {
    hint: "Is the address right, and does a firewall let it through? What runs on the nodes runs on.",
  });
}

/** The system's words for a failed connection, in ours. */
export function cannotReach(target: Pick<Target, "url">, error: unknown): CliFailure {
  const { url } = target;
  const code = codeOf(error);
  const say = (message: string, hint: string): CliFailure => new CliFailure(message, { hint, cause: error });
  if (error instanceof WrongKeyError) {
    return say(
      `What answers at ${url} is not the hub that you logged in to: its key is another one (pin ${error.found}). Nothing was sent to it.`,
      "Is something in between? If the hub's key was replaced, compare with the file hub-pin in its data folder, and log in again with --pin.",
    );
  }
  switch (code) {
    case "ECONNREFUSED":
      return say(
        `Nothing listens at ${url}: the connection was refused.`,
        "Start the hub there (skerry hub), or name another one: --hub URL, SKERRY_HUB, or skerry login URL.",
      );
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return say(
        `There is no host ${new URL(url).hostname}, or its name cannot be looked up now.`,
        "Look at the address's spelling and at this machine's network.",
      );
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "ETIMEDOUT":
      return say(`The hub at ${url} cannot be reached (${code}).`, "Look at this machine's network, VPN or firewall.");
    case "ECONNRESET":
    case "EPIPE":
      return say(
        `The hub at ${url} broke the connection off.`,
        url.startsWith("http:")
          ? "Does it speak TLS? Then its address is https://… Or is it restarting? Try again in a few seconds."
          : "Is it restarting? Try again in a few seconds.",
      );
    default:
      if (/^(EPROTO|ERR_SSL_|HPE_)/.test(code)) {
        return say(
          `${url} does not speak the expected protocol (${code}).`,
          "Is it http:// rather than https://, or the other way round?",
        );
      }
      if (/CERT|SELF_SIGNED|UNABLE_TO_/.test(code)) {
        return say(
          `The certificate of ${url} is not trusted (${code}).`,
          `Name the hub's key: skerry login ${url} --pin PIN, or SKERRY_PIN; it is in the file hub-pin of the hub's data folder. Or give its authority to Node: NODE_EXTRA_CA_CERTS=FILE.`,
        );
      }
      return say(
        `The hub at ${url} cannot be reached: ${visible(wordsOf(error))}.`,
        "Look at the address and the network.",
      );
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function* streamLines(
  target: Target,
  io: Io,
  path: string,
  headers: Readonly<Record<string, string>>,
): AsyncGenerator<string> {
  const request = await send(target, "GET", path, { ...headers, accept: "text/event-stream" }, null);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const deadline = io.clock.setTimer(ANSWER_WITHIN_MS, () => {
      request.destroy();
      reject(noAnswer(target));
    });
    request.on("response", (answer) => {
      deadline.cancel();
      resolve(answer);
    });
    request.on("error", (error) => {
      deadline.cancel();
      reject(cannotReach(target, error));
    });
    request.end();
  });
  if (response.statusCode !== 200) {
    understand(target, response, await readAll(response));
    return;
  }
  yield* linesOf(response, target, io, () => request.destroy());
}

/** The hub sends a sign of life every 15 s; three missing ones mean that the link is dead. */
const SILENT_STREAM_MS = 50_000;
/** One event of the stream. */
const MAX_LINE_LENGTH = 4 * 1_024 * 1_024;

async function* linesOf(response: IncomingMessage, target: Target, io: Io, close: () => void): AsyncGenerator<string> {
  response.setEncoding("utf8");
  let rest = "";
  let silence = io.clock.setTimer(SILENT_STREAM_MS, close);
  try {
    for await (const chunk of response) {
      silence.cancel();
      const lines = (rest + String(chunk)).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > MAX_LINE_LENGTH) throw new CliFailure("The hub's stream holds a line that is too long.");
      // A reader who takes his time (a pager) is no silence of the hub: only the wait for more is timed.
      yield* lines;
      silence = io.clock.setTimer(SILENT_STREAM_MS, close);
    }
  } catch (error) {
    throw error instanceof CliFailure ? error : cannotReach(target, error);
  } finally {
    silence.cancel();
    close();
  }
}
