// Waits until an app is as it should be, showing how it comes along, and ends with the truth: done, not in time, or overtaken.
import { sleep } from "@skerry/shared/runtime/clock.ts";
import type { AppView } from "../http/schemas/apps.ts";
import type { RolloutView } from "../http/schemas/rollouts.ts";
import type { WorkloadView } from "../http/schemas/workloads.ts";
import { type Client, HubRefusal } from "./client.ts";
import { visible } from "./escape.ts";
import { CliFailure, EXIT, type ExitCode } from "./failure.ts";
import type { Io } from "./io.ts";
import { createProgress, HUB_AWAY } from "./progress.ts";
import { type Paint, painter, plural, wrap } from "./render.ts";
import { watchLines } from "./rollout-text.ts";
import { inOrder, shortId, stateCell, workloadName } from "./states.ts";

/** Short enough to look live; each look costs the hub a millisecond or two. */
const LOOK_EVERY_MS = 100;
/** What is not good yet, said by name; the rest is counted. */
const MAX_SHOWN = 10;

export async function waitForApp(
  io: Io,
  client: Client,
  applied: { readonly app: AppView["name"]; readonly revision: number },
  timeoutMs: number,
  quiet: boolean,
): Promise<ExitCode> {
  const until = io.clock.monotonicMs() + timeoutMs;
  const paint = painter(io);
  const progress = quiet ? null : createProgress(io);
  let last: AppView | null = null;
  const failures: Failures = new Map();
  for (;;) {
    const app = await look(client, applied.app, until - io.clock.monotonicMs());
    if (app === "removed") throw new CliFailure(`${applied.app} was removed by someone else meanwhile.`);
    last = app ?? last;
    for (const workload of app === null ? [] : workloadsOf(app)) noteFailure(failures, workload);
    const rollout = app === null || app.converged ? null : await lookAtRollout(client, applied.app);
    if (app !== null && app.revision > applied.revision) throw await overtaken(client, app, applied.revision);
    if (rollout?.revision === applied.revision && rollout.awaitsResume) {
      progress?.end("");
      io.err(heldText(rollout, paint, io.errIsTerminal ? io.columns : null));
      return EXIT.notConverged;
    }
    if (app?.converged && app.revision === applied.revision) {
      progress?.end(`${doneText(app)}\n`);
      return EXIT.done;
    }
    const leftMs = until - io.clock.monotonicMs();
    if (leftMs <= 0) {
      progress?.end("");
      io.err(lateText(applied.app, last, failures, timeoutMs, paint, io.errIsTerminal ? io.columns : null));
      return EXIT.notConverged;
    }
    if (app !== null) progress?.show(progressLines(app, paint, rollout));
    else progress?.show([HUB_AWAY, ...(last === null ? ["  nothing yet"] : progressLines(last, paint))]);
    await sleep(io.clock, Math.min(LOOK_EVERY_MS, leftMs));
  }
}

/** null: the hub cannot be reached now; it may be back before the time is up. */
async function look(client: Client, app: AppView["name"], leftMs: number): Promise<AppView | "removed" | null> {
  try {
    return await client.call("getApp", { params: { app } });
  } catch (error) {
    if (error instanceof HubRefusal && error.status === 404) return "removed";
    const mayPass = error instanceof CliFailure && (!(error instanceof HubRefusal) || error.status === 503);
    if (mayPass && leftMs > 0) return null;
    throw error;
  }
}

/** null: there is none, or it cannot be told now. */
async function lookAtRollout(client: Client, app: AppView["name"]): Promise<RolloutView | null> {
  try {
    return await client.call("getRollout", { params: { app } });
  } catch (error) {
    if (error instanceof CliFailure) return null;
    throw error;
  }
}

/** Another revision is the newest: the rollout failed and went back, or somebody applied. */
async function overtaken(client: Client, app: AppView, revision: number): Promise<CliFailure> {
  const next = await lookAtRollout(client, app.name);
  if (next?.kind === "rollback" && next.revision === app.revision) {
    return new CliFailure(`Revision ${revision} of ${app.name} is rolled back: ${visible(next.reason)}.`, {
      hint: `Revision ${app.revision} has the older content again. What went wrong: skerry why ${app.name}.`,
    });
  }
  return new CliFailure(`Revision ${app.revision} of ${app.name} was applied meanwhile; this was ${revision}.`, {
    hint: `Look at it with: skerry app show ${app.name}.`,
  });
}

/** Nothing more happens before somebody decides: waiting on would only look busy. */
export function heldText(rollout: RolloutView, paint: Paint, width: number | null): string {
  const [first = "", ...more] = watchLines(rollout, width === null ? null : width - "skerry: ".length, paint);
  return `${[`skerry: ${first}`, ...more.map((line) => `  ${line}`)].join("\n")}\n`;
}

function countsOf(app: AppView): { good: number; wanted: number } {
  return app.services.reduce(
    (sum, { counts }) => ({ good: sum.good + counts.good, wanted: sum.wanted + counts.wanted }),
    { good: 0, wanted: 0 },
  );
}

function workloadsOf(app: AppView): WorkloadView[] {
  return app.services.flatMap(({ workloads }) => workloads);
}

/** What went wrong last with each workload: one that is tried again and again is "starting" at most moments one looks. */
export type Failures = Map<string, Pick<WorkloadView, "reason" | "hint">>;

function noteFailure(failures: Failures, workload: WorkloadView): void {
  if (workload.state === "backing-off" || workload.state === "failed") failures.set(workload.id, workload);
  else if (workload.good) failures.delete(workload.id);
}

/** Those at an older revision count as not there yet, however well they run. */
function pending(app: AppView): WorkloadView[] {
  return inOrder(workloadsOf(app)).filter((workload) => !workload.good || workload.seenRevision !== workload.revision);
}

export function progressLines(app: AppView, paint: Paint, rollout: RolloutView | null = null): string[] {
  const { good, wanted } = countsOf(app);
  const waiting = pending(app);
  const lines = [
    `${app.name} revision ${app.revision}: ${good} of ${wanted} good${app.retiring.length === 0 ? "" : `, ${app.retiring.length} to remove`}`,
  ];
  if (rollout !== null && rollout.kind !== "first" && rollout.state.kind === "progressing")
    lines.push(`  rollout: ${visible(rollout.summary)}`);
  for (const workload of waiting.slice(0, MAX_SHOWN)) {
    const { text, tint } = stateCell(workload);
    const node = workload.node === null ? "" : ` on ${workload.node.name}`;
    lines.push(`  ${workloadName(workload)}${node}: ${paint(tint, text)} ${visible(workload.reason)}`.trimEnd());
  }
  if (waiting.length > MAX_SHOWN) lines.push(`  … and ${waiting.length - MAX_SHOWN} more`);
  return lines;
}

function doneText(app: AppView): string {
  const { good, wanted } = countsOf(app);
  return `${app.name} is running as revision ${app.revision}: ${good} of ${plural(wanted, "workload")} good.`;
}

export function lateText(
  name: string,
  app: AppView | null,
  failures: Failures,
  timeoutMs: number,
  paint: Paint,
  width: number | null,
): string {
  const within = `within ${Math.round(timeoutMs / 1_000)} s`;
  if (app === null) return `skerry: The hub could not be reached ${within}; what became of ${name} is not known.\n`;
  const { good, wanted } = countsOf(app);
  const head = `${app.name} is not as it should be ${within}: ${good} of ${plural(wanted, "workload")} good. It is still being worked on.`;
  const lines = [wrap("skerry: ", head, width, "  ")];
  const waiting = pending(app);
  for (const workload of waiting.slice(0, MAX_SHOWN)) {
    const { text, tint } = stateCell(workload);
    const failure = failures.get(workload.id);
    const before =
      failure === undefined || failure.reason === workload.reason ? "" : `; before that: ${visible(failure.reason)}`;
    const hint = workload.hint ?? failure?.hint ?? null;
    const node = workload.node === null ? "" : ` on ${workload.node.name}`;
    const what = `${workloadName(workload)}${node}: ${paint(tint, text)}: ${visible(workload.reason)}${before}`;
    lines.push(wrap("  - ", what, width, "    "));
    if (hint !== null) lines.push(wrap("    → ", visible(hint), width, "      "));
  }
  if (waiting.length > MAX_SHOWN) lines.push(`  … and ${waiting.length - MAX_SHOWN} more`);
  for (const { workload, node, reason } of app.retiring.slice(0, MAX_SHOWN)) {
    const what = `${visible(shortId(workload))} on ${node.name} is still to be removed: ${visible(reason)}`;
    lines.push(wrap("  - ", what, width, "    "));
  }
  lines.push(`Look again with: skerry why ${app.name}`);
  return `${lines.join("\n")}\n`;
}
