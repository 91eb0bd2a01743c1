// `skerry apps`: the apps, and how each is.
import type { AppSummary } from "../../http/schemas/apps.ts";
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect, listAll } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { cell, localTime, type Paint, painter, reasons, table } from "../render.ts";
import { conditionCell, runningText } from "../states.ts";

export async function run(io: Io, options: HubOptions & { readonly json?: boolean }): Promise<ExitCode> {
  const apps = await listAll(await connect(io, options), "listApps", {});
  if (options.json === true) io.out(`${safeJson({ items: apps })}\n`);
  else if (apps.length > 0) io.out(appsTable(apps, io.columns, painter(io), io.zoneOffsetMinutes));
  else io.err("There are no apps yet. Apply a Compose file: skerry apply -f FILE NAME\n");
  return EXIT.done;
}

export function appsTable(
  apps: readonly AppSummary[],
  width: number | null,
  paint: Paint,
  zoneOffsetMinutes: (atMs: number) => number,
): string {
  const columns = [
    { title: "NAME", shrinksTo: null },
    { title: "STATE", shrinksTo: null },
    { title: "RUNNING", shrinksTo: null },
    { title: "REVISION", shrinksTo: null, right: true },
    { title: "APPLIED", shrinksTo: null },
  ];
  const rows = apps.map((app) => [
    cell(app.name, "bold"),
    conditionCell(app.condition),
    cell(runningText(app.workloads)),
    cell(app.revision),
    cell(localTime(app.appliedAtMs, zoneOffsetMinutes(app.appliedAtMs)).slice(0, 16)),
  ]);
  const bad = apps.filter(({ condition }) => condition !== "good");
  return table(columns, rows, width, paint) + reasons(bad, width, paint);
}
