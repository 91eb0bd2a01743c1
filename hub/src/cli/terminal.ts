// Reads from a person or a pipe. What is typed as a secret never shows.
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { CliFailure } from "./failure.ts";

/** A Compose file has 1 MiB at most; tokens are short. */
const MAX_INPUT_BYTES = 4 * 1_024 * 1_024;

export async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    const piece = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    size += piece.length;
    if (size > MAX_INPUT_BYTES) throw new CliFailure("Standard input is too long.");
    chunks.push(piece);
  }
  return Buffer.concat(chunks).toString("utf8");
}

export async function ask(question: string, hidden: boolean): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: hidden ? silent : process.stderr, terminal: true });
  // Asked only now: the interface has switched the terminal's own echo off.
  if (hidden) process.stderr.write(question);
  try {
    return await Promise.race([
      lines.question(hidden ? "" : question),
      new Promise<never>((_resolve, reject) => {
        lines.on("SIGINT", () => reject(new CliFailure("Stopped; nothing was changed.")));
        lines.on("close", () => reject(new CliFailure("There was no answer; nothing was changed.")));
      }),
    ]);
  } finally {
    lines.close();
    if (hidden) process.stderr.write("\n");
  }
}
