// One client of /v1/watch: writes durable items from the store and passing news from the World, both read only when the client has
// room. A slow client therefore costs two numbers and a set of names, never a queue; one that takes nothing for too long is closed.
import type { ServerResponse } from "node:http";
import type { Clock, Millis, Timer } from "@skerry/shared/runtime/clock.ts";

/** Bytes handed to the socket and not yet taken by the client before we stop writing. */
export const MAX_BUFFERED_BYTES = 262_144;
/** A client that takes nothing of a full buffer for so long is gone or hopeless. */
export const STALL_MS = 30_000;
/** Comments that keep proxies from closing an idle stream (many do after 60 s) and carry the position forward. */
export const BEAT_MS = 15_000;

/** Where a watcher stands: everything up to and including this has been sent. */
export interface WatchPosition {
  readonly seq: number;
  /** Within the commit; Infinity: all of it. */
  readonly index: number;
}

/** "12" or "12.3"; null: not a position. */
export function parsePosition(text: string): WatchPosition | null {
  const match = /^([0-9]{1,15})(?:\.([0-9]{1,9}))?$/.exec(text);
  if (match === null) return null;
  return { seq: Number(match[1]), index: match[2] === undefined ? Number.POSITIVE_INFINITY : Number(match[2]) };
}

export const positionText = (position: WatchPosition): string =>
  Number.isFinite(position.index) ? `${position.seq}.${position.index}` : String(position.seq);

/** One message. JSON has no raw line breaks, so one data line is enough. */
export function message(data: unknown, position: WatchPosition | null): string {
  const id = position === null ? "" : `id: ${positionText(position)}\n`;
  return `${id}data: ${JSON.stringify(data)}\n\n`;
}

/** What the stream asks its owner for; both answer "" or null when there is nothing. */
export interface StreamSource {
  /** The next durable messages after `position` and where they end; null: they are no longer kept. */
  durable(position: WatchPosition): { readonly text: string; readonly position: WatchPosition } | null;
  /** Passing news since the last time, as messages. */
  passing(): string;
}

export class EventStream {
  readonly #response: ServerResponse;
  readonly #source: StreamSource;
  readonly #clock: Clock;
  readonly #onEnd: () => void;
  #position: WatchPosition;
  #fullSinceMs: Millis | null = null;
  #beat: Timer;
  #ended = false;

  constructor(response: ServerResponse, source: StreamSource, start: WatchPosition, clock: Clock, onEnd: () => void) {
    this.#response = response;
    this.#source = source;
    this.#position = start;
    this.#clock = clock;
    this.#onEnd = onEnd;
    this.#beat = clock.setTimer(BEAT_MS, () => this.#onBeat());
    response.on("drain", () => {
      this.#fullSinceMs = null;
      this.pump();
    });
    response.on("close", () => this.end());
    response.on("error", () => this.end());
  }

  /** Writes what there is, until there is no more or the client has no room. */
  pump(): void {
    while (!this.#ended && this.#hasRoom()) {
      const next = this.#source.durable(this.#position);
      if (next === null) {
        // Fell behind what is kept: on reconnecting with its position the client gets `watch-expired` and the advice that goes with it.
        this.end();
        return;
      }
      const moved = next.position.seq !== this.#position.seq || next.position.index !== this.#position.index;
      this.#position = next.position;
      if (next.text !== "") this.#response.write(next.text);
      if (!moved) break;
    }
    if (this.#ended || !this.#hasRoom()) return;
    const news = this.#source.passing();
    if (news !== "") this.#response.write(news);
  }

  bufferedBytes(): number {
    return this.#response.writableLength;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#beat.cancel();
    this.#onEnd();
    // What a full buffer holds would never get there.
    if (this.#hasRoom()) this.#response.end();
    else this.#response.destroy();
  }

  #hasRoom(): boolean {
    if (this.#response.writableLength < MAX_BUFFERED_BYTES) return true;
    this.#fullSinceMs ??= this.#clock.monotonicMs();
    return false;
  }

  #onBeat(): void {
    if (this.#ended) return;
    this.#beat = this.#clock.setTimer(BEAT_MS, () => this.#onBeat());
    if (this.#fullSinceMs !== null && this.#clock.monotonicMs() - this.#fullSinceMs > STALL_MS) {
      this.end();
      return;
    }
    if (!this.#hasRoom()) return;
    // An id without data moves a client's Last-Event-ID on and is no event: a watcher of a quiet app does not fall behind.
    this.#response.write(`: beat\nid: ${positionText(this.#position)}\n\n`);
    this.pump();
  }
}
