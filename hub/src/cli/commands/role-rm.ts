// `skerry role rm NAME`: removes an own role that nobody has.
import { visible } from "../escape.ts";
import { EXIT, type ExitCode, usage } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";

export async function run(io: Io, options: HubOptions & { readonly name: string }): Promise<ExitCode> {
  if (options.name === "" || options.name.includes("/"))
    throw usage(`${JSON.stringify(options.name)} is not a role's name.`, "skerry role ls lists them.");
  const client = await connect(io, options);
  const { name } = await client.call("removeRole", { params: { role: options.name } });
  io.out(`The role ${visible(name)} is removed.\n`);
  return EXIT.done;
}
