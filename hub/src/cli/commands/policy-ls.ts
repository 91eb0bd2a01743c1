// `skerry policy ls`: all policies, whom they are about, and what they say.
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { policiesTable } from "../policy-text.ts";
import { painter } from "../render.ts";

export async function run(io: Io, options: HubOptions & { readonly json?: boolean }): Promise<ExitCode> {
  const { items } = await (await connect(io, options)).call("listPolicies", {});
  if (options.json === true) io.out(`${safeJson({ items })}\n`);
  else if (items.length > 0) io.out(policiesTable(items, io.columns, painter(io)));
  else io.err("There are no policies: every app has the profile restricted. Make one: skerry policy set FILE\n");
  return EXIT.done;
}
