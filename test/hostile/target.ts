// What the attempts are made against: the real hub as its own process, with a client for what nobody decent sends. A socket here sends the bytes
// it is told to; how long the hub takes and what it weighs meanwhile is read from outside. Every way to the hub's port goes through `dial`.
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { expect } from "vitest";
import { type Answer, FleetHub } from "../lab/fleet.ts";
import { Process } from "../lab/process.ts";
import { freePort } from "../lab/registry.ts";

const ADDRESS = "127.0.0.1";
/** A hub under attack that answers a plain question later than this was brought down for its users. A machine full of tests takes seconds by itself. */
export const WELL_WITHIN_MS = 10_000;

export interface Target extends AsyncDisposable {
  readonly hub: FleetHub;
  readonly port: number;
  /** As the admin, unless told otherwise; `null`: as nobody. */
  call(method: string, path: string, body?: unknown, token?: string | null): Promise<Answer>;
  /** Sends these bytes on a connection of its own, and reads until the hub closes it or `withinMs` is over. */
  raw(bytes: string | Buffer, withinMs?: number): Promise<Heard>;
  dial(): Promise<Socket>;
  rssMb(): Promise<number>;
  /** When it had just started. */
  readonly restMb: number;
  /** Asks a plain question as the admin and gives the milliseconds to its answer; throws when the hub is not well. */
  well(): Promise<number>;
}

export interface Heard {
  readonly text: string;
  /** The hub ended the connection. */
  readonly closed: boolean;
  readonly tookMs: number;
  /** Of the first answer; 0: none. */
  readonly status: number;
}

/** `prepare`: what is done with the hub's data folder, which is empty, before it starts. `words`: of its command line. */
export async function startTarget(
  words: readonly string[] = [],
  prepare: (dataDir: string) => Promise<void> = async () => undefined,
): Promise<Target> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "skerry-hostile-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const port = await freePort(ADDRESS);
  const spawn = (options: ConstructorParameters<typeof Process>[0]): Process => stack.use(new Process(options));
  const hub = new FleetHub({ folder, hubAddress: ADDRESS, spawn }, port, words);
  // A test that ran out of time never comes to its end; its hub must not outlive the run.
  const end = (): void => hub.process?.signal("SIGKILL");
  process.once("exit", end);
  stack.defer(() => void process.off("exit", end));
  await prepare(hub.dataDir);
  await hub.start();
  const dial = async (): Promise<Socket> => {
    const socket = connect({ port, host: ADDRESS, rejectUnauthorized: false });
    socket.on("error", () => undefined);
    await once(socket, "secureConnect");
    return socket;
  };
  const call: Target["call"] = (method, path, body, token) => hub.call(method, path, body, token);
  const held = stack.move();
  return {
    hub,
    port,
    call,
    dial,
    raw: async (bytes, withinMs = 15_000) => {
      const socket = await dial();
      socket.write(bytes);
      return hear(socket, withinMs);
    },
    rssMb: async () => rssMb(hub.process?.pid ?? 0),
    restMb: await rssMb(hub.process?.pid ?? 0),
    well: async () => {
      const from = performance.now();
      const { status } = await call("GET", "/v1/nodes?limit=1");
      const tookMs = performance.now() - from;
      if (status !== 200) throw new Error(`the hub answers ${status}`);
      if (tookMs > WELL_WITHIN_MS) throw new Error(`the hub took ${Math.round(tookMs)} ms for a plain question`);
      return tookMs;
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** What a refused attempt may leave behind: garbage that is not collected yet. */
const MAY_GROW_MB = 160;

/** It answers as before, and weighs about as much as it did (MB). */
export async function unharmed(target: Target, restMb = target.restMb): Promise<void> {
  await target.well();
  expect((await target.rssMb()) - restMb).toBeLessThan(MAY_GROW_MB);
}

export async function hear(socket: Socket, withinMs: number): Promise<Heard> {
  const from = performance.now();
  let text = "";
  socket.setEncoding("latin1");
  socket.on("data", (chunk) => {
    text += String(chunk);
  });
  const ended = new Promise<boolean>((resolve) => {
    for (const event of ["end", "close"]) socket.once(event, () => resolve(true));
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), withinMs);
  });
  const closed = await Promise.race([ended, late]);
  clearTimeout(timer);
  socket.destroy();
  return { text, closed, tookMs: performance.now() - from, status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0) };
}

async function rssMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1_024;
}

/** The text of a request, with CR LF, as a client of ours would write it. */
export const requestText = (
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body = "",
): string =>
  [
    `${method} ${path} HTTP/1.1`,
    "Host: hub",
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    "",
    body,
  ].join("\r\n");

const over = new WeakSet<Socket>();
/** It ended, or was cut off, and `dribble` or the socket itself saw it. */
export const isOver = (socket: Socket): boolean => over.has(socket) || socket.destroyed || socket.readableEnded;

/** A connection that sends `first`, and `more` every half second for ever. */
export async function dribble(target: Target, first: string, more: string): Promise<Socket> {
  const socket = await target.dial();
  socket.resume();
  if (first !== "") socket.write(first);
  const timer = setInterval(() => {
    if (more !== "" && socket.writable) socket.write(more);
  }, 500);
  for (const event of ["end", "close"]) {
    socket.once(event, () => {
      over.add(socket);
      clearInterval(timer);
    });
  }
  return socket;
}
