// `skerry agent logs APP[/SERVICE[/SLOT]]`: what containers on this machine wrote, from the agent beside us; needs no hub.
import { connect } from "node:http2";
import { createConnection } from "node:net";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { slotNumber, workloadParts } from "@skerry/shared/model/names.ts";
import { LOG_END, type LogItem, MAX_LOG_ITEM_CHARACTERS } from "@skerry/shared/protocol/streams.ts";
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
  try {
    const status = JSON.parse(await ask(controlSocket(dataDir))) as ControlAnswer;
    const ids = status.state === "joined" ? status.workloads.map(({ id }) => id) : [];
    const chosen = ids.filter((id) => fits(id, words.target)).sort();
    if (chosen.length === 0) {
      terminal.error(
        `skerry agent logs: nothing on this node is called ${JSON.stringify(words.target)}; skerry agent status lists what is\n`,
      );
      return 1;
    }
    await Promise.all(chosen.map((id) => show(dataDir, id, words, chosen.length > 1, terminal)));
    return 0;
  } catch (error) {
    terminal.error(`skerry agent logs: ${askFailure(dataDir, error)}\n`);
    return 1;
  }
}

/** APP, APP/SERVICE or APP/SERVICE/NUMBER; a copy that is known by its node is number 1 here. */
export function fits(id: WorkloadId, target: string): boolean {
  const { app, service, slot } = workloadParts(id);
  return [app, `${app}/${service}`, `${app}/${service}/${slotNumber(slot)}`, id].includes(target);
}

function show(dataDir: string, id: WorkloadId, words: LogsWords, named: boolean, terminal: Terminal): Promise<void> {
  const { service, slot } = workloadParts(id);
  const prefix = named ? `${service}/${slotNumber(slot)} | ` : "";
  const asked = { workload: id, follow: words.follow, tail: words.tail, sinceMs: null, after: null };
  return new Promise((resolve, reject) => {
    const session = connect("http://node", { createConnection: () => createConnection(streamsSocket(dataDir)) });
    session.once("error", reject);
    const stream = session.request({ ":path": `/logs?ask=${encodeURIComponent(JSON.stringify(asked))}` });
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > MAX_LOG_ITEM_CHARACTERS) stream.destroy(new Error("it sent a line that is too long"));
      // The agent beside us wrote this: the same program, on the same machine.
      for (const line of lines.filter((one) => one !== LOG_END)) tell(JSON.parse(line) as LogItem, prefix, terminal);
    });
    stream.once("error", reject);
    stream.once("end", () => {
      session.close();
      resolve();
    });
  });
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
