#!/usr/bin/env node
// The `skerry` program: hub and client commands. Builds what a command may see and do from this process, and runs it.
// It must stay quick to start: what is imported here is paid for by every command.
import { homedir } from "node:os";
import { systemClock } from "@skerry/shared/runtime/clock.ts";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { EXIT } from "./failure.ts";
import type { Io } from "./io.ts";
import { runCommandLine } from "./run.ts";
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
  drained: () =>
    process.stdout.writableNeedDrain
      ? new Promise((resolve) => process.stdout.once("drain", resolve))
      : Promise.resolve(),
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

// A reader that has seen enough (`skerry events | head`) is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT.done);
    throw error;
  });
}
// Timers of the clock do not keep a process alive; a command that waits must.
const awake = setInterval(() => undefined, 2 ** 30);
process.exitCode = await runCommandLine(process.argv.slice(2), io);
clearInterval(awake);
