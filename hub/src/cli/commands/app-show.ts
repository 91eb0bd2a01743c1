// `skerry app show NAME`: its services, where each copy is, how it is, and why.
import type { AppView, ServiceView } from "../../http/schemas/apps.ts";
import { safeJson, visible } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { appRef } from "../refs.ts";
import { age, cell, facts, localTime, type Paint, painter, table, wrap } from "../render.ts";
import { nextStep, stateCellOf } from "../rollout-text.ts";
import { conditionCell, runningText, shortId } from "../states.ts";
import { workloadsTable } from "./ps.ts";

interface Options extends HubOptions {
  readonly name: string;
  readonly json?: boolean;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const name = appRef(options.name);
  const app = await (await connect(io, options)).call("getApp", { params: { app: name } });
  io.out(options.json === true ? `${safeJson(app)}\n` : appText(app, io.columns, painter(io), io.zoneOffsetMinutes));
  return EXIT.done;
}

export function appText(
  app: AppView,
  width: number | null,
  paint: Paint,
  zoneOffsetMinutes: (atMs: number) => number,
): string {
  const state = conditionCell(app.condition);
  const applied = localTime(app.appliedAtMs, zoneOffsetMinutes(app.appliedAtMs));
  const parts = [
    `${wrap("", `${paint("bold", app.name)} is ${paint(state.tint, state.text)}: ${visible(app.reason)}`, width, "  ")}\n`,
    facts(
      [
        ["Revision", `${app.revision}, applied ${applied} by ${app.appliedBy}`],
        ...rolloutFacts(app.rollout),
        ...wishFacts(app, zoneOffsetMinutes),
        ["Networks", app.networks.join(", ") || "none"],
        ["Volumes", app.volumes.join(", ") || "none"],
      ],
      width,
    ),
    `\n${servicesTable(app.services, width, paint)}`,
  ];
  const workloads = app.services.flatMap((service) => service.workloads);
  if (workloads.length > 0)
    parts.push(`\n${workloadsTable(workloads, width, paint, { hints: true, zone: zoneOffsetMinutes })}`);
  for (const { workload, node, reachable, reason } of app.retiring) {
    const when = reachable ? "" : " (the node is not heard from)";
    parts.push(
      `${wrap("", `To be removed: ${visible(shortId(workload))} on ${node.name}${when}: ${visible(reason)}`, width, "  ")}\n`,
    );
  }
  return parts.join("");
}

/** Nothing of one that is through everywhere. */
function rolloutFacts(rollout: AppView["rollout"]): [string, string][] {
  if (rollout === null || (rollout.state.kind === "done" && rollout.counts.waiting === 0)) return [];
  // For what one that is under way waits, its summary says.
  const next = rollout.state.kind === "progressing" ? "" : nextStep(rollout);
  return [["Rollout", `${stateCellOf(rollout.state).text}: ${rollout.summary}${next === "" ? "" : `. ${next}`}`]];
}

/** Since when, by whom and why it is paused, and what of it is stopped. */
function wishFacts(app: AppView, zoneOffsetMinutes: (atMs: number) => number): [string, string][] {
  const since = ({
    atMs,
    by,
    reason,
  }: {
    readonly atMs: number;
    readonly by: string;
    readonly reason: string;
  }): string => `since ${localTime(atMs, zoneOffsetMinutes(atMs))} by ${by}${reason === "" ? "" : `: ${reason}`}`;
  const stops = new Map<string, string>();
  for (const { stop, workloads } of app.services)
    for (const one of [stop, ...workloads.map((workload) => workload.stop)])
      if (one !== null) stops.set(one.target, `${one.target}, ${since(one)}`);
  return [
    ...(app.paused === null ? [] : [["Paused", since(app.paused)] as [string, string]]),
    ...[...stops.values()].map((text): [string, string] => ["Stopped", text]),
  ];
}

function servicesTable(services: readonly ServiceView[], width: number | null, paint: Paint): string {
  const columns = [
    { title: "SERVICE", shrinksTo: null },
    { title: "MODE", shrinksTo: null },
    { title: "RUNNING", shrinksTo: null },
    { title: "STATE", shrinksTo: null },
    { title: "WHEN SILENT", shrinksTo: null },
    { title: "IMAGE", shrinksTo: 12, keepsEnd: true },
  ];
  const rows = services.map((service) => [
    cell(service.name, "bold"),
    cell(service.mode.kind === "global" ? "global" : `${service.mode.replicas} ×`),
    cell(runningText(service.counts)),
    conditionCell(service.condition),
    cell(silence(service.disconnect)),
    cell(service.image),
  ]);
  return table(columns, rows, width, paint);
}

function silence({ policy, afterMs }: ServiceView["disconnect"]): string {
  return afterMs === null ? policy : `${policy} ${age(afterMs)}`;
}
