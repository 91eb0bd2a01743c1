// `skerry logs APP[/SERVICE[/SLOT]] [-f]`: what containers wrote and write, from all nodes. Their words are data: unless --raw is given,
// nothing in them reaches the terminal as a command. A hub that restarts is waited for, and that is said.
import { sleep } from "@skerry/shared/runtime/clock.ts";
import type { LogNews } from "../../http/schemas/logs.ts";
import { type Client, HubRefusal } from "../client.ts";
import { safeJson, visible } from "../escape.ts";
import { CliFailure, EXIT, type ExitCode, usage } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { targetRef } from "../refs.ts";
import { type Paint, painter } from "../render.ts";
import { sinceOf } from "../since.ts";
import { shortId } from "../states.ts";

interface Options extends HubOptions {
  readonly target: string;
  readonly follow?: boolean;
  readonly tail?: string;
  readonly since?: string;
  readonly timestamps?: boolean;
  readonly raw?: boolean;
  readonly json?: boolean;
}

/** What -f begins with, unless it is told. */
const FOLLOW_TAIL = 100;
/** A hub that restarts is back in a second or two; this does not press it. */
const AGAIN_AFTER_MS = 1_000;
/** Read again after a break, so that a line on its way then is not lost; what was shown is not shown twice. */
const OVERLAP_MS = 30_000;

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const { app, ...copy } = targetOf(options.target);
  const client = await connect(io, options);
  const query = {
    ...copy,
    follow: options.follow === true,
    tail: tailOf(options),
    sinceMs: await sinceOf(options.since),
  };
  const shown = new Shown(io, options);
  if (!query.follow) {
    for await (const line of client.lines("getLogs", query, {}, { app })) {
      shown.take(line);
      await io.drained();
    }
    return shown.missing ? EXIT.failed : EXIT.done;
  }
  return await follow(client, io, app, query, shown);
}

async function follow(
  client: Client,
  io: Io,
  app: string,
  query: Readonly<Record<string, unknown>>,
  shown: Shown,
): Promise<ExitCode> {
  let heardAtMs: number | null = null;
  let isBroken = false;
  for (;;) {
    try {
      const again = heardAtMs === null ? {} : { tail: undefined, sinceMs: sinceBreak(io, heardAtMs) };
      for await (const line of client.lines("getLogs", { ...query, ...again }, {}, { app })) {
        if (isBroken) io.err("skerry: the hub is back.\n");
        isBroken = false;
        heardAtMs = io.clock.monotonicMs();
        shown.take(line);
        // A reader that stops (a pager) stops all the way back to the containers' engines.
        await io.drained();
      }
      throw new CliFailure("The hub ended the logs.");
    } catch (error) {
      const isFinal = error instanceof HubRefusal && error.status !== 503;
      if (isFinal || !(error instanceof CliFailure) || heardAtMs === null) throw error;
      if (!isBroken) io.err(`skerry: ${visible(error.message)} Trying again.\n`);
      isBroken = true;
      shown.expectAgain();
    }
    await sleep(io.clock, AGAIN_AFTER_MS);
  }
}

function targetOf(text: string) {
  const { app, service, slot } = targetRef(text);
  return { app, service: service ?? undefined, slot: slot ?? undefined };
}

const sinceBreak = (io: Io, heardAtMs: number): number => Math.round(io.clock.monotonicMs() - heardAtMs + OVERLAP_MS);

function tailOf({ tail, since, follow }: Options): number | undefined {
  if (tail === undefined) return follow === true && since === undefined ? FOLLOW_TAIL : undefined;
  if (tail === "all") return undefined;
  if (!/^\d{1,6}$/.test(tail)) throw usage("--tail needs a number of lines, or all.");
  return Number(tail);
}

/** What has been shown, and how. */
class Shown {
  readonly #io: Io;
  readonly #options: Options;
  readonly #paint: Paint;
  /** Of each copy the newest stamp: after a break the same lines come again. */
  readonly #last = new Map<string, string>();
  readonly #again = new Set<string>();
  readonly #colours = new Map<string, string>();
  /** The logs of a copy could not be read. */
  missing = false;

  constructor(io: Io, options: Options) {
    this.#io = io;
    this.#options = options;
    this.#paint = painter(io);
  }

  take(line: string): void {
    const news = parse(line);
    if (news === null || this.#isOld(news)) return;
    if (news.kind === "absent") this.missing = true;
    if (this.#options.json === true) return this.#io.out(`${safeJson(news, 0)}\n`);
    const name = this.#name(news);
    switch (news.kind) {
      case "line": {
        const time = this.#options.timestamps === true ? `${this.#paint("dim", news.at)} ` : "";
        return this.#io.out(`${name} ${time}${this.#text(news.text)}${news.more ? "…" : ""}\n`);
      }
      case "skipped":
        return this.#io.err(`${name} ${news.lines} lines skipped: they came faster than they can be shown\n`);
      case "note":
      case "absent":
        return this.#io.err(`${name} ${visible(news.text)}\n`);
    }
  }

  #isOld(news: LogNews): boolean {
    if (news.kind !== "line") return false;
    const key = `${news.workload} ${news.node?.id ?? ""}`;
    const last = this.#last.get(key);
    // Else it is a piece of the same line, or one of the other output that overtook it by a moment.
    if (last !== undefined && news.at <= last) return this.#again.has(key);
    // The first new line: from here on it is as before the break.
    this.#again.delete(key);
    this.#last.set(key, news.at);
    return false;
  }

  /** After a break lines that were shown come once more. */
  expectAgain(): void {
    for (const key of this.#last.keys()) this.#again.add(key);
  }

  #text(text: string): string {
    return this.#options.raw === true ? text : text.split("\t").map(visible).join("\t");
  }

  #name({ workload, node }: LogNews): string {
    const short = shortId(workload);
    const name = visible(node === null ? short : `${short}@${node.name}`);
    if (!this.#io.color) return `${name} |`;
    const colour = this.#colours.get(name) ?? PREFIXES[this.#colours.size % PREFIXES.length] ?? "36";
    this.#colours.set(name, colour);
    return `\u001b[${colour}m${name} |\u001b[0m`;
  }
}

/** Colours that can be read on dark and on light. */
const PREFIXES = ["36", "33", "32", "35", "34", "96", "93", "92", "95", "94"];

function parse(line: string): LogNews | null {
  if (line.trim() === "") return null;
  try {
    // The hub makes these lines by this type; anything else is passed over.
    return JSON.parse(line) as LogNews;
  } catch {
    return null;
  }
}
