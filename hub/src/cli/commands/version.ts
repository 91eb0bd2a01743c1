// `skerry version`: this program's version, and the hub's where one is known and answers.
import { SKERRY_VERSION } from "@skerry/shared/runtime/version.ts";
import { safeJson, visible } from "../escape.ts";
import { CliFailure, EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";

export async function run(io: Io, options: HubOptions & { readonly json?: boolean }): Promise<ExitCode> {
  const hub = await askHub(io, options);
  if (options.json === true) {
    const answer = { client: SKERRY_VERSION, node: process.version, hub: hub instanceof CliFailure ? null : hub };
    io.out(`${safeJson(answer)}\n`);
    return EXIT.done;
  }
  io.out(`Client: Skerry ${SKERRY_VERSION} (Node ${process.version})\n`);
  if (hub instanceof CliFailure) io.err(`Hub:    ${visible(hub.message)}\n`);
  else
    io.out(`Hub:    Skerry ${visible(hub.version)}, installation ${visible(hub.installation)}, epoch ${hub.epoch}\n`);
  return EXIT.done;
}

/** A program without a hub still has a version. */
async function askHub(io: Io, options: HubOptions) {
  try {
    return await (await connect(io, options)).call("getVersion", {});
  } catch (error) {
    if (error instanceof CliFailure) return error;
    throw error;
  }
}
