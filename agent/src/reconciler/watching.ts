// Watching: the engine's event stream, opened again when it breaks. Events only wake the loop; what they missed, the full look finds.
import type { Clock, Timer } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { Engine, EngineEvent } from "../engine/engine.ts";

/** An engine begins its stream a moment after it was asked for: what happened in between is looked for once more. */
const SETTLED_MS = 1_000;
/** A stream that breaks at once must not be opened in a loop. */
const REOPEN_MS = 1_000;

export class Watching {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #onEvent: (event: EngineEvent) => void;
  readonly #onGap: (reason: string) => void;
  #stream: { close(): void } | null = null;
  #timer: Timer | null = null;
  #open = false;

  /** `onGap`: events may have been missed. */
  constructor(
    parts: { readonly engine: Engine; readonly clock: Clock; readonly log: Log },
    onEvent: (event: EngineEvent) => void,
    onGap: (reason: string) => void,
  ) {
    this.#engine = parts.engine;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#onEvent = onEvent;
    this.#onGap = onGap;
  }

  open(): void {
    this.close();
    this.#open = true;
    this.#subscribe();
  }

  close(): void {
    this.#open = false;
    this.#timer?.cancel();
    this.#timer = null;
    const stream = this.#stream;
    this.#stream = null;
    stream?.close();
  }

  #subscribe(): void {
    // A stream may say that it ended after another took its place: only the present one counts.
    const mine: { stream: { close(): void } | null; ended: boolean } = { stream: null, ended: false };
    const onEnd = (reason: string): void => {
      mine.ended = true;
      if (!this.#open || (mine.stream !== null && this.#stream !== mine.stream)) return;
      this.#stream = null;
      this.#log.debug("engine's event stream ended", { reason });
      this.#onGap("events-ended");
      this.#timer?.cancel();
      this.#timer = this.#clock.setTimer(REOPEN_MS, () => this.#resubscribe());
    };
    const onEvent = (event: EngineEvent): void => {
      if (this.#open && !mine.ended) this.#onEvent(event);
    };
    mine.stream = this.#engine.watch(onEvent, onEnd);
    if (mine.ended) return;
    this.#stream = mine.stream;
    this.#timer = this.#clock.setTimer(SETTLED_MS, () => this.#onGap("events-settled"));
  }

  #resubscribe(): void {
    this.#timer = null;
    if (!this.#open) return;
    this.#subscribe();
    this.#onGap("events-reopened");
  }
}
