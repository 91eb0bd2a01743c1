// The engine's two streams of JSON lines: events, and the progress of a pull. Memory is bounded whatever the engine sends.
import type { Readable } from "node:stream";
import { fieldsOf, number, text } from "./docker-read.ts";
import type { PullProgress } from "./engine.ts";

/** One event or progress line is under 4 KB; labels may make it larger. Past this the stream is broken. */
const MAX_LINE_CHARACTERS = 1_048_576;

/** Calls `onLine` for each JSON object; resolves at the end, rejects when the stream breaks or a line is no JSON object. */
export async function readJsonLines(
  stream: Readable,
  onLine: (line: Readonly<Record<string, unknown>>) => void,
): Promise<void> {
  let rest = "";
  stream.setEncoding("utf8");
  for await (const chunk of stream) {
    rest += String(chunk);
    let end = rest.indexOf("\n");
    while (end >= 0) {
      const line = rest.slice(0, end).trim();
      rest = rest.slice(end + 1);
      if (line !== "") onLine(fieldsOf(JSON.parse(line), "a stream"));
      end = rest.indexOf("\n");
    }
    if (rest.length > MAX_LINE_CHARACTERS) throw new Error(`a line of over ${MAX_LINE_CHARACTERS} characters`);
  }
  if (rest.trim() !== "") onLine(fieldsOf(JSON.parse(rest), "a stream"));
}

/** Adds up the layers of one pull. Extracting is not counted: its bytes are other ones. */
export class PullTally {
  readonly #layers = new Map<string, PullProgress>();

  /** The error that the engine put into the stream, if this line is one. */
  add(line: Readonly<Record<string, unknown>>): string | null {
    if (typeof line["error"] === "string") return line["error"];
    const id = text(line["id"]);
    const detail = line["progressDetail"];
    const known = this.#layers.get(id);
    switch (line["status"]) {
      case "Downloading": {
        const { current, total } = fieldsOf(detail ?? {}, "a pull");
        this.#layers.set(id, { doneBytes: number(current), totalBytes: Math.max(number(total), number(current)) });
        return null;
      }
      case "Download complete":
      case "Pull complete":
        if (known !== undefined) this.#layers.set(id, { ...known, doneBytes: known.totalBytes });
        return null;
      default:
        return null;
    }
  }

  now(): PullProgress {
    let doneBytes = 0;
    let totalBytes = 0;
    for (const layer of this.#layers.values()) {
      doneBytes += layer.doneBytes;
      totalBytes += layer.totalBytes;
    }
    return { doneBytes, totalBytes };
  }
}
