// `skerry events [-f]`: what happened, and with -f what happens. A broken link is taken up again where it broke; a hole is said.

import { sleep } from "@skerry/shared/runtime/clock.ts";
import type { EventView, WatchedEvent, WatchNews } from "../../http/schemas/events.ts";
import type { Client } from "../client.ts";
import { HubRefusal } from "../client.ts";
import { safeJson, visible } from "../escape.ts";
import { CliFailure, EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { appRef } from "../refs.ts";
import { localTime, type Paint, painter, wrap } from "../render.ts";
import { shortId } from "../states.ts";

interface Options extends HubOptions {
  readonly follow?: boolean;
  readonly app?: string;
  readonly node?: string;
  readonly limit?: number;
  readonly json?: boolean;
}

const DEFAULT_EVENTS = 20;
/** A hub that restarts is back in a second or two; this does not press it. */
const AGAIN_AFTER_MS = 1_000;

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const client = await connect(io, options);
  const filter = {
    ...(options.app === undefined ? {} : { app: appRef(options.app) }),
    ...(options.node === undefined ? {} : { node: options.node }),
  };
  const show = shower(io, options.json === true);
  const page = await client.call("listEvents", { query: { ...filter, limit: options.limit ?? DEFAULT_EVENTS } });
  if (options.follow !== true && options.json === true) {
    io.out(`${safeJson({ items: page.items })}\n`);
    return EXIT.done;
  }
  for (const event of page.items) show(event);
  if (options.follow !== true) return EXIT.done;
  return await follow(client, io, filter, page.seq, show);
}

/** With --json one object per line, so that a reader need not wait for an end that does not come. */
function shower(io: Io, json: boolean): (event: EventView | WatchedEvent) => void {
  const paint = painter(io);
  return (event) =>
    io.out(json ? `${safeJson(event, 0)}\n` : `${eventLine(event, io.columns, paint, io.zoneOffsetMinutes)}\n`);
}

async function follow(
  client: Client,
  io: Io,
  filter: Readonly<Record<string, unknown>>,
  seq: number,
  show: (event: WatchedEvent) => void,
): Promise<ExitCode> {
  let position = String(seq);
  let isBroken = false;
  for (;;) {
    let pending = position;
    try {
      const headers = position.includes(".") ? { "last-event-id": position } : {};
      const query = position.includes(".") ? filter : { ...filter, since: position };
      for await (const line of client.lines("watch", query, headers)) {
        if (isBroken) io.err("skerry: the hub is back.\n");
        isBroken = false;
        // An id counts once its event is whole: a stream that breaks between the two must not skip it.
        if (line.startsWith("id: ")) pending = line.slice(4).trim();
        else if (line === "") position = pending;
        else if (line.startsWith("data: ")) for (const event of eventsIn(line.slice(6))) show(event);
      }
    } catch (error) {
      if (error instanceof HubRefusal && error.code === "watch-expired") {
        io.err("skerry: some events were missed: the hub no longer keeps them. Going on from now.\n");
        position = String((await client.call("listEvents", { query: { ...filter, limit: 1 } })).seq);
        continue;
      }
      const isFinal = error instanceof HubRefusal && error.status !== 503;
      if (isFinal || !(error instanceof CliFailure)) throw error;
      if (!isBroken) io.err(`skerry: ${visible(error.message)} Trying again.\n`);
      isBroken = true;
    }
    await sleep(io.clock, AGAIN_AFTER_MS);
  }
}

function eventsIn(data: string): readonly WatchedEvent[] {
  try {
    // The hub's stream has these items by its schema; anything else is not an event and is passed over.
    const news = JSON.parse(data) as WatchNews;
    return news.kind === "events" ? news.items : [];
  } catch {
    return [];
  }
}

export function eventLine(
  event: EventView | WatchedEvent,
  width: number | null,
  paint: Paint,
  zoneOffsetMinutes: (atMs: number) => number,
): string {
  const time = localTime(event.atMs, zoneOffsetMinutes(event.atMs)).slice(5);
  const where = [event.node?.name, event.workload === null ? event.app : shortId(event.workload)].filter(
    (part) => part !== null && part !== undefined,
  );
  const subject = visible(where.length === 0 ? "hub" : where.join(" "));
  const tint = event.level === "error" ? "bad" : event.level === "warning" ? "busy" : null;
  // The mark stands for the colour where there is none.
  const mark = event.level === "error" ? "!" : event.level === "warning" ? "~" : " ";
  const prefix = `${paint("dim", time)} ${paint(tint, mark)} `;
  return wrap(prefix, `${paint("bold", subject)}: ${visible(event.text)}`, width, " ".repeat(6)).trimEnd();
}
