// The engine's streams: JSON lines (events, the progress of a pull) and what containers write. Memory is bounded whatever it sends.
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

/** What engines say of a layer, by whether it is there and unpacked. Other lines (the tag, the digest) are of no layer. */
const LAYER_DONE: Readonly<Record<string, boolean>> = {
  "Pulling fs layer": false,
  Waiting: false,
  Downloading: false,
  "Verifying Checksum": false,
  "Download complete": false,
  Extracting: false,
  "Pull complete": true,
  "Already exists": true,
};
/** An image has at most 127. */
const MAX_LAYERS = 1_000;

interface LayerTally {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly isDone: boolean;
}
const NEW_LAYER: LayerTally = { doneBytes: 0, totalBytes: 0, isDone: false };

/** Adds up the layers of one pull. The bytes of unpacking are not counted: they are other ones. */
export class PullTally {
  readonly #layers = new Map<string, LayerTally>();

  /** The error that the engine put into the stream, if this line is one. */
  add(line: Readonly<Record<string, unknown>>): string | null {
    if (typeof line["error"] === "string") return line["error"];
    const id = text(line["id"]);
    const status = text(line["status"]);
    const isDone = LAYER_DONE[status];
    if (isDone === undefined || (this.#layers.size >= MAX_LAYERS && !this.#layers.has(id))) return null;
    const layer = { ...(this.#layers.get(id) ?? NEW_LAYER), isDone };
    this.#layers.set(id, { ...layer, ...bytesOf(status, line["progressDetail"], layer) });
    return null;
  }

  now(): PullProgress {
    const layers = [...this.#layers.values()];
    const sum = (of: (layer: LayerTally) => number): number => layers.reduce((all, layer) => all + of(layer), 0);
    return {
      doneBytes: sum(({ doneBytes }) => doneBytes),
      totalBytes: sum(({ totalBytes }) => totalBytes),
      doneLayers: layers.filter(({ isDone: done }) => done).length,
      totalLayers: layers.length,
    };
  }
}

function bytesOf(status: string, detail: unknown, layer: LayerTally): Partial<LayerTally> {
  switch (status) {
    case "Downloading": {
      const { current, total } = fieldsOf(detail ?? {}, "a pull");
      return { doneBytes: number(current), totalBytes: Math.max(number(total), number(current)) };
    }
    case "Download complete":
    case "Pull complete":
      return { doneBytes: layer.totalBytes };
    default:
      return {};
  }
}

/** Of each piece of output: one byte says which stream, three are nothing, four say how long it is. */
const FRAME_HEADER_BYTES = 8;

/** Takes the frames off what is written without a terminal. What a terminal shows has none, and may look like one. */
class Unframe {
  #header = Buffer.alloc(0);
  #left = 0;

  take(chunk: Buffer): Buffer {
    const parts: Buffer[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left === 0) {
        const missing = FRAME_HEADER_BYTES - this.#header.length;
        this.#header = Buffer.concat([this.#header, rest.subarray(0, missing)]);
        rest = rest.subarray(missing);
        if (this.#header.length < FRAME_HEADER_BYTES) break;
        this.#left = this.#header.readUInt32BE(4);
        this.#header = Buffer.alloc(0);
        continue;
      }
      const piece = rest.subarray(0, this.#left);
      parts.push(piece);
      this.#left -= piece.length;
      rest = rest.subarray(piece.length);
    }
    return Buffer.concat(parts);
  }
}

/** The first `maxBytes` of what is written without a terminal; the rest is read and let go. */
export async function readBeginning(stream: Readable, maxBytes: number): Promise<string> {
  const frames = new Unframe();
  let held = Buffer.alloc(0);
  for await (const chunk of stream) {
    const plain = frames.take(asBuffer(chunk));
    if (held.length < maxBytes) held = Buffer.concat([held, plain]).subarray(0, maxBytes);
  }
  return held.toString("utf8");
}

interface TailOptions {
  readonly onTerminal: boolean;
  readonly lines: number;
  readonly maxBytes: number;
}

/** The last lines of a stream of output, together at most `maxBytes`; of a line that is too long its end. */
export async function readTail(stream: Readable, options: TailOptions): Promise<readonly string[]> {
  const { onTerminal, lines, maxBytes } = options;
  const frames = onTerminal ? null : new Unframe();
  let held = Buffer.alloc(0);
  let cut = false;
  for await (const chunk of stream) {
    const bytes = asBuffer(chunk);
    held = Buffer.concat([held, frames?.take(bytes) ?? bytes]);
    if (held.length <= maxBytes) continue;
    // A copy, so that the large one is not kept alive by a small part of it.
    held = Buffer.from(held.subarray(held.length - maxBytes));
    cut = true;
  }
  const all = held.toString("utf8").split("\n").map(plainLine);
  if (all.at(-1) === "") all.pop();
  // The first one lacks its beginning, unless it is all that there is.
  if (cut && all.length > 1) all.shift();
  return all.slice(-lines);
}

const asBuffer = (chunk: unknown): Buffer => (Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk)));

/** As a reader sees it: without colours, and with nothing that would move his cursor. */
function plainLine(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return line.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, "").replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "");
}
