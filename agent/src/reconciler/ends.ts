// Ends: what is to be known of the end of a container's run before its container is started again or removed: who is behind it, and the
// last lines that it wrote. Read while the engine still has them; a slow engine holds healing up for a bounded time only.
import type { Ender } from "@skerry/shared/model/exit-words.ts";
import { type Clock, DeadlineError, type Millis, withDeadline } from "@skerry/shared/runtime/clock.ts";
import type { WorkloadMemory } from "../core/memory.ts";
import type { OwnContainer } from "../core/observed.ts";
import type { EndSeen } from "../core/plan/scene.ts";
import { runKey } from "../core/remember.ts";
import { type Engine, EngineError, type EngineEvent } from "../engine/engine.ts";

/** As people read a screen; and small enough for a thin link and a small disk. */
const TAIL_LINES = 50;
const TAIL_BYTES = 8_192;
/** Of one line. A longer one is nobody's message. */
const MAX_LINE = 2_000;
/** For all ends of one look together: an engine needs some milliseconds for each. */
const TAIL_DEADLINE_MS = 2_000;
/** A person's `docker stop` gives ten seconds of grace; what ends later than this has other reasons. */
const BLAME_MS = 60_000;
/** More ends than these at once are a machine's, and their lines are not what explains them. */
const MAX_TAILS = 16;

export class Ends {
  readonly #engine: Engine;
  readonly #clock: Clock;
  /** By container: when somebody other than the agent told it to end. */
  readonly #killed = new Map<string, Millis>();
  /** The engine was restarted, or its events were not heard, since the last look. */
  #gap: "none" | "silent" | "restarted" = "silent";

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  take({ kind, action, id }: EngineEvent): void {
    if (kind !== "container") return;
    if (action === "kill") this.#killed.set(id, this.#clock.monotonicMs());
    else if (action === "start" || action === "destroy") this.#killed.delete(id);
  }

  /** Events may have been missed. */
  silent(): void {
    if (this.#gap === "none") this.#gap = "silent";
  }

  restarted(): void {
    this.#gap = "restarted";
  }

  /** A look was taken in. */
  looked(): void {
    this.#gap = "none";
  }

  /** Of those whose last run has ended and is not counted. Never rejects, but on a bug: what cannot be read stays unknown. */
  async read(
    own: readonly OwnContainer[],
    memory: ReadonlyMap<string, WorkloadMemory>,
    inWork: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, EndSeen>> {
    const ended = own.filter((one) => isNew(one, memory.get(one.workload)) && !inWork.has(one.summary.id));
    if (ended.length === 0) return NONE;
    const tails = await this.#tails(ended.slice(0, MAX_TAILS));
    return new Map(
      ended.map(({ summary: { id }, details: { exitCode } }) => [
        id,
        { by: this.#endedBy(id, exitCode), tail: tails.get(id) ?? [] },
      ]),
    );
  }

  #endedBy(id: string, exitCode: number): Ender | null {
    const bySignal = exitCode === 0 || exitCode > 128;
    if (this.#gap === "restarted") return bySignal ? "engine" : null;
    const killedAtMs = this.#killed.get(id);
    if (killedAtMs !== undefined && this.#clock.monotonicMs() - killedAtMs <= BLAME_MS) return "person";
    return this.#gap === "silent" ? null : "machine";
  }

  async #tails(ended: readonly OwnContainer[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const tails = new Map<string, readonly string[]>();
    const readAll = ended.map(async ({ summary: { id } }) => {
      try {
        const lines = await this.#engine.tail(id, TAIL_LINES, TAIL_BYTES);
        tails.set(
          id,
          lines.map((line) => line.slice(0, MAX_LINE)),
        );
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
      }
    });
    try {
      await withDeadline(this.#clock, "read the last lines", TAIL_DEADLINE_MS, () => Promise.all(readAll));
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
    }
    return tails;
  }
}

const NONE: ReadonlyMap<string, EndSeen> = new Map();

function isNew({ summary, details }: OwnContainer, memory: WorkloadMemory | undefined): boolean {
  if (summary.status !== "exited" && summary.status !== "dead") return false;
  if (details.ranMs === null || memory === undefined) return details.ranMs !== null;
  const run = runKey(details);
  return memory.countedExit !== run && memory.stoppedRun !== run;
}
