// `skerry drain NODE`: nothing new comes, what may move goes elsewhere; says what stays, and why. --wait shows it until it is done.
import { sleep } from "@skerry/shared/runtime/clock.ts";
import { parseDurationMs } from "../../compose/values.ts";
import type { NodeView } from "../../http/schemas/nodes.ts";
import { type Client, HubRefusal } from "../client.ts";
import { safeJson, visible } from "../escape.ts";
import { CliFailure, EXIT, type ExitCode, usage } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { HUB_AWAY } from "../progress.ts";
import { nodeRef } from "../refs.ts";
import { localTime, type Paint, painter, plural, wrap } from "../render.ts";
import { shortId } from "../states.ts";

interface Options extends HubOptions {
  readonly node: string;
  readonly reason?: string;
  readonly deadline?: string;
  readonly wait?: boolean;
  readonly timeout?: string;
  readonly json?: boolean;
}

const DEFAULT_TIMEOUT_MS = 600_000;
/** A node is emptied in seconds at best; each look costs the hub some milliseconds. */
const LOOK_EVERY_MS = 500;

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const node = nodeRef(options.node);
  const deadlineMs = options.deadline === undefined ? null : parseDurationMs(options.deadline);
  if (options.deadline !== undefined && deadlineMs === null)
    throw usage("--deadline needs a duration with its unit, such as 90s or 10m.");
  const timeoutMs = options.timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDurationMs(options.timeout);
  if (timeoutMs === null) throw usage("--timeout needs a duration with its unit, such as 90s or 10m.");
  const client = await connect(io, options);
  const body = { availability: "draining", reason: options.reason ?? "", deadlineMs } as const;
  const { node: changed } = await client.call("setAvailability", { params: { node }, body });
  const view = await client.call("getNode", { params: { node: changed.id } });
  if (options.wait === true) return await waitForDrain(io, client, changed.id, timeoutMs, options.json === true);
  io.out(
    options.json === true
      ? `${safeJson(view)}\n`
      : `${head(view)}\n${drainText(view, io.columns, painter(io), io.zoneOffsetMinutes)}`,
  );
  return EXIT.done;
}

const head = ({ name }: NodeView): string =>
  `${name} is being drained: nothing new is placed on it, what may move goes elsewhere.`;

/** What is still there and why, what is leaving, and the deadline; for `node show` too. "" when it is not being drained. */
export function drainText(
  { drain, name }: NodeView,
  width: number | null,
  paint: Paint,
  zoneOffsetMinutes: (atMs: number) => number,
): string {
  if (drain === null) return "";
  const lines: string[] = [];
  for (const { workload, why, hint, kind } of drain.stays) {
    const tint = kind === "global" || kind === "bound" ? "dim" : "busy";
    lines.push(wrap("  - ", `${paint(tint, visible(shortId(workload)))}: ${visible(why)}`, width, "    "));
    if (hint !== null && kind !== "global" && kind !== "bound")
      lines.push(wrap("    → ", visible(hint), width, "      "));
  }
  for (const workload of drain.leaving)
    lines.push(wrap("  - ", `${visible(shortId(workload))}: is leaving`, width, "    "));
  if (drain.overSinceMs !== null) {
    const left = `The deadline has passed: what is left is stopped, until skerry uncordon ${name}.`;
    lines.push(wrap("", left, width, "  "));
  } else if (drain.deadlineAtMs !== null) {
    const at = localTime(drain.deadlineAtMs, zoneOffsetMinutes(drain.deadlineAtMs));
    lines.push(wrap("", `What is left at ${at} is stopped.`, width, "  "));
  }
  if (drain.done) lines.push(drain.stays.length === 0 ? "Nothing is left on it." : "Nothing is left that may move.");
  return `${lines.join("\n")}\n`;
}

/** Done: everything that may move has left; or the deadline has passed, and what was left is stopped. */
async function waitForDrain(
  io: Io,
  client: Client,
  node: NodeView["id"],
  timeoutMs: number,
  quiet: boolean,
): Promise<ExitCode> {
  const until = io.clock.monotonicMs() + timeoutMs;
  let [said, last] = ["", ""];
  for (;;) {
    const view = await look(client, node, until - io.clock.monotonicMs());
    if (view !== null && view.drain === null)
      throw new CliFailure(`${view.name} is no longer being drained: someone else made it ${view.availability}.`);
    const isOver = view !== null && isEnded(view);
    const lateMs = io.clock.monotonicMs() - until;
    if (view !== null && (isOver || lateMs >= 0)) return ended(io, view, isOver, quiet);
    if (lateMs >= 0)
      throw new CliFailure("The hub could not be reached in time; the drain goes on without this command.");
    if (view !== null) last = progress(view);
    const now = view === null ? `${HUB_AWAY} ${last || "nothing yet"}` : last;
    if (!quiet && now !== said) io.out(`${now}\n`);
    said = now;
    await sleep(io.clock, LOOK_EVERY_MS);
  }
}

/** With a deadline what may not move is stopped, too: that is waited for. */
function isEnded(view: NodeView): boolean {
  const { drain } = view;
  if (drain === null) return false;
  return drain.deadlineAtMs === null || drain.stays.length === 0 ? drain.done : isStopped(view);
}

/** Past its deadline, and everything that is left there stands stopped. */
function isStopped({ drain, placements }: NodeView): boolean {
  return (
    drain !== null &&
    drain.overSinceMs !== null &&
    drain.leaving.length === 0 &&
    placements.every(({ state }) => state === "stopped" || state === "completed")
  );
}

function ended(io: Io, view: NodeView, isDone: boolean, quiet: boolean): ExitCode {
  if (quiet) io.out(`${safeJson(view)}\n`);
  else {
    const head = isDone ? `${view.name} is drained.` : `${view.name} is not drained yet. It is still being worked on.`;
    io.out(`${head}\n${drainText(view, io.columns, painter(io), io.zoneOffsetMinutes)}`);
  }
  return isDone ? EXIT.done : EXIT.notConverged;
}

function progress({ name, drain }: NodeView): string {
  const moving = drain?.stays.filter(({ kind }) => kind !== "global" && kind !== "bound") ?? [];
  const [first] = moving;
  const what = first === undefined ? "" : `; ${visible(shortId(first.workload))} ${visible(first.why)}`;
  return `${name}: ${plural(moving.length, "workload")} to move, ${drain?.leaving.length ?? 0} leaving${what}`;
}

/** null: the hub cannot be reached now; it may be back before the time is up. */
async function look(client: Client, node: NodeView["id"], leftMs: number): Promise<NodeView | null> {
  try {
    return await client.call("getNode", { params: { node } });
  } catch (error) {
    const mayPass = error instanceof CliFailure && (!(error instanceof HubRefusal) || error.status === 503);
    if (mayPass && leftMs > 0) return null;
    throw error;
  }
}
