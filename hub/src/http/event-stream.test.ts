// One watching client and its room, on a clock of our own.
import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import type { Clock } from "@skerry/shared/runtime/clock.ts";
import { expect, test } from "vitest";
import { BEAT_MS, EventStream, MAX_BUFFERED_BYTES, message, parsePosition, STALL_MS } from "./event-stream.ts";

/** A response whose client takes nothing until told to. */
class StuckResponse extends EventEmitter {
  writableLength = 0;
  written = "";
  state: "open" | "ended" | "destroyed" = "open";
  write(text: string): boolean {
    this.written += text;
    this.writableLength += text.length;
    return false;
  }
  end(): void {
    this.state = "ended";
  }
  destroy(): void {
    this.state = "destroyed";
  }
  take(): void {
    this.writableLength = 0;
    this.emit("drain");
  }
}

function setUp(durable: (seq: number) => string | null) {
  const response = new StuckResponse();
  const timers = new Set<{ readonly atMs: number; readonly fire: () => void }>();
  const now = { ms: 0 };
  const clock: Clock = {
    monotonicMs: () => now.ms,
    wallMs: () => 0,
    setTimer: (delayMs, fire) => {
      const timer = { atMs: now.ms + delayMs, fire };
      timers.add(timer);
      return { cancel: () => timers.delete(timer) };
    },
  };
  let ended = 0;
  const stream = new EventStream(
    // The stream uses what StuckResponse has, and nothing else of a response.
    response as unknown as ServerResponse,
    {
      durable: ({ seq }) => {
        const text = durable(seq + 1);
        if (text === null) return null;
        return text === ""
          ? { text, position: { seq, index: Infinity } }
          : { text, position: { seq: seq + 1, index: Infinity } };
      },
      passing: () => "",
    },
    { seq: 0, index: Infinity },
    clock,
    () => {
      ended += 1;
    },
  );
  const advance = (ms: number): void => {
    const until = now.ms + ms;
    for (;;) {
      const next = [...timers].filter(({ atMs }) => atMs <= until).toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      now.ms = next.atMs;
      timers.delete(next);
      next.fire();
    }
    now.ms = until;
  };
  return { response, stream, advance, ended: () => ended, timers };
}

test("[A36] nothing is read for a client that has no room, and reading goes on where it stopped", () => {
  const piece = "x".repeat(MAX_BUFFERED_BYTES / 2);
  let read = 0;
  const { response, stream } = setUp((seq) => {
    read = seq;
    return seq <= 10 ? piece : "";
  });
  stream.pump();
  expect(read).toBe(2);
  stream.pump();
  expect(read).toBe(2);
  for (let turn = 0; turn < 6; turn += 1) response.take();
  expect(response.written.length).toBe(10 * piece.length);
});

test("[A36] a client that takes nothing of a full buffer for too long is cut off", () => {
  const { response, stream, advance, ended, timers } = setUp((seq) =>
    seq === 1 ? "x".repeat(MAX_BUFFERED_BYTES) : "",
  );
  stream.pump();
  stream.pump();
  advance(STALL_MS);
  expect(response.state).toBe("open");
  advance(2 * BEAT_MS);
  expect(response.state).toBe("destroyed");
  expect(ended()).toBe(1);
  expect(timers.size).toBe(0);
});

test("[A36] a client that fell behind what is kept is ended", () => {
  const { response, stream, ended } = setUp(() => null);
  stream.pump();
  expect(response.state).toBe("ended");
  expect(ended()).toBe(1);
  stream.end();
  expect(ended()).toBe(1);
});

test("[A37] beats are comments that carry the position forward", () => {
  const { response, stream, advance } = setUp((seq) => (seq <= 3 ? message({ seq }, { seq, index: 0 }) : ""));
  stream.pump();
  response.take();
  const before = response.written.length;
  advance(BEAT_MS);
  expect(response.written.slice(before)).toBe(": beat\nid: 3\n\n");
});

test.each([
  ["12", { seq: 12, index: Infinity }],
  ["12.3", { seq: 12, index: 3 }],
  ["0", { seq: 0, index: Infinity }],
  ["", null],
  ["-1", null],
  ["1.", null],
  ["1.2.3", null],
  ["1e9", null],
  ["9999999999999999999", null],
])("[A31] position %j", (text, position) => {
  expect(parsePosition(text)).toEqual(position);
});
