#!/usr/bin/env node
// The `skerry` program: hub and client commands. Turns failures into words and exit codes, and hands `agent` to the agent's bundle.
// It must stay quick to start: what is imported here is paid for by every command.
import { homedir } from "node:os";
import { systemClock } from "@skerry/shared/runtime/clock.ts";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { CommanderError } from "commander";
import { visible } from "./escape.ts";
import { CliFailure, EXIT, type ExitCode } from "./failure.ts";
import type { Io } from "./io.ts";
import { buildProgram, exitCodeOf } from "./program.ts";
import { ask, readInput } from "./terminal.ts";

/** Colour only where a person looks; NO_COLOR (no-color.org) is obeyed when it is not empty. */
function wantsColor(): boolean {
  const { NO_COLOR, TERM } = process.env;
  return process.stdout.isTTY === true && (NO_COLOR === undefined || NO_COLOR === "") && TERM !== "dumb";
}

function widthOf(): number | null {
  if (process.stdout.isTTY !== true) return null;
  return process.stdout.columns >= 40 ? process.stdout.columns : 80;
}

const io: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  outIsTerminal: process.stdout.isTTY === true,
  errIsTerminal: process.stderr.isTTY === true,
  inIsTerminal: process.stdin.isTTY === true,
  columns: widthOf(),
  color: wantsColor(),
  env: process.env,
  cwd: process.cwd(),
  homeDir: homedir(),
  readInput,
  ask,
  clock: systemClock,
  random: systemRandom,
  zoneOffsetMinutes: (atMs) => new Date(atMs).getTimezoneOffset(),
};

async function main(words: readonly string[]): Promise<ExitCode> {
  if (words[0] === "agent") return (await import("./commands/agent.ts")).run(words.slice(1));
  if (words[0] === "complete" && words[1] === "--") {
    const { suggest } = await import("./completion.ts");
    return suggest(
      buildProgram(io, () => undefined),
      words.slice(2),
    );
  }
  let work: Promise<ExitCode> = Promise.resolve(EXIT.done);
  const program = buildProgram(io, (given) => {
    work = given;
  });
  if (words.length === 0) {
    io.out(program.helpInformation());
    return EXIT.done;
  }
  program.parse(words, { from: "user" });
  return await work;
}

/** What a person reads when a command fails: what happened, details, what to do next. */
function tell(error: unknown): ExitCode {
  if (error instanceof CommanderError) return exitCodeOf(error.exitCode);
  if (error instanceof CliFailure) {
    const lines = [`skerry: ${visible(error.message)}`, ...error.details];
    io.err(`${[...lines, ...(error.hint === "" ? [] : [visible(error.hint)])].join("\n")}\n`);
    return error.exitCode;
  }
  const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
  io.err(`skerry: This is a bug in skerry; please report it with these lines:\n${words}\n`);
  return EXIT.failed;
}

// A reader that has seen enough (`skerry events | head`) is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT.done);
    throw error;
  });
}
// Timers of the clock do not keep a process alive; a command that waits must.
const awake = setInterval(() => undefined, 2 ** 30);
process.exitCode = await main(process.argv.slice(2)).catch(tell);
clearInterval(awake);
