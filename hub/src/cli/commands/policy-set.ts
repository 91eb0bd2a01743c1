// `skerry policy set FILE`: makes a policy, or gives it other content; says what of the apps that are there it would refuse.
import { safeJson, visible } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { readPolicy } from "../policy-file.ts";
import { violationsText } from "../policy-text.ts";
import { painter } from "../render.ts";

interface Options extends HubOptions {
  readonly file: string;
  readonly dryRun?: boolean;
  readonly ifRevision?: number;
  readonly json?: boolean;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const { name, fields } = await readPolicy(io, options.file);
  const client = await connect(io, options);
  const answer = await client.call("setPolicy", {
    params: { policy: name },
    body: { policy: fields, ifRevision: options.ifRevision ?? null, dryRun: options.dryRun === true },
  });
  if (options.json === true) {
    io.out(`${safeJson(answer)}\n`);
    return EXIT.done;
  }
  const revision = `at revision ${answer.revision}`;
  const said = answer.dryRun
    ? `would be ${revision}`
    : answer.changed
      ? `is ${revision}`
      : `was so already, ${revision}`;
  io.out(`Policy ${visible(answer.name)} ${said}.\n`);
  io.out(violationsText(answer.violations, io.columns, painter(io)));
  if (answer.dryRun) io.out("Nothing was changed.\n");
  return EXIT.done;
}
