// Shell completion through @bomb.sh/tab, which is young: nothing else may import it, so that replacing it is this file's matter.
import type { Command } from "commander";
import { EXIT, type ExitCode, usage } from "./failure.ts";
import type { Io } from "./io.ts";

const SHELLS = ["bash", "zsh", "fish", "powershell"];

/** What the printed script runs at each press of the key. */
const CALLED_AS = "skerry";

async function describe(program: Command) {
  beBrief(program);
  const { default: tab } = await import("@bomb.sh/tab/commander");
  return tab(program);
}

/** Beside each suggestion there is room for a summary, not for a description. */
function beBrief(command: Command): void {
  if (command.summary() !== "") command.description(command.summary());
  for (const below of command.commands) beBrief(below);
}

export async function printScript(program: Command, io: Io, shell: string): Promise<ExitCode> {
  if (!SHELLS.includes(shell))
    throw usage(`There is no completion for ${JSON.stringify(shell)}.`, `Known: ${SHELLS.join(", ")}.`);
  io.out(await scriptFor(program, shell));
  return EXIT.done;
}

/** The library prints to the console; this takes what it prints. */
async function scriptFor(program: Command, shell: string): Promise<string> {
  const completion = await describe(program);
  const printed: string[] = [];
  const { log } = console;
  console.log = (...words: unknown[]) => void printed.push(words.join(" "));
  try {
    completion.setup(CALLED_AS, CALLED_AS, shell);
  } finally {
    console.log = log;
  }
  return `${printed.join("\n")}\n`;
}

/** `skerry complete -- WORDS`: one suggestion per line, as the script expects them. */
export async function suggest(program: Command, words: string[]): Promise<ExitCode> {
  const completion = await describe(program);
  completion.parse(words);
  return EXIT.done;
}
