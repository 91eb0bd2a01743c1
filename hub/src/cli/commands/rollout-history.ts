// `skerry rollout history APP`: what became of an app's revisions, the newest first.
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { appRef } from "../refs.ts";
import { painter } from "../render.ts";
import { historyTable } from "../rollout-text.ts";

interface Options extends HubOptions {
  readonly app: string;
  readonly json?: boolean;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const app = appRef(options.app);
  const answer = await (await connect(io, options)).call("listRollouts", { params: { app } });
  if (options.json === true) io.out(`${safeJson(answer)}\n`);
  else if (answer.items.length === 0) io.err(`${app} has had no rollout yet.\n`);
  else io.out(historyTable(answer.items, io.columns, painter(io), io.zoneOffsetMinutes));
  return EXIT.done;
}
