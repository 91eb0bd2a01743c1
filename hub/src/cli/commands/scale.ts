// `skerry scale APP/SERVICE N`: another number of copies, as a new revision; what runs is not restarted.
import type { Scaled } from "../../http/schemas/wishes.ts";
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode, usage } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { appOrService } from "../refs.ts";
import { plural } from "../render.ts";

interface Options extends HubOptions {
  readonly target: string;
  readonly copies: number;
  readonly ifRevision?: number;
  readonly json?: boolean;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const { app, service } = appOrService(options.target);
  if (service === undefined)
    throw usage("Name the service too: skerry scale APP/SERVICE N.", "skerry app show APP lists them.");
  const client = await connect(io, options);
  const scaled = await client.call("scaleApp", {
    params: { app },
    body: { service, replicas: options.copies, ifRevision: options.ifRevision ?? null },
  });
  io.out(options.json === true ? `${safeJson(scaled)}\n` : scaledText(scaled));
  return EXIT.done;
}

export function scaledText({ app, service, replicas, from, revision, changed }: Scaled): string {
  const copies = plural(replicas, "copy", "copies");
  if (!changed) return `${app}/${service} is to have ${copies} already.\n`;
  const lines = [
    `${app}/${service} is to have ${copies}${from === null ? "" : `, where it had ${from}`}: revision ${revision} of ${app}.`,
    "The file still says what it said: applying it again sets its own number.",
  ];
  return `${lines.join("\n")}\n`;
}
