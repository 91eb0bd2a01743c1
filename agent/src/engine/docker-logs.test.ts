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

test("[E60] a frame that claims to be huge ends the stream", async () => {
  const lie = Buffer.from([1, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]);
  await expect(all(framedLines(Readable.from([lie])))).rejects.toBeInstanceOf(EngineError);
});

test("[E60] a stamp keeps its nanoseconds on the way back to the engine", () => {
  expect(engineMoment(AT)).toBe(`${Date.parse("2026-11-21T12:00:00Z") / 1_000}.000000001`);
  expect(engineMoment("2026-11-21T12:00:00Z")).toMatch(/\.000000000$/);
});
