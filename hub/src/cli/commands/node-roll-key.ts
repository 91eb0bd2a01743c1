// `skerry node roll-key NODE… | --label KEY=VALUE | --all`: another key for nodes that are yours. Each is asked for by itself, so that one which
// is refused keeps none of the others back.
import type { NodeSummary } from "../../http/schemas/nodes.ts";
import type { Client } from "../client.ts";
import { CliFailure, EXIT, type ExitCode, usage } from "../failure.ts";
import { connect, listAll } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { nodeRef } from "../refs.ts";

interface Options extends HubOptions {
  readonly nodes: readonly string[];
  /** KEY=VALUE each; all of them must fit. */
  readonly label?: readonly string[];
  readonly all?: boolean;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const wanted = wantedNodes(options);
  const client = await connect(io, options);
  const nodes = Array.isArray(wanted)
    ? wanted
    : (await fitting(client, wanted.labels)).map(({ name }) => nodeRef(name));
  if (nodes.length === 0) {
    io.err("No node has these labels: skerry nodes lists them.\n");
    return EXIT.failed;
  }
  let failed = 0;
  for (const node of nodes) {
    try {
      const { changed, keyRoll, ...asked } = await client.call("rollNodeKey", { params: { node }, body: {} });
      const state =
        keyRoll.state === "named"
          ? "has named its next key, and goes over to it when it connects"
          : "makes itself another key at once, or when it is next connected";
      io.out(`${asked.node.name} ${changed ? "" : "was asked already: it "}${state}.\n`);
    } catch (error) {
      if (!(error instanceof CliFailure) || nodes.length === 1) throw error;
      io.err(`${node}: ${error.message}\n`);
      failed += 1;
    }
  }
  return failed === 0 ? EXIT.done : EXIT.failed;
}

type Labels = readonly (readonly [key: string, value: string])[];

function wantedNodes({ nodes, label, all }: Options): ReturnType<typeof nodeRef>[] | { readonly labels: Labels } {
  const ways = [nodes.length > 0, label !== undefined, all === true].filter(Boolean).length;
  if (ways !== 1)
    throw usage("Say which nodes: their names, or --label KEY=VALUE, or --all.", "skerry nodes lists them.");
  if (nodes.length > 0) return nodes.map(nodeRef);
  return {
    labels: (label ?? []).map((text) => {
      const [, key, value] = /^([^=]+)=(.*)$/.exec(text) ?? [];
      if (key === undefined || value === undefined)
        throw usage(`${JSON.stringify(text)} is no label.`, "A label is KEY=VALUE, for example site=shop.");
      return [key, value] as const;
    }),
  };
}

async function fitting(client: Client, labels: Labels): Promise<readonly NodeSummary[]> {
  const nodes = await listAll(client, "listNodes", {});
  return nodes.filter((node) => labels.every(([key, value]) => node.labels[key] === value));
}
