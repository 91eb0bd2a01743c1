// `skerry node revoke NODE`: the hub forgets it and refuses its key for good. Says which secrets it had, for they are to be changed.
import type { RevokedNode } from "../../http/schemas/nodes.ts";
import { confirmByName } from "../confirm.ts";
import { safeJson, visible } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { nodeRef } from "../refs.ts";
import { wrap } from "../render.ts";
import { consequences, leftOn } from "./node-rm.ts";

interface Options extends HubOptions {
  readonly node: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const name = nodeRef(options.node);
  const client = await connect(io, options);
  const planned = await client.call("revokeNode", { params: { node: name }, query: { dryRun: "true" }, body: {} });
  if (options.dryRun === true) {
    const text = `The key of ${planned.node.name} would be revoked, and the node forgotten. What runs on it is not touched.\n${following(planned, io.columns)}Nothing was changed.\n`;
    io.out(options.json === true ? `${safeJson(planned)}\n` : text);
    return EXIT.done;
  }
  const what = `The hub will refuse the key of ${planned.node.name} for good, and forget the node. What runs on it is not touched.`;
  await confirmByName(io, planned.node.name, `${what}\n${following(planned, io.columns)}`.trimEnd(), options.yes);
  const revoked = await client.call("revokeNode", { params: { node: planned.node.id }, query: {}, body: {} });
  io.out(options.json === true ? `${safeJson(revoked)}\n` : revokedText(revoked, io.columns));
  return EXIT.done;
}

export function revokedText(revoked: RevokedNode, width: number | null): string {
  const head = `${revoked.node.name} is revoked: its key opens nothing any more, and never joins again. ${leftOn(revoked.workloads)}`;
  return `${wrap("", head, width, "  ")}\n${following(revoked, width)}`;
}

function following(revoked: RevokedNode, width: number | null): string {
  const { secrets } = revoked;
  const text =
    secrets.length === 0
      ? "It was given no secrets by this hub."
      : `It had these secrets, so change them: ${secrets.map(visible).join(", ")}.`;
  return `${consequences(revoked, width)}${wrap("", text, width, "  ")}\n`;
}
