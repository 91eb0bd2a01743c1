// Asks before something is taken away: the name must be typed. Without a terminal there is nobody to ask, so --yes is needed.
import { CliFailure, usage } from "./failure.ts";
import type { Io } from "./io.ts";

export async function confirmByName(io: Io, name: string, what: string, yes: boolean | undefined): Promise<void> {
  if (yes === true) return;
  if (!io.inIsTerminal) throw usage(`${what} Nobody can be asked here.`, "Say --yes if that is meant.");
  io.err(`${what}\n`);
  const typed = await io.ask(`Type ${name} to go on: `, false);
  if (typed.trim() !== name) throw new CliFailure("That is not its name; nothing was changed.");
}
