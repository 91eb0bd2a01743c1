// `skerry policy rm NAME`: removes a policy; what it allowed runs on, and is refused when it is to change.
import { visible } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { violationsText } from "../policy-text.ts";
import { policyRef } from "../refs.ts";
import { painter } from "../render.ts";

interface Options extends HubOptions {
  readonly name: string;
  readonly dryRun?: boolean;
  readonly ifRevision?: number;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const params = { policy: policyRef(options.name) };
  const client = await connect(io, options);
  const answer = await client.call("removePolicy", {
    params,
    query: {
      dryRun: options.dryRun === true ? "true" : "false",
      ...(options.ifRevision === undefined ? {} : { ifRevision: options.ifRevision }),
    },
  });
  io.out(`The policy ${visible(answer.name)} ${answer.dryRun ? "would be" : "is"} removed.\n`);
  io.out(violationsText(answer.violations, io.columns, painter(io)));
  if (answer.dryRun) io.out("Nothing was changed.\n");
  return EXIT.done;
}
