// A container's log as the engine streams it → lines with stream and stamp. Without a terminal it comes in frames (a byte of stream, three
// of nothing, four of length), with one as plain bytes. Memory is bounded whatever a container writes; a slow reader slows the engine.
import type { Readable } from "node:stream";
import { MAX_LOG_LINE_CHARACTERS } from "@skerry/shared/protocol/streams.ts";
import { EngineError, type LogLine } from "./engine.ts";

/** Docker stores pieces of 16 KiB; other log drivers may hold longer ones. Past this the stream is broken. */
const MAX_FRAME_BYTES = 4_194_304;
const HEADER_BYTES = 8;
/** "2026-11-21T12:00:00.123456789Z " */
const STAMPED = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z) ?/;
const NO_STAMP = "1970-01-01T00:00:00.000000000Z";

/** For a container without a terminal: each frame is one piece that was written, with a stamp of its own. */
export async function* framedLines(stream: Readable): AsyncGenerator<LogLine> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    // Docker's answer has no encoding set: chunks are buffers.
    const bytes = chunk as Buffer;
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    let at = 0;
    while (rest.length - at >= HEADER_BYTES) {
      const length = rest.readUInt32BE(at + 4);
      if (length > MAX_FRAME_BYTES) throw new EngineError("retry", `the engine's log holds a piece of ${length} bytes`);
      const end = at + HEADER_BYTES + length;
      if (rest.length < end) break;
      const name = rest[at] === 2 ? "stderr" : "stdout";
      yield* pieces(name, rest.toString("utf8", at + HEADER_BYTES, end));
      at = end;
    }
    rest = rest.subarray(at);
  }
}

/** For a container with a terminal: lines, all of them of one stream. */
export async function* plainLines(stream: Readable): AsyncGenerator<LogLine> {
  let rest = "";
  stream.setEncoding("utf8");
  for await (const chunk of stream) {
    rest += String(chunk);
    let end = rest.indexOf("\n");
    while (end >= 0) {
      yield* pieces("stdout", rest.slice(0, end + 1));
      rest = rest.slice(end + 1);
      end = rest.indexOf("\n");
    }
    if (rest.length > MAX_LOG_LINE_CHARACTERS) {
      yield* pieces("stdout", rest);
      rest = "";
    }
  }
  if (rest !== "") yield* pieces("stdout", `${rest}\n`);
}

/** One stamped text. What is longer than a line may be becomes several of the same stamp. */
export function* pieces(stream: LogLine["stream"], stamped: string): Generator<LogLine> {
  const match = STAMPED.exec(stamped);
  const at = match?.[1] ?? NO_STAMP;
  const body = stamped.slice(match?.[0].length ?? 0);
  const ends = body.endsWith("\n");
  const text = ends ? body.replace(/\r?\n$/, "") : body;
  for (let from = 0; from === 0 || from < text.length; from += MAX_LOG_LINE_CHARACTERS) {
    const last = from + MAX_LOG_LINE_CHARACTERS >= text.length;
    const piece = text.slice(from, from + MAX_LOG_LINE_CHARACTERS);
    yield { stream, at, text: piece, more: !(last && ends) };
  }
}

/** The engine's own form of a moment: seconds and nanoseconds. */
export function engineMoment(stamp: string): string {
  const [, nanos = "0"] = /\.(\d{1,9})Z$/.exec(stamp) ?? [];
  return `${Math.floor(Date.parse(stamp) / 1_000)}.${nanos.padEnd(9, "0")}`;
}
