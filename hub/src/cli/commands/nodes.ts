// `skerry nodes`: the nodes, and whether each is heard from.
import type { NodeSummary } from "../../http/schemas/nodes.ts";
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect, listAll } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { bytes, cell, labels, type Paint, painter, reasons, table, wrap } from "../render.ts";
import { heard, nodeCell, runningText } from "../states.ts";

export async function run(io: Io, options: HubOptions & { readonly json?: boolean }): Promise<ExitCode> {
  const nodes = await listAll(await connect(io, options), "listNodes", {});
  if (options.json === true) io.out(`${safeJson({ items: nodes })}\n`);
  else if (nodes.length > 0) io.out(nodesTable(nodes, io.columns, painter(io)));
  else io.err("There are no nodes yet. Make a join token: skerry token create\n");
  return EXIT.done;
}

export function nodesTable(nodes: readonly NodeSummary[], width: number | null, paint: Paint): string {
  const columns = [
    { title: "NAME", shrinksTo: null },
    { title: "STATE", shrinksTo: null },
    { title: "HEARD", shrinksTo: null },
    { title: "RUNNING", shrinksTo: null },
    { title: "LABELS", shrinksTo: 8, mayGo: true },
    { title: "MACHINE", shrinksTo: 10, mayGo: true },
  ];
  const rows = nodes.map((node) => [
    cell(node.name, "bold"),
    nodeCell(node),
    cell(heard(node)),
    cell(runningText(node.workloads)),
    cell(labels(node.labels) || "-"),
    cell(machine(node)),
  ]);
  const bad = nodes.flatMap((node) => [
    ...standingReason(node),
    ...node.conditions.map(({ message }) => ({ name: node.name, reason: message })),
    ...(node.reachability.kind === "unreachable" ? [{ name: node.name, reason: node.reachability.reason }] : []),
  ]);
  return table(columns, rows, width, paint) + reasons(bad, width, paint) + rolling(nodes, width);
}

/** So many are named; the rest is counted, for a whole fleet may be meant. */
const NAMED = 5;

function rolling(nodes: readonly NodeSummary[], width: number | null): string {
  const names = nodes.filter(({ keyRoll }) => keyRoll !== null).map(({ name }) => name);
  if (names.length === 0) return "";
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : "";
  const whom = `${names.length} ${names.length === 1 ? "node" : "nodes"}`;
  const words = `Another key is on its way to ${whom}: ${names.slice(0, NAMED).join(", ")}${more}.`;
  return `\n${wrap("", words, width, "  ")}\n`;
}

function standingReason({ name, standing }: NodeSummary): readonly { name: string; reason: string }[] {
  if (standing === "member") return [];
  const reason =
    standing === "pending"
      ? `waits for approval: skerry node approve ${name}`
      : `two machines used its key, so neither is let in: skerry why ${name}`;
  return [{ name, reason }];
}

function machine({ facts }: NodeSummary): string {
  return facts === null ? "-" : `${facts.arch}, ${facts.cores} CPU, ${bytes(facts.memoryBytes)}`;
}
