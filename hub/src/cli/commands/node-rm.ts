// `skerry node rm NODE`: the hub forgets it. What runs there is not touched.

import { confirmByName } from "../confirm.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { nodeRef } from "../refs.ts";
import { plural } from "../render.ts";

interface Options extends HubOptions {
  readonly node: string;
  readonly yes?: boolean;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const name = nodeRef(options.node);
  const client = await connect(io, options);
  const found = await client.call("getNode", { params: { node: name } });
  const what = `The hub will forget the node ${found.name}. What runs on it is not touched.`;
  await confirmByName(io, found.name, what, options.yes);
  const removed = await client.call("removeNode", { params: { node: found.id } });
  const left =
    removed.workloads === 0
      ? "Nothing was placed on it."
      : `${plural(removed.workloads, "workload")} were placed on it, and run on until they are removed there.`;
  io.out(`${removed.node.name} is forgotten. ${left}\n`);
  return EXIT.done;
}
