// `skerry rollout status APP`: how far the newest revision has got, and what each copy waits for. With -w it goes on until the rollout
// has ended or needs somebody, and ends with the truth: 0 done, 1 failed, 3 not done.
import { sleep } from "@skerry/shared/runtime/clock.ts";
import { parseDurationMs } from "../../compose/values.ts";
import type { RolloutView } from "../../http/schemas/rollouts.ts";
import type { Client } from "../client.ts";
import { HubRefusal } from "../client.ts";
import { safeJson } from "../escape.ts";
import { CliFailure, EXIT, type ExitCode, usage } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { createProgress, HUB_AWAY } from "../progress.ts";
import { appRef } from "../refs.ts";
import { painter } from "../render.ts";
import { rolloutText, watchLines } from "../rollout-text.ts";

interface Options extends HubOptions {
  readonly app: string;
  readonly watch?: boolean;
  readonly timeout?: string;
  readonly json?: boolean;
}

/** Looks live, and a look at a large rollout costs the hub some milliseconds. */
const LOOK_EVERY_MS = 500;

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const app = appRef(options.app);
  const timeoutMs = options.timeout === undefined ? Number.POSITIVE_INFINITY : parseDurationMs(options.timeout);
  if (timeoutMs === null) throw usage("--timeout needs a duration with its unit, such as 90s or 5m.");
  const client = await connect(io, options);
  const first = await client.call("getRollout", { params: { app } });
  if (options.watch !== true) {
    io.out(options.json === true ? `${safeJson(first)}\n` : shown(io, first));
    return EXIT.done;
  }
  return await watchRollout(io, client, first, timeoutMs, options.json === true);
}

function shown(io: Io, rollout: RolloutView): string {
  return rolloutText(rollout, io.columns, painter(io), io.zoneOffsetMinutes);
}

async function watchRollout(
  io: Io,
  client: Client,
  first: RolloutView,
  timeoutMs: number,
  asJson: boolean,
): Promise<ExitCode> {
  const until = io.clock.monotonicMs() + timeoutMs;
  const progress = asJson ? null : createProgress(io);
  let rollout = first;
  let isHeard = true;
  for (;;) {
    const code = endOf(rollout);
    const leftMs = until - io.clock.monotonicMs();
    if (code !== null || leftMs <= 0) {
      progress?.end(shown(io, rollout));
      if (asJson) io.out(`${safeJson(rollout)}\n`);
      if (code === null) io.err(`skerry: The rollout has not ended within ${Math.round(timeoutMs / 1_000)} s.\n`);
      return code ?? EXIT.notConverged;
    }
    const lines = watchLines(rollout, io.columns, painter(io));
    progress?.show(isHeard ? lines : [HUB_AWAY, ...lines]);
    await sleep(io.clock, Math.min(LOOK_EVERY_MS, leftMs));
    const seen = await look(client, rollout);
    isHeard = seen !== null;
    rollout = seen ?? rollout;
    if (rollout.revision !== first.revision) throw overtaken(first, rollout);
  }
}

/** null: it goes on. */
export function endOf({
  state,
  awaitsResume,
  awaitsStart,
}: Pick<RolloutView, "state" | "awaitsResume" | "awaitsStart">): ExitCode | null {
  switch (state.kind) {
    case "done":
      return EXIT.done;
    case "failed":
    case "superseded":
      return EXIT.failed;
    case "paused":
      return EXIT.notConverged;
    case "progressing":
      return awaitsResume || awaitsStart ? EXIT.notConverged : null;
  }
}

/** What was watched has ended, and another revision is the newest: a rollback, or somebody's edit. */
function overtaken(watched: RolloutView, next: RolloutView): CliFailure {
  if (next.kind === "rollback") {
    return new CliFailure(`Revision ${watched.revision} of ${watched.app} is rolled back: ${next.reason}.`, {
      hint: `Revision ${next.revision} takes its place: skerry rollout status ${watched.app} -w.`,
    });
  }
  return new CliFailure(`Revision ${next.revision} of ${watched.app} came meanwhile, by ${next.by}.`, {
    hint: `Look at it with: skerry rollout status ${watched.app}.`,
  });
}

/** null: the hub cannot be reached now; it may be back. */
async function look(client: Client, { app }: RolloutView): Promise<RolloutView | null> {
  try {
    return await client.call("getRollout", { params: { app } });
  } catch (error) {
    if (error instanceof HubRefusal && error.status === 404) {
      throw new CliFailure(`${app} was removed by someone else meanwhile.`);
    }
    if (error instanceof CliFailure && (!(error instanceof HubRefusal) || error.status === 503)) return null;
    throw error;
  }
}
