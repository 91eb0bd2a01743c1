// `skerry node label NODE KEY=VALUE KEY-`: sets labels and takes them away.
import { visible } from "../escape.ts";
import { EXIT, type ExitCode, usage } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { nodeRef } from "../refs.ts";
import { labels } from "../render.ts";

interface Options extends HubOptions {
  readonly node: string;
  readonly changes: readonly string[];
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const node = nodeRef(options.node);
  const body = readChanges(options.changes);
  const client = await connect(io, options);
  const changed = await client.call("changeNode", { params: { node }, body });
  const had = changed.changed ? "" : " (it was so already)";
  io.out(`${changed.node.name}: ${visible(labels(changed.labels)) || "no labels"}${had}\n`);
  return EXIT.done;
}

export function readChanges(changes: readonly string[]): { setLabels: Record<string, string>; unsetLabels: string[] } {
  const set = new Map<string, string>();
  const unset = new Set<string>();
  for (const change of changes) {
    const cut = change.indexOf("=");
    if (cut > 0) set.set(change.slice(0, cut), change.slice(cut + 1));
    else if (cut < 0 && change.endsWith("-") && change.length > 1) unset.add(change.slice(0, -1));
    else
      throw usage(
        `${JSON.stringify(change)} is not a change of labels.`,
        "Write KEY=VALUE to set one, KEY- to take it away.",
      );
  }
  return { setLabels: Object.fromEntries(set), unsetLabels: [...unset] };
}
