// The engine's log stream cut into lines: frames in any pieces, terminals, long lines, and a stream that lies.
import { Readable } from "node:stream";
import { MAX_LOG_LINE_CHARACTERS } from "@skerry/shared/protocol/streams.ts";
import { expect, test } from "vitest";
import { engineMoment, framedLines, plainLines } from "./docker-logs.ts";
import { EngineError, type LogLine } from "./engine.ts";

const AT = "2026-11-21T12:00:00.000000001Z";

function frame(stream: 1 | 2, text: string): Buffer {
  const body = Buffer.from(text);
  const head = Buffer.alloc(8);
  head[0] = stream;
  head.writeUInt32BE(body.length, 4);
  return Buffer.concat([head, body]);
}

async function all(lines: AsyncIterable<LogLine>): Promise<LogLine[]> {
  const found: LogLine[] = [];
  for await (const line of lines) found.push(line);
  return found;
}

test("[E60] frames are put together from any pieces, and keep their output, stamp and control characters", async () => {
  const bytes = Buffer.concat([frame(1, `${AT} one \u001b[31m\n`), frame(2, `${AT} ünü\n`), frame(1, `${AT} \n`)]);
  const expected = [
    { stream: "stdout", at: AT, text: "one \u001b[31m", more: false },
    { stream: "stderr", at: AT, text: "ünü", more: false },
    { stream: "stdout", at: AT, text: "", more: false },
  ];
  for (const size of [1, 3, 8, 1_000]) {
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
    expect(await all(framedLines(Readable.from(chunks, { objectMode: true })))).toEqual(expected);
  }
});

test("[E60] a line without its end says that it goes on, and a longer one than a line may be comes in pieces", async () => {
  const long = "x".repeat(MAX_LOG_LINE_CHARACTERS + 1);
  const lines = await all(framedLines(Readable.from([frame(1, `${AT} begin`), frame(1, `${AT} ${long}\n`)])));
  expect(lines.map(({ text, more }) => [text.length, more])).toEqual([
    [5, true],
    [MAX_LOG_LINE_CHARACTERS, true],
    [1, false],
  ]);
});

test("[E60] a terminal's output is cut at line breaks, and never held when there is none", async () => {
  const endless = "y".repeat(3 * MAX_LOG_LINE_CHARACTERS);
  const lines = await all(plainLines(Readable.from([`${AT} a\r\n${AT} b`, `c\r\n`, `${AT} ${endless}`])));
  expect(lines.slice(0, 2).map(({ text }) => text)).toEqual(["a", "bc"]);
  expect(Math.max(...lines.map(({ text }) => text.length))).toBe(MAX_LOG_LINE_CHARACTERS);
});

const PIECE_BYTES = 16_384;
const LATER = "2026-11-21T12:00:07.000000000Z";

test("[E85] each piece of a terminal's long line has the engine's stamp of it, which stands in the midst of the line", async () => {
  const pieces = ["a".repeat(PIECE_BYTES), "b".repeat(PIECE_BYTES), "c\r\n"];
  const bytes = Buffer.from(`${AT} first\r\n${pieces.map((text) => `${AT} ${text}`).join("")}${LATER} last\r\n`);
  for (const size of [1_000, PIECE_BYTES, 1_000_000]) {
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
    const lines = await all(plainLines(Readable.from(chunks)));
    expect(lines.map(({ at, text, more }) => [at, text.slice(0, 5), text.length, more])).toEqual([
      [AT, "first", 5, false],
      [AT, "aaaaa", PIECE_BYTES, true],
      [AT, "bbbbb", PIECE_BYTES, true],
      [AT, "c", 1, false],
      [LATER, "last", 4, false],
    ]);
  }
});

test("[E85] a later piece without a stamp has that of its line's beginning, and the next line its own", async () => {
  const long = "x".repeat(2 * PIECE_BYTES + 1);
  const bytes = Buffer.from(`${AT} ${long}\n${LATER} next\n`);
  const chunks = [0, 1, 2, 3].map((index) => bytes.subarray(index * 10_000, (index + 1) * 10_000));
  const lines = await all(plainLines(Readable.from(chunks)));
  expect(lines.map(({ at, text, more }) => [at, text.length, more])).toEqual([
    [AT, PIECE_BYTES, true],
    [AT, PIECE_BYTES, true],
    [AT, 1, false],
    [LATER, 4, false],
  ]);
});

test("[E85] a letter that the engine cut in two between pieces is whole", async () => {
  const letters = Buffer.from(`x${"ü".repeat(PIECE_BYTES / 2)}`);
  const [begin, rest] = [letters.subarray(0, PIECE_BYTES), letters.subarray(PIECE_BYTES)];
  const stamp = Buffer.from(`${AT} `);
  const bytes = Buffer.concat([stamp, begin, stamp, rest, Buffer.from("\n")]);
  const lines = await all(plainLines(Readable.from([bytes])));
  expect(lines.map(({ text }) => text).join("")).toBe(letters.toString("utf8"));
});

test("[E60] a frame that claims to be huge ends the stream", async () => {
  const lie = Buffer.from([1, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]);
  await expect(all(framedLines(Readable.from([lie])))).rejects.toBeInstanceOf(EngineError);
});

test("[E60] a stamp keeps its nanoseconds on the way back to the engine", () => {
  expect(engineMoment(AT)).toBe(`${Date.parse("2026-11-21T12:00:00Z") / 1_000}.000000001`);
  expect(engineMoment("2026-11-21T12:00:00Z")).toMatch(/\.000000000$/);
});
