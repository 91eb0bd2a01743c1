// `skerry node rm NODE`: the hub forgets it. What runs there is not touched; says first what moves, and what stays on the machine.
import type { NodeId, NodeName } from "@skerry/shared/model/ids.ts";
import type { RemovedNode } from "../../http/schemas/nodes.ts";
import type { Client } from "../client.ts";
import { confirmByName } from "../confirm.ts";
import { safeJson, visible } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { nodeRef } from "../refs.ts";
import { wrap } from "../render.ts";
import { shortId } from "../states.ts";

export interface Options extends HubOptions {
  readonly node: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** What is said of forgetting a node in one way or the other, and what asks the hub for it. */
export interface Forgetting<T extends RemovedNode> {
  ask(client: Client, node: NodeId | NodeName, dryRun: boolean): Promise<T>;
  /** "The hub will forget NAME.": before it is done, and of a dry run. */
  will(name: string): string;
  /** All that follows from it, line by line. */
  follows(answer: T, width: number | null): string;
  did(answer: T, width: number | null): string;
}

const REMOVING: Forgetting<RemovedNode> = {
  ask: (client, node, dryRun) =>
    client.call("removeNode", { params: { node }, query: dryRun ? { dryRun: "true" } : {} }),
  will: (name) => `The hub will forget the node ${name}. What runs on it is not touched.`,
  follows: consequences,
  did: removedText,
};

export const run = (io: Io, options: Options): Promise<ExitCode> => forget(io, options, REMOVING);

/** Says what follows, asks for the node's name, and does it. */
export async function forget<T extends RemovedNode>(io: Io, options: Options, way: Forgetting<T>): Promise<ExitCode> {
  const client = await connect(io, options);
  const planned = await way.ask(client, nodeRef(options.node), true);
  const { name, id } = planned.node;
  const plan = `${way.will(name)}\n${way.follows(planned, io.columns)}`;
  if (options.dryRun === true) {
    io.out(options.json === true ? `${safeJson(planned)}\n` : `${plan}Nothing was changed.\n`);
    return EXIT.done;
  }
  await confirmByName(io, name, plan.trimEnd(), options.yes);
  const done = await way.ask(client, id, false);
  io.out(options.json === true ? `${safeJson(done)}\n` : way.did(done, io.columns));
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
