// `skerry ps [APP[/SERVICE]]`: what runs where, and how it is.

import type { RolloutView } from "../../http/schemas/rollouts.ts";
import type { WorkloadView } from "../../http/schemas/workloads.ts";
import { type Client, HubRefusal } from "../client.ts";
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect, listAll } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { appOrService } from "../refs.ts";
import { age, cell, localTime, type Paint, painter, reasons, table } from "../render.ts";
import { headLines } from "../rollout-text.ts";
import { inOrder, stateCell, workloadName } from "../states.ts";

interface Options extends HubOptions {
  readonly app?: string;
  readonly node?: string;
  readonly json?: boolean;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const filter = {
    ...(options.app === undefined ? {} : appOrService(options.app)),
    ...(options.node === undefined ? {} : { node: options.node }),
  };
  const client = await connect(io, options);
  const workloads = await listAll(client, "listWorkloads", filter);
  if (options.json === true) io.out(`${safeJson({ items: workloads })}\n`);
  else if (workloads.length > 0) {
    io.out(workloadsTable(workloads, io.columns, painter(io), { hints: false, zone: io.zoneOffsetMinutes }));
    const rollout = "app" in filter ? await rolloutUnderWay(client, filter.app) : null;
    if (rollout !== null) io.out(`\n${headLines(rollout, io.columns, painter(io)).join("\n")}\n`);
  } else
    io.err(
      options.app === undefined && options.node === undefined
        ? "Nothing runs yet. Apply a Compose file: skerry apply -f FILE NAME\n"
        : "There is nothing of that.\n",
    );
  return EXIT.done;
}

/** Why copies of an app may be at two revisions. null: none is under way. */
async function rolloutUnderWay(client: Client, app: RolloutView["app"]): Promise<RolloutView | null> {
  try {
    const rollout = await client.call("getRollout", { params: { app } });
    return rollout.state.kind === "progressing" || rollout.state.kind === "paused" ? rollout : null;
  } catch (error) {
    // None was recorded, or the app was removed meanwhile.
    if (error instanceof HubRefusal && error.status === 404) return null;
    throw error;
  }
}

/** `hints`: with what to do about each that is not good. `zone`: the reader's, in minutes, at a moment. */
export function workloadsTable(
  workloads: readonly WorkloadView[],
  width: number | null,
  paint: Paint,
  { hints, zone }: { readonly hints: boolean; readonly zone: (atMs: number) => number },
): string {
  const columns = [
    { title: "WORKLOAD", shrinksTo: null },
    { title: "NODE", shrinksTo: 8 },
    { title: "STATE", shrinksTo: null },
    { title: "FOR", shrinksTo: null },
    { title: "IMAGE", shrinksTo: 10, keepsEnd: true, mayGo: true },
  ];
  const sorted = inOrder(workloads);
  const rows = sorted.map((workload) => [
    cell(workloadName(workload), "bold"),
    cell(workload.node?.name ?? "-"),
    stateCell(workload),
    cell(age(workload.forMs)),
    cell(workload.image, "dim"),
  ]);
  // What an operator stopped is as it should be, and yet nobody should have to wonder why it does not run.
  const bad = sorted.filter(({ good, stop }) => !good || stop !== null);
  const since = (atMs: number): string => localTime(atMs, zone(atMs)).slice(0, 16);
  const why = bad.map((workload) => ({
    name: workloadName(workload),
    reason: workload.stop === null ? workload.reason : `${workload.reason} (since ${since(workload.stop.atMs)})`,
    hint: hints ? workload.hint : null,
  }));
  return table(columns, rows, width, paint) + reasons(why, width, paint);
}
