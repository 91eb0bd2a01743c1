// Edges: what a cron library says of windows. It brings time-zone data with it that would cost an agent 10 MB for as long as it runs, so
// it is asked of a short-lived process of this same program, and only when a window opens, closes or is new.
import { execFile } from "node:child_process";
import { type Window, windowSchema } from "@skerry/shared/model/update.ts";
import type { Cron } from "croner";
import * as z from "zod/mini";

/** A Pi under load takes seconds to start a process. */
const DEADLINE_MS = 60_000;
const MAX_OUTPUT_BYTES = 1_048_576;
/** Windows that run into each other are followed so far: a day of "every minute". */
const MAX_JOINED = 1_440;

/** The word on the command line that makes this program answer a question on its standard input, and end. */
export const WINDOWS_WORD = "windows";

const edgeSchema = z.object({
  open: z.boolean(),
  /** In wall time. null: never. */
  changesAtMs: z.nullable(z.number()),
  /** When it changes, in its own time zone; or why nobody can say. */
  words: z.string(),
});
export type Edge = z.infer<typeof edgeSchema>;

const questionSchema = z.object({ wallMs: z.number(), windows: z.array(windowSchema) });
export type Question = z.infer<typeof questionSchema>;

/** One answer for each window, in their order. Rejects when nobody answers. */
export type AskEdges = (question: Question) => Promise<readonly Edge[]>;

/** Started from the agent. */
export const askApart: AskEdges = async (question) => {
  const [, program = ""] = process.argv;
  const settings = { timeout: DEADLINE_MS, maxBuffer: MAX_OUTPUT_BYTES };
  const text = await new Promise<string>((resolve, reject) => {
    const child = execFile(process.execPath, [program, WINDOWS_WORD], settings, (error, stdout) =>
      error === null ? resolve(stdout) : reject(error),
    );
    // A process that ends early has its reason in `error`.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(JSON.stringify(question));
  });
  return z.array(edgeSchema).parse(JSON.parse(text));
};

/** Runs in the process of its own. */
export async function answerEdges(input: AsyncIterable<Buffer | string>, out: (text: string) => void): Promise<void> {
  let text = "";
  for await (const part of input) text += String(part);
  out(`${JSON.stringify(await askHere(questionSchema.parse(JSON.parse(text))))}\n`);
}

export const askHere: AskEdges = async ({ wallMs, windows }) => {
  const { Cron: Library } = await import("croner");
  return windows.map((window) => edgeIn(Library, window, wallMs));
};

function edgeIn(Library: typeof Cron, { cron, durationMs, timeZone }: Window, wallMs: number): Edge {
  try {
    const made = new Library(cron, { timezone: timeZone, mode: "5-part" });
    const next = (afterMs: number): number | null => made.nextRun(new Date(afterMs))?.getTime() ?? null;
    const { open, changesAtMs } = edgeOf(next, durationMs, wallMs);
    const words =
      changesAtMs === null ? `"${cron}" never comes again` : `${inWords(changesAtMs, timeZone)} (${timeZone})`;
    return { open, changesAtMs, words };
  } catch {
    // The hub checks every window with the same library: only one of a newer hub comes here.
    return { open: false, changesAtMs: null, words: `this agent cannot read "${cron}" in time zone "${timeZone}"` };
  }
}

/** A window is open from each match on for its length; the next match may prolong it. */
export function edgeOf(
  next: (afterMs: number) => number | null,
  durationMs: number,
  wallMs: number,
): Pick<Edge, "open" | "changesAtMs"> {
  // The first match later than this began less than one length ago.
  const first = next(wallMs - durationMs);
  if (first === null || first > wallMs) return { open: false, changesAtMs: first };
  let endsAtMs = first + durationMs;
  let at = next(first);
  for (let joined = 0; joined < MAX_JOINED && at !== null && at <= endsAtMs; joined += 1) {
    endsAtMs = at + durationMs;
    at = next(at);
  }
  return { open: true, changesAtMs: endsAtMs };
}

/** 2026-11-22 03:00 */
function inWords(wallMs: number, timeZone: string): string {
  const parts = { dateStyle: "short", timeStyle: "short", timeZone } as const;
  return new Intl.DateTimeFormat("sv-SE", parts).format(new Date(wallMs));
}
