// `skerry policy show NAME`: one policy, with its revision for --if-revision.
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { policyText } from "../policy-text.ts";
import { policyRef } from "../refs.ts";
import { painter } from "../render.ts";

interface Options extends HubOptions {
  readonly name: string;
  readonly json?: boolean;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const params = { policy: policyRef(options.name) };
  const policy = await (await connect(io, options)).call("getPolicy", { params });
  io.out(options.json === true ? `${safeJson(policy)}\n` : policyText(policy, painter(io)));
  return EXIT.done;
}
