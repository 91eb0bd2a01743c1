// `skerry why TARGET`: the answer in one sentence, what is wanted and seen, its grounds with their causes, what to do next, and the last
// events that bear on it.
import type { Why } from "../../http/schemas/system.ts";
import { safeJson, visible } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { localTime, type Paint, painter, wrap } from "../render.ts";
import { shortId } from "../states.ts";

interface Options extends HubOptions {
  readonly target: string;
  readonly json?: boolean;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const client = await connect(io, options);
  const why = await client.call("why", { params: { "*": options.target } });
  io.out(options.json === true ? `${safeJson(why)}\n` : whyText(why, io.columns, painter(io), io.zoneOffsetMinutes));
  return EXIT.done;
}

export function whyText(
  why: Why,
  width: number | null,
  paint: Paint,
  zoneOffsetMinutes: (atMs: number) => number,
): string {
  // Most answers begin with their subject.
  const names = why.answer.startsWith(why.target.replace(/^node\//, ""));
  const answer = names ? visible(why.answer) : `${paint("bold", visible(why.target))}: ${visible(why.answer)}`;
  const mark = paint(why.good ? "good" : "bad", why.good ? "✓" : "✗");
  const lines = [wrap(`${mark} `, answer, width, "  ")];
  // What the answer has said already is there for its causes and for what to do.
  const isSaid = ({ subject, text }: Ground): boolean => subject === null && why.answer.includes(text);
  lines.push(...why.lines.filter(isSaid).flatMap((line) => causeLines(line, width, "  ")));
  if (why.wanted.length > 0) lines.push(factLine("wanted", why.wanted, width, paint));
  if (why.seen.length > 0) lines.push(factLine("seen", why.seen, width, paint));
  lines.push(...why.lines.filter((line) => !isSaid(line)).flatMap((line) => groundLines(line, width)));
  if (why.output.length > 0) lines.push("", "It said last:", ...why.output.map((line) => `  ${visible(line)}`));
  if (why.events.length > 0) lines.push("", "Last events:", ...eventLines(why, width, paint, zoneOffsetMinutes));
  return `${lines.join("\n")}\n`;
}

function factLine(name: string, facts: readonly string[], width: number | null, paint: Paint): string {
  const label = name.padEnd("wanted".length);
  return wrap(`  ${paint("dim", label)}  `, facts.map(visible).join("; "), width, " ".repeat(label.length + 4));
}

type Ground = Why["lines"][number];

/** A ground, then what it follows from, then what to do. */
function groundLines(line: Ground, width: number | null): string[] {
  const about = line.subject === null ? "" : `${visible(shortId(line.subject))}: `;
  return [wrap("  - ", about + visible(line.text), width, "    "), ...causeLines(line, width, "    ")];
}

function causeLines({ because, hint }: Ground, width: number | null, indent: string): string[] {
  const lines = because.map((cause) => wrap(`${indent}← `, visible(cause), width, `${indent}  `));
  return hint === null ? lines : [...lines, wrap(`${indent}→ `, visible(hint), width, `${indent}  `)];
}

function eventLines(
  why: Why,
  width: number | null,
  paint: Paint,
  zoneOffsetMinutes: (atMs: number) => number,
): string[] {
  const told = why.events.filter((each, at) => !saidAgain(each, why.events[at + 1]));
  return told.map((event) => {
    const time = localTime(event.atMs, zoneOffsetMinutes(event.atMs)).slice(5);
    const subject = visible(
      event.workload === null ? (event.node?.name ?? event.app ?? "hub") : copyName(event.workload, event.node),
    );
    return wrap(`  ${paint("dim", time)} `, `${subject}: ${visible(event.text)}`, width, " ".repeat(6));
  });
}

/** A copy that is known by its node is called by both. */
function copyName(workload: string, node: Why["events"][number]["node"]): string {
  const short = shortId(workload);
  return short === workload || node === null ? short : `${short} on ${node.name}`;
}

/** A failure, and right after it the same with when the next try is. */
function saidAgain(event: Why["events"][number], next: Why["events"][number] | undefined): boolean {
  return next !== undefined && event.workload === next.workload && next.text.startsWith(`${event.text};`);
}
