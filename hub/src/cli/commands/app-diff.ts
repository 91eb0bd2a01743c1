// `skerry app diff APP A B`: what differs between two revisions: per service in words, and the files line by line.
import type { RevisionDiff } from "../../http/schemas/diff.ts";
import { safeJson, visible } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { appRef } from "../refs.ts";
import { type Paint, painter, wrap } from "../render.ts";
import { unifiedDiff } from "../unified.ts";

interface Options extends HubOptions {
  readonly app: string;
  readonly from: number;
  /** The current one when left out. */
  readonly to?: number;
  readonly json?: boolean;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const app = appRef(options.app);
  const client = await connect(io, options);
  const query = { from: options.from, ...(options.to === undefined ? {} : { to: options.to }) };
  const diff = await client.call("diffRevisions", { params: { app }, query });
  io.out(options.json === true ? `${safeJson(diff)}\n` : diffText(diff, io.columns, painter(io)));
  return EXIT.done;
}

const CHANGE_WORDS = {
  added: "is new",
  removed: "is gone",
  recreated: "its containers are replaced",
  changed: "its containers stay",
  unchanged: "is unchanged",
} as const;

export function diffText(diff: RevisionDiff, width: number | null, paint: Paint): string {
  const lines: string[] = [];
  for (const { service, change, what } of diff.services) {
    if (change === "unchanged") continue;
    lines.push(wrap(`${paint("bold", visible(service))}: `, CHANGE_WORDS[change], width, "  "));
    for (const line of what) lines.push(wrap("  - ", visible(line), width, "    "));
  }
  const files = unifiedDiff(diff.from.source, diff.to.source, nameOf(diff, diff.from), nameOf(diff, diff.to));
  if (lines.length === 0)
    lines.push(`Revisions ${diff.from.revision} and ${diff.to.revision} of ${diff.app} ask for the same.`);
  if (files === "") return `${lines.join("\n")}\nThe files are the same.\n`;
  return `${lines.join("\n")}\n\n${files
    .trimEnd()
    .split("\n")
    .map((line) => tinted(line, paint))
    .join("\n")}\n`;
}

const nameOf = ({ app }: RevisionDiff, { revision }: { readonly revision: number }): string =>
  `${app} revision ${revision}`;

/** As git shows it. */
function tinted(line: string, paint: Paint): string {
  const text = visible(line);
  if (/^(---|\+\+\+) /.test(line)) return paint("bold", text);
  if (line.startsWith("@@")) return paint("dim", text);
  return paint(line.startsWith("+") ? "good" : line.startsWith("-") ? "bad" : null, text);
}
