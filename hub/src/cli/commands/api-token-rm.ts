// `skerry api-token rm NAME`: removes an API token, by name or id. Whoever uses it is out at once.
import { visible } from "../escape.ts";
import { EXIT, type ExitCode, usage } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";

export async function run(io: Io, options: HubOptions & { readonly name: string }): Promise<ExitCode> {
  // People paste the whole token; its id is the middle part.
  const token = /^skt1\.([0-9a-f]+)\./.exec(options.name)?.[1] ?? options.name;
  if (!/^[a-z0-9_-]{1,63}$/.test(token))
    throw usage(`${JSON.stringify(token)} is not an API token's name or id.`, "skerry api-token ls lists them.");
  const client = await connect(io, options);
  const removed = await client.call("removeApiToken", { params: { token } });
  io.out(
    `The API token ${visible(removed.name)} (${visible(removed.id)}) is removed. What was open with it is closed.\n`,
  );
  return EXIT.done;
}
