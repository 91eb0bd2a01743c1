// `skerry token rm ID`: withdraws a join token. Nodes that joined with it stay.
import { readJoinToken } from "@skerry/shared/protocol/join-token.ts";
import { EXIT, type ExitCode, usage } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";

export async function run(io: Io, options: HubOptions & { readonly id: string }): Promise<ExitCode> {
  // People paste the whole token; its id is a part of it.
  const id = readJoinToken(options.id)?.id ?? options.id;
  if (!/^[0-9a-f]{8,32}$/.test(id))
    throw usage(`${JSON.stringify(id)} is not a join token's id.`, "skerry token ls lists them.");
  const client = await connect(io, options);
  await client.call("removeToken", { params: { token: id } });
  io.out(`The token ${id} is withdrawn. Nodes that have joined with it stay.\n`);
  return EXIT.done;
}
