// Logs of one workload from its node, as items. Read as fast as the reader takes them, and no faster.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import {
  LOG_END,
  type LogAsk,
  type LogItem,
  logItemSchema,
  MAX_LOG_ITEM_CHARACTERS,
} from "@skerry/shared/protocol/streams.ts";
import { type NodeStreams, StreamError } from "./streams.ts";

/** Rejects with StreamError only; ends early when `signal` is aborted. */
export async function* readLogs(
  streams: Pick<NodeStreams, "get">,
  node: NodeId,
  ask: LogAsk,
  signal: AbortSignal,
): AsyncGenerator<LogItem> {
  const stream = await streams.get(node, `/logs?ask=${encodeURIComponent(JSON.stringify(ask))}`);
  const end = (): void => void stream.destroy();
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  let [status, complete] = [0, false];
  stream.once("response", (headers) => {
    status = headers[":status"] ?? 0;
  });
  let rest = "";
  stream.setEncoding("utf8");
  try {
    for await (const chunk of stream) {
      if (status !== 200) throw new StreamError("cannot show logs: its agent is older than this hub");
      const lines = (rest + String(chunk)).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > MAX_LOG_ITEM_CHARACTERS) throw new StreamError("sent a line that is too long");
      for (const line of lines) {
        if (line === LOG_END) complete = true;
        else yield parseItem(line);
      }
    }
  } catch (error) {
    if (signal.aborted) return;
    throw error instanceof StreamError ? error : new StreamError("broke off", { cause: error });
  } finally {
    signal.removeEventListener("abort", end);
    stream.destroy();
  }
  if (!signal.aborted && !complete) throw new StreamError("broke off");
}

function parseItem(line: string): LogItem {
  try {
    return logItemSchema.parse(JSON.parse(line));
  } catch (error) {
    throw new StreamError("sent what is no line of a log", { cause: error });
  }
}
