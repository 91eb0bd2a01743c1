// `skerry agent logs APP[/SERVICE[/SLOT]]`: what containers on this machine wrote, from the agent beside us; needs no hub.
import { type ClientHttp2Session, connect } from "node:http2";
import { createConnection } from "node:net";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { slotNumber, workloadParts } from "@skerry/shared/model/names.ts";
import {
  LOG_END,
  type LogItem,
  MAX_LOG_ITEM_CHARACTERS,
  MAX_STREAMS_PER_NODE,
} from "@skerry/shared/protocol/streams.ts";
import { streamsSocket } from "../streams/streams.ts";
import type { ControlAnswer } from "./answer.ts";
import { controlSocket } from "./server.ts";
import { ask, askFailure, type Terminal } from "./status-command.ts";

export interface LogsWords {
  readonly target: string;
  readonly follow: boolean;
  readonly tail: number | null;
}

/** The exit code. */
export async function logsCommand(dataDir: string, words: LogsWords, terminal: Terminal): Promise<number> {
  const fail = (why: string): number => {
    terminal.error(`skerry agent logs: ${why}\n`);
    return 1;
  };
  try {
    const status = JSON.parse(await ask(controlSocket(dataDir))) as ControlAnswer;
    const ids = status.state === "joined" ? status.workloads.map(({ id }) => id) : [];
    const chosen = ids.filter((id) => fits(id, words.target)).sort();
    if (chosen.length === 0)
      return fail(`nothing on this node is called ${JSON.stringify(words.target)}; skerry agent status lists what is`);
    if (words.follow && chosen.length > MAX_STREAMS_PER_NODE)
      return fail(
        `${chosen.length} containers are called that, and ${MAX_STREAMS_PER_NODE} can be followed at once; name one service: APP/SERVICE`,
      );
    await showAll(dataDir, chosen, words, terminal);
    return 0;
  } catch (error) {
    return fail(error instanceof BrokenOff ? error.message : askFailure(dataDir, error));
  }
}

/** The agent stopped, or is of another version. */
class BrokenOff extends Error {
  override name = "BrokenOff";
}

/** All over one connection: the agent lets few in at once. */
async function showAll(
  dataDir: string,
  ids: readonly WorkloadId[],
  words: LogsWords,
  terminal: Terminal,
): Promise<void> {
  const session = connect("http://node", { createConnection: () => createConnection(streamsSocket(dataDir)) });
  const failed = new Promise<never>((_resolve, reject) => {
    session.on("error", reject);
  });
  const showInTurn = async (): Promise<void> => {
    for (let from = 0; from < ids.length; from += MAX_STREAMS_PER_NODE) {
      const some = ids.slice(from, from + MAX_STREAMS_PER_NODE);
      await Promise.all(some.map((id) => show(session, id, words, ids.length > 1, terminal)));
    }
  };
  try {
    await Promise.race([failed, showInTurn()]);
  } finally {
    session.destroy();
  }
}

/** APP, APP/SERVICE or APP/SERVICE/NUMBER; a copy that is known by its node is number 1 here. */
export function fits(id: WorkloadId, target: string): boolean {
  const { app, service, slot } = workloadParts(id);
  return [app, `${app}/${service}`, `${app}/${service}/${slotNumber(slot)}`, id].includes(target);
}

async function show(
  session: ClientHttp2Session,
  id: WorkloadId,
  words: LogsWords,
  named: boolean,
  terminal: Terminal,
): Promise<void> {
  const { service, slot } = workloadParts(id);
  const prefix = named ? `${service}/${slotNumber(slot)} | ` : "";
  const asked = { workload: id, follow: words.follow, tail: words.tail, sinceMs: null, after: null };
  const stream = session.request({ ":path": `/logs?ask=${encodeURIComponent(JSON.stringify(asked))}` });
  stream.setEncoding("utf8");
  let status = 0;
  stream.once("response", (headers) => {
    status = headers[":status"] ?? 0;
  });
  let isWhole = false;
  try {
    for await (const line of linesOf(stream)) {
      if (status !== 200) throw new BrokenOff("the agent that runs here is of another version: restart it");
      // The agent beside us wrote this: the same program, on the same machine.
      if (line === LOG_END) isWhole = true;
      else tell(JSON.parse(line) as LogItem, prefix, terminal);
    }
  } catch (error) {
    throw error instanceof BrokenOff ? error : new BrokenOff(STOPPED, { cause: error });
  }
  if (!isWhole) throw new BrokenOff(STOPPED);
}

const STOPPED = "the agent stopped in the middle of it; containers run on, and it should be started";

async function* linesOf(stream: AsyncIterable<unknown>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_LOG_ITEM_CHARACTERS) throw new BrokenOff("the agent sent a line that is too long");
    yield* lines;
  }
  if (rest !== "") yield rest;
}

function tell(item: LogItem, prefix: string, terminal: Terminal): void {
  switch (item.kind) {
    case "line":
      return terminal.out(`${prefix}${printable(item.text)}${item.more ? "…" : ""}\n`);
    case "skipped":
      return terminal.error(`${prefix}${item.lines} lines skipped: they came too fast\n`);
    case "note":
      return terminal.error(`${prefix}${printable(item.text)}\n`);
  }
}

/** A container's words must not move this terminal's cursor or colours; tabs may stay. */
function printable(text: string): string {
  return text.replace(/[^\P{C}\t]/gu, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}
