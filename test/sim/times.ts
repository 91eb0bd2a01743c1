// Update windows and holds on a simulated node. Windows are the agent's own; only the process that reads their cron is played here, with
// the few forms that simulated files use. Leases lie on the node's disk, where a container wrote them; they outlive agent and power.
import type { HoldLease } from "@skerry/agent/core/plan/scene.ts";
import { type AskEdges, edgeOf } from "@skerry/agent/times/edges.ts";
import { HOLD_TARGET } from "@skerry/agent/times/holds.ts";
import type { ChangeTimes } from "@skerry/agent/times/times.ts";
import { Windows } from "@skerry/agent/times/windows.ts";
import type { Assignment } from "@skerry/shared/model/assignment.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { UpdateTimes, Window } from "@skerry/shared/model/update.ts";
import { type Clock, sleep } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { Chance } from "./chance.ts";

const MINUTE_MS = 60_000;

/** What a container wrote into its folder. */
export interface SimLease {
  readonly owner: string;
  readonly ttlMs: number;
}

/** By workload, as long as its file is there. */
export type LeaseFiles = Map<WorkloadId, SimLease>;

/** Often open enough for a site to settle in its time; holds end within a minute or two. */
export function drawTimes(chance: Chance): UpdateTimes {
  const window = (): Window => ({
    cron: chance.pick(["*/2 * * * *", "*/3 * * * *", "*/4 * * * *"]),
    durationMs: MINUTE_MS,
    timeZone: "UTC",
  });
  return {
    download: chance.yes(0.2) ? window() : null,
    apply: chance.yes(0.5) ? window() : null,
    hold: chance.yes(0.6) ? { maxMs: chance.pick([20_000, 60_000]) } : null,
  };
}

const everyMs = ({ cron }: Pick<Window, "cron">): number => Number(/^\*\/(\d+) /.exec(cron)?.[1] ?? "1") * MINUTE_MS;

/** In UTC each hour begins anew with minute 0, which all lengths that are drawn divide. */
export const isOpen = (window: Window, wallMs: number): boolean => {
  const every = everyMs(window);
  return wallMs - Math.floor(wallMs / every) * every < window.durationMs;
};

const nextOf =
  (window: Window) =>
  (afterMs: number): number =>
    (Math.floor(afterMs / everyMs(window)) + 1) * everyMs(window);

interface TimesParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly chance: Chance;
  readonly rough: () => boolean;
  readonly files: LeaseFiles;
}

export function simTimes({ clock, log, chance, rough, files }: TimesParts): ChangeTimes {
  const ask: AskEdges = async ({ wallMs, windows }) => {
    await sleep(clock, chance.between(200, 3_000));
    if (chance.yes(rough() ? 0.1 : 0)) throw new Error("no process could be started");
    return windows.map((window) => ({ ...edgeOf(nextOf(window), window.durationMs, wallMs), words: window.cron }));
  };
  const windows = new Windows({ clock, log, ask, synchronised: () => null });
  const seen = new Map<WorkloadId, { readonly file: SimLease; readonly lease: HoldLease }>();
  return {
    async look(desired, changed) {
      void windows.prepare(desired).then((news) => {
        if (news) changed();
      });
      lookAtLeases(desired, files, seen, clock.monotonicMs());
    },
    windows: (desired) => windows.now(desired),
    holds() {
      const live = [...seen].filter(([, { lease }]) => lease.endsAtMs > clock.monotonicMs());
      return new Map(live.map(([id, { lease }]) => [id, lease]));
    },
    holdMount: ({ id, times }) =>
      Promise.resolve(
        times.hold === null
          ? null
          : {
              ...({ kind: "bind", source: `/holds/${id}`, target: HOLD_TARGET, readOnly: false } as const),
              ...{ propagation: null, createHostPath: false },
            },
      ),
  };
}

/** As the real one: a lease counts from when this process first saw it. */
function lookAtLeases(
  desired: Assignment | null,
  files: LeaseFiles,
  seen: Map<WorkloadId, { readonly file: SimLease; readonly lease: HoldLease }>,
  now: number,
): void {
  const may = new Set((desired?.workloads ?? []).filter(({ times }) => times.hold !== null).map(({ id }) => id));
  for (const id of seen.keys()) if (!may.has(id) || !files.has(id)) seen.delete(id);
  for (const id of may) {
    const file = files.get(id);
    if (file === undefined || seen.get(id)?.file === file) continue;
    seen.set(id, { file, lease: { owner: file.owner, reason: "it is busy", endsAtMs: now + file.ttlMs } });
  }
}
