// `skerry audit verify`: walks the chain of the audit log, here and not on the hub, which might say anything of itself.
import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { type AuditLink, CHAIN_START, follow } from "../../store/audit-chain.ts";
import { visible } from "../escape.ts";
import { CliFailure, EXIT, type ExitCode, usage } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { plural } from "../render.ts";
import { pages } from "./audit.ts";

interface Options extends HubOptions {
  readonly file?: string;
  readonly andHub?: boolean;
}

/** What was walked. `start`: the link that the first entry follows. */
interface Walked {
  readonly start: AuditLink;
  readonly end: AuditLink;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  if (options.andHub === true && options.file === undefined) throw usage("--and-hub goes on from a file: give --file.");
  const file = options.file === undefined ? null : await walkFile(io, options.file);
  const walked = file !== null && options.andHub !== true ? file : await walkHub(io, options, file);
  io.out(verdict(walked));
  return EXIT.done;
}

function verdict({ start, end }: Walked): string {
  const count = end.number - start.number;
  if (count === 0) return "The chain holds: there are no entries.\n";
  const before = start.number === 0 ? "" : ` What came before entry ${start.number + 1} is not here.`;
  return [
    `The chain holds: ${plural(count, "entry", "entries")}, ${start.number + 1} to ${end.number}.${before}\n`,
    `The hash of entry ${end.number}: ${visible(end.hash)}\n`,
  ].join("");
}

/** One entry after the other; throws at the first that does not fit. */
class Walk {
  #start: AuditLink | null;
  #end: AuditLink | null;
  readonly #where: string;
  constructor(where: string, end: AuditLink | null) {
    this.#where = where;
    this.#start = end;
    this.#end = end;
  }

  get walked(): Walked {
    return { start: this.#start ?? CHAIN_START, end: this.#end ?? CHAIN_START };
  }

  take(entry: unknown, place = ""): void {
    const next = follow(this.#end, entry);
    if (!next.ok) throw doesNotHold(this.#where, `${place}${next.error}`);
    this.#start ??= { number: next.value.number - 1, hash: "" };
    this.#end = next.value;
  }
}

const doesNotHold = (where: string, why: string): CliFailure =>
  new CliFailure(`The chain of ${where} does not hold: ${visible(why)}.`, {
    hint: "What came before fits. An export with a filter has gaps: export without one. Else somebody has changed the log: compare it with exports that you keep elsewhere.",
  });

async function walkFile(io: Io, file: string): Promise<Walked> {
  const walk = new Walk(file, null);
  let number = 0;
  try {
    for await (const line of createInterface({ input: createReadStream(resolve(io.cwd, file)) })) {
      number += 1;
      if (line !== "") walk.take(parsed(line), `line ${number}: `);
    }
  } catch (error) {
    if (error instanceof CliFailure) throw error;
    throw new CliFailure(`Cannot read ${visible(file)}: ${error instanceof Error ? error.message : String(error)}.`, {
      hint: "Give a file made by: skerry audit --json > FILE",
      cause: error,
    });
  }
  return walk.walked;
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

/** `before`: what was walked in a file, from whose end it goes on. */
async function walkHub(io: Io, options: HubOptions, before: Walked | null): Promise<Walked> {
  const client = await connect(io, options);
  let walk: Walk | null = null;
  let last = CHAIN_START;
  for await (const page of pages(client, {}, before?.end.number ?? 0)) {
    if (walk === null) {
      if (before !== null && page.trimmed.number > before.end.number) throw tooOld(before.end, page.trimmed);
      walk = new Walk(`the log on ${client.url}`, before?.end ?? page.trimmed);
    }
    for (const entry of page.items) walk.take(entry);
    last = page.last;
  }
  const walked = walk?.walked ?? { start: CHAIN_START, end: CHAIN_START };
  const log = `the log on ${client.url}`;
  if (walked.end.number !== last.number)
    throw doesNotHold(log, `it ends with entry ${walked.end.number}, and its end was entry ${last.number}`);
  if (walked.end.hash !== last.hash) throw doesNotHold(log, `its entry ${last.number} was made anew`);
  return { start: before?.start ?? walked.start, end: walked.end };
}

const tooOld = (end: AuditLink, trimmed: AuditLink): CliFailure =>
  new CliFailure(
    `The file ends with entry ${end.number}, and the hub has let go of all up to ${trimmed.number}: nothing links the two.`,
    { hint: "Export more often; each of the two can still be verified by itself." },
  );
