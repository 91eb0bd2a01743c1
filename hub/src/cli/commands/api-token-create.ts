// `skerry api-token create`: an API token for a person or a program, with one role; shown this once.
import { parseDurationMs } from "../../compose/values.ts";
import { scopeText } from "../../core/permission.ts";
import type { CreatedApiToken } from "../../http/schemas/people.ts";
import { safeJson, visible } from "../escape.ts";
import { EXIT, type ExitCode, usage } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { appRef } from "../refs.ts";
import { age } from "../render.ts";

interface Options extends HubOptions {
  readonly name: string;
  readonly role: string;
  readonly app?: readonly string[];
  readonly nodeLabel?: readonly string[];
  readonly expires?: string;
  readonly json?: boolean;
}

const DAY_MS = 86_400_000;

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const expiresInMs = options.expires === undefined ? undefined : lifeMs(options.expires);
  const nodeLabels = options.nodeLabel ?? [];
  if (nodeLabels.some((label) => label.indexOf("=") < 1)) throw usage("--node-label needs KEY=VALUE.");
  const client = await connect(io, options);
  const body = {
    name: options.name,
    role: options.role,
    apps: (options.app ?? []).map(appRef),
    nodeLabels: [...nodeLabels],
    ...(expiresInMs === undefined ? {} : { expiresInMs }),
  };
  const created = await client.call("createApiToken", { body });
  io.out(options.json === true ? `${safeJson(created)}\n` : createdText(created, client.url));
  return EXIT.done;
}

/** Days, which the durations of a Compose file do not know; or one of those. */
function lifeMs(text: string): number {
  const days = /^(\d{1,4})d$/.exec(text)?.[1];
  const ms = days === undefined ? parseDurationMs(text) : Number(days) * DAY_MS;
  if (ms === null) throw usage("--expires needs a duration with its unit, such as 90d or 12h.");
  return ms;
}

export function createdText(created: CreatedApiToken, hub: string): string {
  const { id, name, role, token, expiresInMs } = created;
  return [
    `API token ${visible(name)} (${visible(id)}): role ${visible(role)}, good for ${age(expiresInMs)}.`,
    `For ${visible(scopeText(created))}.`,
    "It is shown this once:",
    "",
    `  ${visible(token)}`,
    "",
    `A person uses it with: skerry login ${hub}`,
    `A program, with: SKERRY_HUB=${hub} SKERRY_TOKEN=...`,
    "",
  ].join("\n");
}
