// `skerry policy check`: what of the apps that are there the policies refuse. Exit code 1 when they do.
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { violationsText } from "../policy-text.ts";
import { painter } from "../render.ts";

export async function run(io: Io, options: HubOptions & { readonly json?: boolean }): Promise<ExitCode> {
  const { violations } = await (await connect(io, options)).call("checkPolicies", {});
  io.out(options.json === true ? `${safeJson({ violations })}\n` : violationsText(violations, io.columns, painter(io)));
  return violations.some(({ enforced }) => enforced) ? EXIT.failed : EXIT.done;
}
