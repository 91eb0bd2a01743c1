// `skerry hub-key switch`: from now on the next key is the hub's. Shows first which nodes would no longer know the hub, and asks.
import { confirmByName } from "../confirm.ts";
import { visible } from "../escape.ts";
import { CliFailure, EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";

export async function run(io: Io, options: HubOptions & { readonly yes?: boolean }): Promise<ExitCode> {
  const client = await connect(io, options);
  const { next, unaware } = await client.call("getHubKey", {});
  if (next === null) throw new CliFailure("There is no next key.", { hint: "Make it first: skerry hub-key next." });
  if (unaware.length > 0) {
    const names = unaware.map((name) => `  ${visible(name)}\n`).join("");
    const what = `These nodes have not said since the hub's start that they know the next key. What runs on them runs on, but each needs a new join token before it connects again:\n${names}`;
    await confirmByName(io, "switch", what, options.yes);
  }
  const { pin } = await client.call("switchHubKey", { body: { to: next, force: unaware.length > 0 } });
  io.out(`The hub's key is now the one with pin ${pin}.\n`);
  io.err(`Command lines that know the old one log in again: skerry login ${client.url} --pin ${pin}\n`);
  return EXIT.done;
}
