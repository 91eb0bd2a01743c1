// A container's log as the engine streams it → lines with stream and stamp. Without a terminal it comes in frames (a byte of stream, three
// of nothing, four of length), with one as plain bytes. Memory is bounded whatever a container writes; a slow reader slows the engine.
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
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

/** The engine cuts a line that long, and stamps each piece of it: in a terminal's output those stamps stand in the midst of the line. */
const PIECE_BYTES = 16_384;
/** The engine writes all nine digits, in UTC. */
const STAMP_BYTES = `${NO_STAMP} `.length;
const NEWLINE = 0x0a;

/** For a container with a terminal: lines, all of them of one stream. */
export async function* plainLines(stream: Readable): AsyncGenerator<LogLine> {
  let rest: Buffer = Buffer.alloc(0);
  // Of a line that goes on.
  let at = NO_STAMP;
  // A letter may be cut in two between pieces.
  let letters = new StringDecoder("utf8");
  const line = function* (bytes: Buffer, ends: boolean): Generator<LogLine> {
    const stamp = STAMPED.exec(bytes.toString("latin1", 0, STAMP_BYTES));
    at = stamp?.[1] ?? at;
    const text = letters.write(bytes.subarray(stamp?.[0].length ?? 0)) + (ends ? letters.end() : "");
    yield* cut("stdout", at, ends ? withoutBreak(text) : text, ends);
    if (!ends) return;
    at = NO_STAMP;
    letters = new StringDecoder("utf8");
  };
  for await (const chunk of stream) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    for (let length = pieceLength(rest); length > 0; length = pieceLength(rest)) {
      yield* line(rest.subarray(0, length), rest[length - 1] === NEWLINE);
      rest = rest.subarray(length);
    }
  }
  if (rest.length > 0) yield* line(rest, true);
}

/** Of the piece that these bytes begin with; 0: its end is not among them. */
function pieceLength(bytes: Buffer): number {
  const most = STAMP_BYTES + PIECE_BYTES;
  const newline = bytes.subarray(0, most).indexOf(NEWLINE);
  if (newline >= 0) return newline + 1;
  return bytes.length >= most ? most : 0;
}

/** One stamped text. */
function* pieces(stream: LogLine["stream"], stamped: string): Generator<LogLine> {
  const match = STAMPED.exec(stamped);
  const body = stamped.slice(match?.[0].length ?? 0);
  const ends = body.endsWith("\n");
  yield* cut(stream, match?.[1] ?? NO_STAMP, ends ? withoutBreak(body) : body, ends);
}

const withoutBreak = (text: string): string => text.replace(/\r?\n$/, "");

/** What is longer than a line may be becomes several of the same stamp. */
function* cut(stream: LogLine["stream"], at: string, text: string, ends: boolean): Generator<LogLine> {
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
