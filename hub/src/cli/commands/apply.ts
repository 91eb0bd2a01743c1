// `skerry apply`: compiles the file here, so that mistakes are told with their line; sends it; shows what changed, or would.
// With --wait it ends with the truth: 0 only if everything that should run does.
import { appNameSchema } from "@skerry/shared/model/ids.ts";
import { parseDurationMs } from "../../compose/values.ts";
import type { Applied, ApplyAnswer, DryRun } from "../../http/schemas/apps.ts";
import { type Client, HubRefusal } from "../client.ts";
import { compileFile, type FileOptions, type ReadyToApply } from "../compose-file.ts";
import { safeJson, visible } from "../escape.ts";
import { CliFailure, EXIT, type ExitCode, usage } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { problemLines } from "../problems.ts";
import { type Paint, painter, plural, wrap } from "../render.ts";
import { aheadLines } from "../rollout-text.ts";
import { shortId } from "../states.ts";
import { waitForApp } from "../wait.ts";

interface Options extends HubOptions, FileOptions {
  readonly dryRun?: boolean;
  readonly wait?: boolean;
  readonly timeout?: string;
  readonly ifRevision?: number;
  readonly retry?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

const DEFAULT_TIMEOUT_MS = 300_000;

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const timeoutMs = options.timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDurationMs(options.timeout);
  if (timeoutMs === null) throw usage("--timeout needs a duration with its unit, such as 90s or 5m.");
  if (options.wait === true && options.dryRun === true)
    throw usage("--wait and --dry-run exclude each other: a dry run changes nothing.");
  if (options.name !== undefined && !appNameSchema.safeParse(options.name).success) {
    throw usage(
      `${JSON.stringify(options.name)} is not an app's name.`,
      /\.ya?ml$/.test(options.name)
        ? `If it is the file: skerry apply -f ${options.name}`
        : 'Names have a-z, 0-9, "-" and "_", and 63 characters at most.',
    );
  }
  const ready = await compileFile(io, options, { standInName: false });
  const client = await connect(io, options);
  const answer = await send(io, client, options, ready);
  io.err(
    problemLines(ready.source.shown, answer.warnings, "warning", io.errIsTerminal ? io.columns : null, painter(io)),
  );
  if (options.json === true) io.out(`${safeJson(answer)}\n`);
  else io.out(answer.dryRun ? dryRunText(answer, io.columns, painter(io)) : appliedText(answer));
  if (answer.dryRun || options.wait !== true) return EXIT.done;
  return await waitForApp(io, client, answer, timeoutMs, options.json === true);
}

async function send(io: Io, client: Client, options: Options, ready: ReadyToApply): Promise<ApplyAnswer> {
  const { source, result } = ready;
  if (!result.ok) throw wrongFile(io, source.shown, result.error);
  try {
    return await client.call("applyApp", {
      params: { app: result.value.spec.name },
      body: {
        compose: source.text,
        files: ready.files,
        variables: ready.variables,
        profiles: [...ready.profiles],
        ...(Object.keys(ready.values).length === 0 ? {} : { values: ready.values }),
        ifRevision: options.ifRevision ?? null,
        retry: options.retry === true,
        force: options.force === true,
        dryRun: options.dryRun === true,
      },
    });
  } catch (error) {
    // The hub may be of another version, and see what this program does not.
    if (error instanceof HubRefusal && error.problems.length > 0) throw wrongFile(io, source.shown, error.problems);
    throw error;
  }
}

function wrongFile(io: Io, shown: string, problems: Parameters<typeof problemLines>[1]): CliFailure {
  const lines = problemLines(shown, problems, "error", io.errIsTerminal ? io.columns : null, painter(io));
  return new CliFailure(`${shown} has ${plural(problems.length, "problem")}; nothing was changed.`, {
    details: [lines.trimEnd()],
  });
}

const CHANGE_WORDS = {
  added: "added",
  removed: "removed",
  recreated: "changed, its containers are replaced",
  changed: "changed, its containers stay",
  unchanged: "unchanged",
} as const;

export function appliedText(applied: Applied): string {
  if (!applied.changed) return `${applied.app} is unchanged at revision ${applied.revision}.\n`;
  const lines = applied.services.map(({ service, change }) => `  ${service}: ${CHANGE_WORDS[change]}`);
  return `${applied.app} is at revision ${applied.revision}.\n${lines.join("\n")}\n`;
}

/** "replace" is the longest step. */
const STEP_WIDTH = 7;
/** Nodes told of one by one; `--json` has all of them. */
const MAX_NODES = 20;

export function dryRunText(plan: DryRun, width: number | null, paint: Paint): string {
  const head = plan.changed
    ? `${plan.app} would be at revision ${plan.revision}.`
    : `${plan.app} would stay as it is, at revision ${plan.revision}.`;
  const parts = [head];
  for (const { node, reachable, steps } of plan.nodes.slice(0, MAX_NODES)) {
    parts.push(`${paint("bold", node.name)}${reachable ? "" : " (not heard from; it follows when it is back)"}`);
    for (const { workload, step, why } of steps) {
      const tint = step === "keep" ? "dim" : step === "remove" ? "bad" : "busy";
      parts.push(
        wrap(
          `  ${paint(tint, step.padEnd(STEP_WIDTH))} `,
          `${visible(shortId(workload))}: ${visible(why)}`,
          width,
          " ".repeat(STEP_WIDTH + 3),
        ),
      );
    }
  }
  if (plan.nodes.length === 0) parts.push("No node has anything to do.");
  const more = plan.nodes.length - MAX_NODES;
  if (more > 0) parts.push(`… and ${plural(more, "more node")}; --json has all of them`);
  for (const { workload, why } of plan.unplaced) {
    parts.push(wrap(`${paint("bad", "unplaced")} `, `${visible(shortId(workload))}: ${visible(why)}`, width, "  "));
  }
  for (const { workload, node, why } of plan.pushesOut) {
    const text = `${visible(workload)} from ${node.name}, for its priority is lower: ${visible(why)}`;
    parts.push(wrap(`${paint("bad", "pushes out")} `, text, width, "  "));
  }
  parts.push(...aheadLines(plan.rollout, width, paint));
  return `${parts.join("\n")}\nNothing was changed.\n`;
}
