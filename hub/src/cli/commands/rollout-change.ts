// `skerry rollout pause|resume|undo APP`: an operator steers a rollout. Going back is a new revision with the older content.

import type { RolloutChanged } from "../../http/schemas/rollouts.ts";
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { appRef } from "../refs.ts";

interface Options extends HubOptions {
  readonly app: string;
  readonly reason?: string;
  readonly json?: boolean;
}

export async function pause(io: Io, options: Options): Promise<ExitCode> {
  const client = await connect(io, options);
  const params = { app: appRef(options.app) };
  const changed = await client.call("pauseRollout", { params, body: { reason: options.reason ?? "" } });
  const how = changed.changed ? "paused" : "paused already";
  return tell(
    io,
    options,
    changed,
    `Revision ${changed.revision} of ${changed.app} is ${how}: no further copy is changed. Go on with: skerry rollout resume ${changed.app}.`,
  );
}

export async function resume(io: Io, options: Options): Promise<ExitCode> {
  const client = await connect(io, options);
  const changed = await client.call("resumeRollout", { params: { app: appRef(options.app) }, body: {} });
  const text = changed.changed
    ? `Revision ${changed.revision} of ${changed.app} goes on. Watch it with: skerry rollout status ${changed.app} -w.`
    : `Revision ${changed.revision} of ${changed.app} is going on already; nothing was held up.`;
  return tell(io, options, changed, text);
}

export async function undo(io: Io, options: Options & { readonly to?: number }): Promise<ExitCode> {
  const client = await connect(io, options);
  const body = { to: options.to ?? null, reason: options.reason ?? "" };
  const changed = await client.call("undoRollout", { params: { app: appRef(options.app) }, body });
  const text = changed.changed
    ? `${changed.app} goes back to what revision ${changed.sameAs} was, as revision ${changed.revision}. Watch it with: skerry rollout status ${changed.app} -w.`
    : `${changed.app} is what revision ${changed.sameAs} was already.`;
  return tell(io, options, changed, text);
}

function tell(io: Io, options: Options, changed: RolloutChanged, text: string): ExitCode {
  io.out(options.json === true ? `${safeJson(changed)}\n` : `${text}\n`);
  return EXIT.done;
}
