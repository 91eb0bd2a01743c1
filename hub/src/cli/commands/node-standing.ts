// `skerry node approve NODE` and `skerry node unfreeze NODE`: is it trusted from now on?
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { nodeRef } from "../refs.ts";

type Turn = "approveNode" | "unfreezeNode";

const WORDS: Readonly<Record<Turn, string>> = {
  approveNode: "approved: it may be given workloads",
  unfreezeNode: "unfrozen: the next machine that connects with its key is taken for it. If both do, it is frozen again",
};

export async function turn(io: Io, options: HubOptions & { readonly node: string }, what: Turn): Promise<ExitCode> {
  const node = nodeRef(options.node);
  const client = await connect(io, options);
  const turned = await client.call(what, { params: { node }, body: {} });
  if (turned.changed && turned.standing === "pending")
    io.err(`${turned.node.name} was not approved before, and is not now: skerry node approve ${turned.node.name}\n`);
  io.out(turned.changed ? `${turned.node.name} is ${WORDS[what]}.\n` : `${turned.node.name} is a member already.\n`);
  return EXIT.done;
}
