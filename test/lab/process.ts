// A program under test or a part of the lab (engine, registry, hub, agent) as a child process: its output is kept, it can be
// killed, frozen and waited for. Each is in a process group of its own, so that Ctrl-C reaches the lab alone, which then
// stops them in order. A process must never outlive its lab: what is started here is stopped by `stop()`.
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { withSystemPath } from "./command.ts";
import { until } from "./wait.ts";

/** How long a program gets to end by itself before it is killed. */
const STOP_GRACE_MS = 15_000;
const PAUSED_WITHIN_MS = 10_000;
/** Output kept in memory for waiting and for failure messages; the log file has all of it. */
const KEEP_LINES = 5_000;
const LAST_WORDS = 15;

export interface ProcessOptions {
  /** For messages: "hub", "agent n1", "dockerd n2". */
  readonly name: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A network namespace to run in, as a path: /run/netns/NAME. */
  readonly netns?: string | undefined;
  readonly logFile?: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Process implements AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  readonly exited: Promise<Exit>;
  #exit: Exit | null = null;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];

  constructor(options: ProcessOptions) {
    this.name = options.name;
    this.#child = spawnIn(options);
    // A child that could not be spawned has no pid; its "error" event says why, and `exited` carries that.
    this.pid = this.#child.pid ?? -1;
    this.exited = new Promise((resolve, reject) => {
      this.#child.once("error", (error) => reject(new Error(`${this.name} could not be started: ${error.message}`)));
      this.#child.once("exit", (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
    this.exited.catch(() => undefined);
    this.#collect(options.logFile);
  }

  get exit(): Exit | null {
    return this.#exit;
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  get running(): boolean {
    return this.pid > 0 && this.#exit === null;
  }

  /** The last lines, for a failure message. */
  lastWords(count: number = LAST_WORDS): string {
    return this.#lines.slice(-count).join("\n");
  }

  /** Waits for a line of output. Looks only at lines from `from` on, so that an old one is not taken for a new one. */
  async line(pattern: RegExp | string, withinMs: number, from = 0): Promise<string> {
    const matches = (line: string): boolean =>
      typeof pattern === "string" ? line.includes(pattern) : pattern.test(line);
    let over = "";
    const found = await until(
      `${this.name} says ${String(pattern)}`,
      () => {
        const line = this.#lines.slice(from).find(matches);
        if (line !== undefined) return { line };
        if (this.running) return false;
        over = `${this.name} ended (${describe(this.#exit)}) before it said ${String(pattern)}:\n${this.lastWords()}`;
        return { line: "" };
      },
      withinMs,
    ).catch((error: Error) => {
      throw new Error(`${error.message}\nits last lines:\n${this.lastWords()}`);
    });
    if (over !== "") throw new Error(over);
    return found.line;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) process.kill(this.pid, signal);
  }

  /** As a power cut or the OOM killer would: no chance to tidy up. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.exited.catch(() => undefined);
  }

  /** Freezes it, and returns when every thread stands still: on a busy machine one may go on for a moment. */
  async pause(): Promise<void> {
    this.signal("SIGSTOP");
    await until(`${this.name} stands still`, () => standsStill(this.pid), PAUSED_WITHIN_MS);
  }

  resume(): void {
    this.signal("SIGCONT");
  }

  /** Asks it to end, and kills it when it does not. Returns how it ended. */
  async stop(graceMs: number = STOP_GRACE_MS): Promise<Exit | null> {
    if (!this.running) return this.#exit;
    // A frozen process would never see the request.
    this.resume();
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), graceMs);
    await this.exited.catch(() => undefined);
    clearTimeout(timer);
    return this.#exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #collect(logFile: string | undefined): void {
    const file = logFile === undefined ? null : createWriteStream(logFile, { flags: "a" });
    // A full disk or a removed folder must not end the test run: the lines in memory are there still.
    file?.on("error", () => undefined);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream === null) continue;
      let rest = "";
      stream.setEncoding("utf8");
      stream.on("data", (chunk: string) => {
        file?.write(chunk);
        const parts = (rest + chunk).split("\n");
        rest = parts.pop() ?? "";
        this.#lines.push(...parts);
        if (this.#lines.length > KEEP_LINES) this.#lines.splice(0, this.#lines.length - KEEP_LINES);
      });
      stream.on("end", () => {
        if (rest !== "") this.#lines.push(rest);
      });
    }
    this.#child.once("close", () => file?.end());
  }
}

async function standsStill(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`);
  const states = threads.map(async (thread) => {
    const text = await readFile(`/proc/${pid}/task/${thread}/stat`, "utf8");
    // The name in parentheses may hold anything; the state follows it.
    return text.slice(text.lastIndexOf(")") + 2, text.lastIndexOf(")") + 3);
  });
  return (await Promise.all(states)).every((state) => state === "T");
}

function spawnIn(options: ProcessOptions): ChildProcess {
  // nsenter, not `ip netns exec`: that one remounts /sys, and an engine then misses its cgroups.
  const inside = options.netns === undefined ? [] : ["nsenter", `--net=${options.netns}`];
  const [program = "", ...args] = [...inside, ...options.command];
  return spawn(program, args, {
    cwd: options.cwd,
    env: withSystemPath(options.env),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
}

function describe(exit: Exit | null): string {
  if (exit === null) return "it was never started";
  return exit.signal === null ? `exit code ${exit.code}` : `killed by ${exit.signal}`;
}
