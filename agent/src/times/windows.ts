// Windows: whether the update windows of the wanted workloads are open now, by this machine's wall clock, told in monotonic time. What
// is not known yet is closed, and so is everything while the clock is known to be wrong.
import type { Assignment } from "@skerry/shared/model/assignment.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Window } from "@skerry/shared/model/update.ts";
import type { Clock, Millis } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { WindowNow, WindowsNow } from "../core/plan/scene.ts";
import type { AskEdges, Edge } from "./edges.ts";

/** Nobody runs this before it was written: an earlier date is a clock that was never set. */
const EARLIEST_WALL_MS = Date.UTC(2025, 0, 1);
/** An edge holds until it comes, unless the wall clock was set by more than this meanwhile. */
const CLOCK_STEP_MS = 1_000;
/** After nobody answered. */
const ASK_AGAIN_MS = 30_000;

export interface WindowParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly ask: AskEdges;
  /** Whether the wall clock is known to be right; null: nobody can say, and it is believed. */
  readonly synchronised: () => boolean | null;
}

interface Known {
  readonly edge: Edge;
  /** Wall minus monotonic time when it was asked for. */
  readonly offsetMs: number;
}

export class Windows {
  readonly #parts: WindowParts;
  readonly #known = new Map<string, Known>();
  #asking = false;
  #notBeforeMs: Millis = 0;

  constructor(parts: WindowParts) {
    this.#parts = parts;
  }

  /** Asks for what is not known, once at a time. Resolves to whether there is something new; never rejects. */
  async prepare(desired: Assignment | null): Promise<boolean> {
    const wanted = windowsIn(desired);
    for (const key of this.#known.keys()) if (!wanted.has(key)) this.#known.delete(key);
    const unknown = [...wanted].filter(([key]) => this.#edge(key) === null);
    const { clock, log, ask } = this.#parts;
    if (unknown.length === 0 || this.#asking || clock.monotonicMs() < this.#notBeforeMs || this.#clockIsWrong())
      return false;
    this.#asking = true;
    const wallMs = clock.wallMs();
    const offsetMs = wallMs - clock.monotonicMs();
    try {
      const edges = await ask({ wallMs, windows: unknown.map(([, window]) => window) });
      for (const [index, [key]] of unknown.entries()) {
        const edge = edges[index];
        if (edge !== undefined) this.#known.set(key, { edge, offsetMs });
      }
      return true;
    } catch (error) {
      log.warn("could not work out when update windows open", { reason: String(error) });
      this.#notBeforeMs = clock.monotonicMs() + ASK_AGAIN_MS;
      return false;
    } finally {
      this.#asking = false;
    }
  }

  now(desired: Assignment | null): ReadonlyMap<WorkloadId, WindowsNow> {
    const timed = (desired?.workloads ?? []).filter(({ times }) => times.download !== null || times.apply !== null);
    return new Map(
      timed.map(({ id, times: { download, apply } }) => [
        id,
        { download: download && this.#windowNow(download), apply: apply && this.#windowNow(apply) },
      ]),
    );
  }

  #windowNow(window: Window): WindowNow {
    if (this.#clockIsWrong()) {
      const reason =
        "this node's clock is not set, so nobody can say when it opens; see to its time synchronisation, or use --force";
      return { kind: "closed", opensAtMs: null, reason };
    }
    const known = this.#edge(keyOf(window));
    if (known === null) return { kind: "closed", opensAtMs: null, reason: "it is being looked up when it opens" };
    const { open, changesAtMs, words } = known.edge;
    if (changesAtMs === null) return { kind: "closed", opensAtMs: null, reason: words };
    const atMs = changesAtMs - known.offsetMs;
    return open
      ? { kind: "open", closesAtMs: atMs }
      : { kind: "closed", opensAtMs: atMs, reason: `it opens at ${words}` };
  }

  #clockIsWrong(): boolean {
    const { clock, synchronised } = this.#parts;
    return synchronised() === false || clock.wallMs() < EARLIEST_WALL_MS;
  }

  /** null: it must be asked for. */
  #edge(key: string): Known | null {
    const { clock } = this.#parts;
    const known = this.#known.get(key);
    if (known === undefined) return null;
    const [wallMs, now] = [clock.wallMs(), clock.monotonicMs()];
    const stepped = Math.abs(wallMs - now - known.offsetMs) >= CLOCK_STEP_MS;
    const over = known.edge.changesAtMs !== null && known.edge.changesAtMs - known.offsetMs <= now;
    return stepped || over ? null : known;
  }
}

const keyOf = ({ cron, durationMs, timeZone }: Window): string => `${timeZone} ${durationMs} ${cron}`;

function windowsIn(desired: Assignment | null): ReadonlyMap<string, Window> {
  const windows = (desired?.workloads ?? []).flatMap(({ times }) => [times.download, times.apply]);
  return new Map(windows.flatMap((window) => (window === null ? [] : [[keyOf(window), window] as const])));
}
