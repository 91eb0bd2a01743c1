// One workload's log on this node, over restarts and replacements of its container while it is followed. It reads, and changes nothing.
import type { LogAsk, LogItem } from "@skerry/shared/protocol/streams.ts";
import { type Clock, sleep } from "@skerry/shared/runtime/clock.ts";
import { isoTime } from "@skerry/shared/runtime/iso-time.ts";
import { type Engine, EngineError } from "../engine/engine.ts";
import { type LabelKey, readContainerLabels } from "../engine/labels.ts";

/** Between looks for the next container: a restart's back-off is a second and more. */
const LOOK_MS = 1_000;

export interface LogParts {
  readonly clock: Clock;
  readonly engine: Engine;
  readonly key: LabelKey;
}

interface Found {
  readonly id: string;
  /** Differs after each start. */
  readonly life: string;
  readonly running: boolean;
}

/** Ends by itself when it is not followed; else when `signal` is aborted. */
export async function* workloadLog(parts: LogParts, ask: LogAsk, signal: AbortSignal): AsyncGenerator<LogItem> {
  const { clock, engine } = parts;
  const oldest = ask.sinceMs === null ? null : isoTime(Math.max(0, clock.wallMs() - ask.sinceMs));
  let read: Found | null = null;
  let after = ask.after;
  let said = "";
  while (!signal.aborted) {
    let trouble = "";
    try {
      const found = await find(parts, ask.workload);
      if (found === null) trouble = "there is no container of it on the node";
      else if (read === null || read.life !== found.life || found.running) {
        if (read !== null && read.id !== found.id) after = null;
        if (read !== null && read.life !== found.life) yield { kind: "note", text: startedAnew(read, found) };
        const options = {
          follow: ask.follow,
          tail: read === null && after === null ? ask.tail : null,
          since: after ?? (read === null ? oldest : null),
        };
        // Stamps of the two outputs may stand out of order by a little: only what was there before is left out.
        const floor: string | null = after;
        for await (const line of engine.logs(found.id, options, signal)) {
          if (floor !== null && line.at <= floor) continue;
          if (after === null || line.at > after) after = line.at;
          yield { kind: "line", ...line };
        }
        read = found;
      }
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      trouble = error.message;
    }
    // The next life's trouble is news again.
    if (trouble !== "" && trouble !== said) yield { kind: "note", text: trouble.slice(0, 1_000) };
    said = trouble;
    if (!ask.follow) return;
    await sleep(clock, LOOK_MS);
  }
}

function startedAnew(before: Found, now: Found): string {
  return before.id === now.id ? "its container was started again" : "it goes on in a new container";
}

/** The running one, else the newest. During a change-over there may be two. */
async function find({ engine, key }: LogParts, workload: LogAsk["workload"]): Promise<Found | null> {
  const ours = (await engine.listContainers()).flatMap((one) => {
    const reading = readContainerLabels(key, one.labels);
    return reading.kind === "ours" && reading.own.workload === workload ? [{ one, own: reading.own }] : [];
  });
  const best = ours.sort(
    (a, b) =>
      Number(b.one.status === "running") - Number(a.one.status === "running") || b.own.revision - a.own.revision,
  )[0];
  if (best === undefined) return null;
  const { id, startedAt, status } = await engine.inspectContainer(best.one.id);
  return { id, life: `${id} ${startedAt}`, running: status === "running" };
}
