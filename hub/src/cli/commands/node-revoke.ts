// `skerry node revoke NODE`: the hub forgets it and refuses its key for good. Says which secrets it had, for they are to be changed.
import type { RevokedNode } from "../../http/schemas/nodes.ts";
import { visible } from "../escape.ts";
import type { ExitCode } from "../failure.ts";
import type { Io } from "../io.ts";
import { wrap } from "../render.ts";
import { consequences, type Forgetting, forget, leftOn, type Options } from "./node-rm.ts";

const REVOKING: Forgetting<RevokedNode> = {
  ask: (client, node, dryRun) =>
    client.call("revokeNode", { params: { node }, query: dryRun ? { dryRun: "true" } : {}, body: {} }),
  will: (name) =>
    `The hub will refuse the key of ${name} for good, and forget the node. What runs on it is not touched.`,
  follows: following,
  did: revokedText,
};

export const run = (io: Io, options: Options): Promise<ExitCode> => forget(io, options, REVOKING);

export function revokedText(revoked: RevokedNode, width: number | null): string {
  const head = `${revoked.node.name} is revoked: its key opens nothing any more, and never joins again. ${leftOn(revoked.workloads)}`;
  return `${wrap("", head, width, "  ")}\n${following(revoked, width)}`;
}

function following(revoked: RevokedNode, width: number | null): string {
  const { secrets, moreSecrets } = revoked;
  const more = moreSecrets === 0 ? [] : [`${moreSecrets} more of apps that you do not see`];
  const all = [...secrets.map(visible), ...more];
  const text =
    all.length === 0
      ? "It was given no secrets by this hub."
      : `It was given these secrets, so change them: ${all.join(", ")}.`;
  return `${consequences(revoked, width)}${wrap("", text, width, "  ")}\n`;
}
