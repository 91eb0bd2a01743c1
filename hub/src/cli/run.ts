// Runs one command line: parses, calls the command, turns failures into words and exit codes. main.ts gives it the real terminal,
// tests give it one of their own. Nothing here may throw.
import { CommanderError } from "commander";
import { visible } from "./escape.ts";
import { CliFailure, EXIT, type ExitCode } from "./failure.ts";
import type { Io } from "./io.ts";
import { buildProgram, exitCodeOf } from "./program.ts";

export async function runCommandLine(words: readonly string[], io: Io): Promise<ExitCode> {
  try {
    return await dispatch(words, io);
  } catch (error) {
    return tell(error, io);
  }
}

async function dispatch(words: readonly string[], io: Io): Promise<ExitCode> {
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

/** What the hub says of single fields of a request. */
function problemsOf(error: CliFailure): string[] {
  if (!("problems" in error) || !Array.isArray(error.problems)) return [];
  return error.problems.map(({ path, message }) => visible(`  ${path === "" ? "" : `${path}: `}${message}`));
}

/** What a person reads when a command fails: what happened, details, what to do next. */
function tell(error: unknown, io: Io): ExitCode {
  if (error instanceof CommanderError) return exitCodeOf(error.exitCode);
  if (error instanceof CliFailure) {
    const lines = [`skerry: ${visible(error.message)}`, ...error.details, ...problemsOf(error)];
    io.err(`${[...lines, ...(error.hint === "" ? [] : [visible(error.hint)])].join("\n")}\n`);
    return error.exitCode;
  }
  const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
  io.err(`skerry: This is a bug in skerry; please report it with these lines:\n${words}\n`);
  return EXIT.failed;
}
