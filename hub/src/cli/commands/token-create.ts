// `skerry token create`: a join token, shown this once, with the command to run on the node.
import { parseDurationMs } from "../../compose/values.ts";
import type { CreatedToken } from "../../http/schemas/tokens.ts";
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode, usage } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { age, labels, plural } from "../render.ts";
import { readChanges } from "./node-label.ts";

interface Options extends HubOptions {
  readonly uses?: number;
  readonly expires?: string;
  readonly label?: readonly string[];
  readonly approve?: boolean;
  readonly json?: boolean;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const expiresInMs = options.expires === undefined ? undefined : parseDurationMs(options.expires);
  if (expiresInMs === null) throw usage("--expires needs a duration with its unit, such as 24h.");
  const { setLabels, unsetLabels } = readChanges(options.label ?? []);
  if (unsetLabels.length > 0) throw usage("--label needs KEY=VALUE.");
  const client = await connect(io, options);
  const body = {
    labels: setLabels,
    ...(options.approve === true ? { approval: true } : {}),
    ...(options.uses === undefined ? {} : { uses: options.uses }),
    ...(expiresInMs === undefined ? {} : { expiresInMs }),
  };
  const created = await client.call("createToken", { body });
  io.out(options.json === true ? `${safeJson(created)}\n` : createdText(created, client.url));
  return EXIT.done;
}

export function createdText(created: CreatedToken, hub: string): string {
  const given = labels(created.labels);
  const approval = created.approval ? " Nodes that join with it wait for: skerry node approve NODE." : "";
  return [
    `Join token ${created.id}, for ${plural(created.usesLeft, "node")}, good for ${age(created.expiresInMs)}${given === "" ? "" : `, gives ${given}`}.${approval}`,
    "It is shown this once. On the node:",
    "",
    `  skerry agent --hub ${hub} --token ${created.token}`,
    "",
  ].join("\n");
}
