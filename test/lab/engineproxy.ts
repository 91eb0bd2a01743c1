// Stands between an agent and a real engine, speaks HTTP, and can make single calls hang, fail, wait or break off. It keeps
// the list of all calls, so that a test can show that nothing was changed: "no mutating call since …".
// It must pass everything else on unchanged, upgraded connections (exec, attach) and endless ones (events) too.

import { rm } from "node:fs/promises";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { bind } from "./faultproxy.ts";
import { sleep } from "./wait.ts";

export type EngineFault =
  /** Accepts the call and never answers; the engine does not see it. */
  | { readonly kind: "hang" }
  /** Answers for the engine, which does not see the call. */
  | { readonly kind: "fail"; readonly status: number; readonly message: string }
  | { readonly kind: "delay"; readonly ms: number }
  /** The engine does the call, and its answer is lost in mid-way. */
  | { readonly kind: "break-answer" };

export interface EngineCall {
  readonly method: string;
  /** Without the API version: /containers/create?name=x. */
  readonly path: string;
  /** null while it is running, or when it was never answered. */
  status: number | null;
}

export interface EngineProxy extends AsyncDisposable {
  readonly socketPath: string;
  readonly calls: readonly EngineCall[];
  /** Calls that change something: everything but GET and HEAD. `from`: an earlier `calls.length`. */
  mutations(from?: number): readonly EngineCall[];
  /** Applies to the calls that match, the newest rule first, `times` times (for ever unless said). Returns its removal. */
  on(method: string, path: RegExp, fault: EngineFault, times?: number): () => void;
  /** No rules any more. Calls that hang are broken off. */
  heal(): void;
  /** Closes every connection, event streams too. */
  breakAll(): void;
}

interface Rule {
  readonly method: string;
  readonly path: RegExp;
  readonly fault: EngineFault;
  left: number;
}

export async function startEngineProxy(socketPath: string, engineSocket: string): Promise<EngineProxy> {
  const calls: EngineCall[] = [];
  const rules: Rule[] = [];
  const open = new Set<Duplex>();
  const hanging = new Set<Duplex>();

  const note = (incoming: IncomingMessage): EngineCall => {
    const path = (incoming.url ?? "/").replace(/^\/v\d+\.\d+(?=\/)/, "");
    const call: EngineCall = { method: incoming.method ?? "GET", path, status: null };
    calls.push(call);
    return call;
  };
  const faultFor = (call: EngineCall): EngineFault | null => {
    const rule = rules.findLast((each) => each.left > 0 && each.method === call.method && each.path.test(call.path));
    if (rule === undefined) return null;
    rule.left -= 1;
    return rule.fault;
  };

  const server = createServer((incoming, outgoing) => {
    const call = note(incoming);
    void answer(incoming, outgoing, call, faultFor(call));
  });
  // Hijacked connections (exec, attach) carry raw bytes both ways after the headers.
  server.on("upgrade", (incoming, socket, head) => {
    const call = note(incoming);
    const fault = faultFor(call);
    if (fault?.kind === "hang") return void hanging.add(socket);
    if (fault !== null && fault.kind !== "delay") return void socket.destroy();
    splice(incoming, socket, head, call);
  });
  server.on("connection", (socket) => {
    open.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => {
      open.delete(socket);
      hanging.delete(socket);
    });
  });
  // Event streams and long calls must not be ended by the proxy.
  server.requestTimeout = 0;

  async function answer(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    call: EngineCall,
    fault: EngineFault | null,
  ): Promise<void> {
    if (fault?.kind === "hang") return void hanging.add(incoming.socket);
    if (fault?.kind === "fail") {
      incoming.resume();
      call.status = fault.status;
      outgoing.writeHead(fault.status, { "content-type": "application/json" });
      return void outgoing.end(JSON.stringify({ message: fault.message }));
    }
    if (fault?.kind === "delay") await sleep(fault.ms);
    forward(incoming, outgoing, call, fault?.kind === "break-answer");
  }

  function forward(incoming: IncomingMessage, outgoing: ServerResponse, call: EngineCall, breaks: boolean): void {
    const upstream = httpRequest({
      socketPath: engineSocket,
      method: call.method,
      path: incoming.url,
      headers: incoming.headers,
      agent: false,
    });
    upstream.once("response", (response) => {
      call.status = response.statusCode ?? null;
      if (breaks) {
        // The headers promise a body that does not come.
        outgoing.writeHead(response.statusCode ?? 200, {
          "content-type": "application/json",
          "content-length": "1000",
        });
        outgoing.write("{");
        response.resume();
        return void response.once("end", () => incoming.socket.destroy());
      }
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      outgoing.flushHeaders();
      response.pipe(outgoing);
      response.once("aborted", () => incoming.socket.destroy());
    });
    upstream.once("error", () => incoming.socket.destroy());
    // A client that goes away (a closed event stream) must end the engine's side too.
    outgoing.once("close", () => upstream.destroy());
    incoming.pipe(upstream);
  }

  function splice(incoming: IncomingMessage, socket: Duplex, head: Buffer, call: EngineCall): void {
    const upstream = httpRequest({
      socketPath: engineSocket,
      method: call.method,
      path: incoming.url,
      headers: incoming.headers,
      agent: false,
    });
    upstream.once("upgrade", (response, engineSide, engineHead) => {
      call.status = response.statusCode ?? null;
      const headers = pairsOf(response.rawHeaders).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`HTTP/1.1 ${response.statusCode} ${response.statusMessage}\r\n${headers.join("")}\r\n`);
      if (engineHead.length > 0) socket.write(engineHead);
      engineSide.on("error", () => socket.destroy());
      engineSide.pipe(socket);
      socket.pipe(engineSide);
      socket.once("close", () => engineSide.destroy());
    });
    upstream.once("response", (response) => {
      // Refused: an ordinary answer, for instance 404 or 409.
      call.status = response.statusCode ?? null;
      const headers = pairsOf(response.rawHeaders).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(
        `HTTP/1.1 ${response.statusCode} ${response.statusMessage}\r\n${headers.join("")}connection: close\r\n\r\n`,
      );
      response.pipe(socket);
    });
    upstream.once("error", () => socket.destroy());
    const length = Number(incoming.headers["content-length"] ?? 0);
    if (head.length >= length) return void upstream.end(head.subarray(0, length));
    // node hands over the body of an upgrade request as raw bytes.
    let rest = length - head.length;
    upstream.write(head);
    const take = (chunk: Buffer): void => {
      upstream.write(chunk.subarray(0, rest));
      rest -= chunk.length;
      if (rest > 0) return;
      socket.off("data", take);
      upstream.end();
    };
    socket.on("data", take);
  }

  await rm(socketPath, { force: true });
  await bind(server, { path: socketPath });
  return {
    socketPath,
    calls,
    mutations: (from = 0) => calls.slice(from).filter(({ method }) => method !== "GET" && method !== "HEAD"),
    on: (method, path, fault, times = Number.POSITIVE_INFINITY) => {
      const rule: Rule = { method, path, fault, left: times };
      rules.push(rule);
      return () => {
        rule.left = 0;
      };
    },
    heal: () => {
      rules.length = 0;
      for (const socket of hanging) socket.destroy();
    },
    breakAll: () => {
      for (const socket of open) socket.destroy();
    },
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
      await rm(socketPath, { force: true });
    },
  };
}

function pairsOf(raw: readonly string[]): readonly (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) pairs.push([raw[at] ?? "", raw[at + 1] ?? ""]);
  return pairs;
}
