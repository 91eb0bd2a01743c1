// `skerry node rm NODE`: the hub forgets it. What runs there is not touched; says first what moves, and what stays on the machine.
import type { RemovedNode } from "../../http/schemas/nodes.ts";
import { confirmByName } from "../confirm.ts";
import { safeJson, visible } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { nodeRef } from "../refs.ts";
import { wrap } from "../render.ts";
import { shortId } from "../states.ts";

interface Options extends HubOptions {
  readonly node: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const name = nodeRef(options.node);
  const client = await connect(io, options);
  const planned = await client.call("removeNode", { params: { node: name }, query: { dryRun: "true" } });
  if (options.dryRun === true) {
    const text = `${planned.node.name} would be forgotten. What runs on it is not touched.\n${consequences(planned, io.columns)}Nothing was changed.\n`;
    io.out(options.json === true ? `${safeJson(planned)}\n` : text);
    return EXIT.done;
  }
  const what = `The hub will forget the node ${planned.node.name}. What runs on it is not touched.`;
  await confirmByName(io, planned.node.name, `${what}\n${consequences(planned, io.columns)}`.trimEnd(), options.yes);
  const removed = await client.call("removeNode", { params: { node: planned.node.id }, query: {} });
  io.out(options.json === true ? `${safeJson(removed)}\n` : removedText(removed, io.columns));
  return EXIT.done;
}

export function removedText(removed: RemovedNode, width: number | null): string {
  const head = `${removed.node.name} is forgotten. ${leftOn(removed.workloads)}`;
  return `${wrap("", head, width, "  ")}\n${consequences(removed, width)}`;
}

export function leftOn(workloads: number): string {
  if (workloads === 0) return "Nothing was placed on it.";
  if (workloads === 1) return "1 workload was placed on it, and runs on until it is removed there.";
  return `${workloads} workloads were placed on it, and run on until they are removed there.`;
}

/** Workloads told of one by one. */
const MAX_SHOWN = 20;

/** What is placed elsewhere, what is not, and which volumes stay. */
export function consequences(
  { moves, volumesKept }: Pick<RemovedNode, "moves" | "volumesKept">,
  width: number | null,
): string {
  const lines = moves.slice(0, MAX_SHOWN).map(({ workload, to, why }) => {
    const text = to === null ? `finds no other node: ${visible(why)}` : `starts on ${to.name}`;
    return wrap("  - ", `${visible(shortId(workload))}: ${text}`, width, "    ");
  });
  if (moves.length > MAX_SHOWN) lines.push(`  … and ${moves.length - MAX_SHOWN} more`);
  if (volumesKept.length > 0)
    lines.push(wrap("", `Volumes that stay on the machine: ${volumesKept.map(visible).join(", ")}.`, width, "  "));
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}
