// Passwords and codes from a person or a pipe: typed without showing, or line by line from standard input. They are never arguments: others on
// the machine could read them there.
import { HubRefusal } from "./client.ts";
import { CliFailure, usage } from "./failure.ts";
import type { Io } from "./io.ts";

/** Asks for the next one. */
export type Ask = (question: string) => Promise<string>;

export async function askSecrets(io: Io): Promise<Ask> {
  if (io.inIsTerminal) return (question) => io.ask(question, true);
  const lines = (await io.readInput()).split(/\r?\n/);
  return async (question) => {
    const line = lines.shift();
    if (line === undefined || line === "")
      throw usage(`Standard input ends before ${JSON.stringify(question.trim())}.`, "Give one answer a line.");
    return line;
  };
}

/** On a terminal twice: what is typed does not show. */
export async function newPassword(io: Io, ask: Ask, question = "New password: "): Promise<string> {
  const password = await ask(question);
  if (!io.inIsTerminal) return password;
  if ((await ask("The same again: ")) !== password)
    throw new CliFailure("The two differ; nothing was changed.", { hint: "Try again." });
  return password;
}

/** Asks for the code of a second factor only when the hub says that there is one. */
export async function withCode<T>(ask: Ask, call: (code: { code?: string }) => Promise<T>): Promise<T> {
  try {
    return await call({});
  } catch (error) {
    if (!(error instanceof HubRefusal) || error.code !== "second-factor-needed") throw error;
    return await call({ code: (await ask("Code: ")).trim() });
  }
}
