// `skerry audit`: who changed what, and who was refused. With --json an export, as long as the log, which is printed as it comes.
import type { AuditEntryView, AuditPageView } from "../../http/schemas/audit.ts";
import type { Client } from "../client.ts";
import { safeJson, visible } from "../escape.ts";
import { EXIT, type ExitCode, usage } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { appRef, nodeRef } from "../refs.ts";
import { localTime, type Paint, painter, wrap } from "../render.ts";
import { sinceOf } from "../since.ts";

interface Options extends HubOptions {
  readonly actor?: string;
  readonly app?: string;
  readonly node?: string;
  readonly since?: string;
  readonly refused?: boolean;
  readonly limit?: number;
  readonly json?: boolean;
}

const DEFAULT_ENTRIES = 20;
/** About half a megabyte of JSON. */
const PAGE = 1_000;

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const filter = await filterOf(options);
  const client = await connect(io, options);
  const paint = painter(io);
  const show = (entry: AuditEntryView): void =>
    io.out(
      options.json === true
        ? `${safeJson(entry, 0)}\n`
        : `${auditLine(entry, io.columns, paint, io.zoneOffsetMinutes)}\n`,
    );
  const limit = options.limit ?? (options.json === true ? null : DEFAULT_ENTRIES);
  if (limit !== null) for (const entry of await lastOnes(client, filter, limit)) show(entry);
  else
    for await (const page of pages(client, filter)) {
      page.items.forEach(show);
      await io.drained();
    }
  return EXIT.done;
}

type Filter = Readonly<Record<string, string | number>>;

async function filterOf(options: Options): Promise<Filter> {
  if (options.app !== undefined && options.node !== undefined) throw usage("--app and --node do not go together.");
  const sinceMs = await sinceOf(options.since);
  return {
    ...(options.actor === undefined ? {} : { actor: options.actor }),
    ...(options.app === undefined ? {} : { target: `app/${appRef(options.app)}` }),
    ...(options.node === undefined ? {} : { target: `node/${nodeRef(options.node)}` }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(options.refused === true ? { outcome: "refused" } : {}),
  };
}

/** All entries from one on, oldest first, as pages. */
export async function* pages(client: Client, filter: Filter, after = 0): AsyncGenerator<AuditPageView> {
  for (let from: number | null = after; from !== null; ) {
    const page: AuditPageView = await client.call("listAudit", { query: { ...filter, after: from, limit: PAGE } });
    yield page;
    from = page.next;
  }
}

/** From the newest back, until there are enough; given oldest first. */
async function lastOnes(client: Client, filter: Filter, limit: number): Promise<AuditEntryView[]> {
  const found: AuditEntryView[] = [];
  for (let before: number | null | undefined; before !== null && found.length < limit; ) {
    const from: Filter = before === undefined ? {} : { before };
    const page: AuditPageView = await client.call("listAudit", {
      query: { ...filter, ...from, limit: Math.min(PAGE, limit - found.length) },
    });
    found.push(...page.items);
    before = page.next;
  }
  return found.reverse();
}

export function auditLine(
  entry: AuditEntryView,
  width: number | null,
  paint: Paint,
  zoneOffsetMinutes: (atMs: number) => number,
): string {
  const time = localTime(entry.atMs, zoneOffsetMinutes(entry.atMs)).slice(5);
  const isRefused = entry.outcome === "refused";
  const prefix = `${paint("dim", time)} ${paint(isRefused ? "bad" : null, isRefused ? "!" : " ")} `;
  const from = entry.address === null ? "" : ` from ${entry.address}`;
  const who = paint("bold", visible(`${entry.actor ?? "nobody known"}${from}`));
  return wrap(prefix, `${who}: ${visible(whatWords(entry))}`, width, " ".repeat(6)).trimEnd();
}

function whatWords({ what, target, before, after, outcome, code, count }: AuditEntryView): string {
  if (what === null) return `and ${count.toLocaleString("en")} more were refused`;
  const about = target === null ? what : `${what} ${target}`;
  if (outcome === "refused") return `${about}: refused: ${code}`;
  return before === after
    ? `${about}: ${after ?? "nothing"}, as before`
    : `${about}: ${before ?? "nothing"} → ${after ?? "nothing"}`;
}
