// `skerry auth can-i VERB RESOURCE [NAME]`: may I? Exit code 0: yes, 1: no; and why.
import { safeJson, visible } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { permissionRef } from "../refs.ts";

interface Options extends HubOptions {
  readonly verb: string;
  readonly resource: string;
  readonly name?: string;
  readonly json?: boolean;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const permission = permissionRef(`${options.resource}:${options.verb}`);
  const client = await connect(io, options);
  const query = { permission, ...(options.name === undefined ? {} : { name: options.name }) };
  const answer = await client.call("canI", { query });
  const code = answer.allowed ? EXIT.done : EXIT.failed;
  if (options.json === true) {
    io.out(`${safeJson(answer)}\n`);
    return code;
  }
  io.out(`${answer.allowed ? "yes" : "no"}: ${visible(answer.reason)}\n`);
  if (!answer.allowed) io.err(`${visible(answer.hint)}\n`);
  return code;
}
