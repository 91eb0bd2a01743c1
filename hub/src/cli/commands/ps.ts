// `skerry ps [APP[/SERVICE]]`: what runs where, and how it is.

import type { WorkloadView } from "../../http/schemas/workloads.ts";
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect, listAll } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { appOrService } from "../refs.ts";
import { age, cell, type Paint, painter, reasons, table } from "../render.ts";
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
  const workloads = await listAll(await connect(io, options), "listWorkloads", filter);
  if (options.json === true) io.out(`${safeJson({ items: workloads })}\n`);
  else if (workloads.length > 0) io.out(workloadsTable(workloads, io.columns, painter(io)));
  else
    io.err(
      options.app === undefined && options.node === undefined
        ? "Nothing runs yet. Apply a Compose file: skerry apply -f FILE NAME\n"
        : "There is nothing of that.\n",
    );
  return EXIT.done;
}

/** `hints`: with what to do about each that is not good. */
export function workloadsTable(
  workloads: readonly WorkloadView[],
  width: number | null,
  paint: Paint,
  { hints }: { readonly hints: boolean } = { hints: false },
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
  const why = bad.map((workload) => ({
    name: workloadName(workload),
    reason: workload.reason,
    hint: hints ? workload.hint : null,
  }));
  return table(columns, rows, width, paint) + reasons(why, width, paint);
}
