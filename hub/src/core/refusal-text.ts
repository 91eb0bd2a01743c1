// Refusals in words, grouped: "2 nodes: needs 512 MB, 380 MB free; 1 node: label site=shop missing". Pure.
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import { byText } from "./lookup.ts";
import type { Refusal } from "./world.ts";

const MEBIBYTE = 1_048_576;
const NANO = 1_000_000_000;

const megabytes = (bytes: number): string => `${Math.floor(bytes / MEBIBYTE)} MB`;
const cpus = (nano: number): string => `${Math.round((nano / NANO) * 100) / 100}`;

/** Without the node: what it lacks. */
export function refusalText(refusal: Refusal): string {
  switch (refusal.kind) {
    case "cordoned":
      return "cordoned";
    case "unreachable":
      return "unreachable";
    case "awaited":
      return "not heard from since the hub started";
    case "fence-wait":
      return refusal.untilMs === null
        ? "may still run the one copy, and has not said that it stopped"
        : "may still run the one copy; it stops by itself";
    case "no-facts":
      return "has not reported its capacity yet";
    case "constraint":
      return constraintMiss(refusal.text, refusal.found);
    case "memory":
      return `needs ${megabytes(refusal.needBytes)}, ${megabytes(refusal.freeBytes)} free`;
    case "cpu":
      return `needs ${cpus(refusal.needNanoCpus)} CPUs, ${cpus(refusal.freeNanoCpus)} free`;
    case "port":
      return `port ${refusal.port}/${refusal.protocol} is held by ${refusal.holder}`;
    case "max-per-node":
      return `has ${refusal.most} of it already, the most that max_replicas_per_node allows`;
    case "too-many-workloads":
      return `runs ${refusal.most} workloads, the most for one node`;
    default:
      return assertNever(refusal);
  }
}

/** `node.labels.site == shop` → "label site=shop missing". */
function constraintMiss(text: string, found: string | null): string {
  const [attribute = "", operator = "", ...rest] = text.split(" ");
  const value = rest.join(" ");
  const name = attribute.replace(/^node\.labels\./, "label ").replace(/^node\./, "");
  if (operator === "!=") return `${name} is ${value}, which the file excludes`;
  if (found !== null) return `${name} is ${found}, not ${value}`;
  return name.startsWith("label ") ? `${name}=${value} missing` : `${name} is not known yet, and must be ${value}`;
}

export interface RefusalGroup {
  readonly text: string;
  readonly nodes: number;
}

/** The same words once, most nodes first. Amounts of free memory differ from node to node; only the largest is told. */
export function refusalGroups(refusals: readonly Refusal[]): readonly RefusalGroup[] {
  const groups = new Map<string, { readonly best: Refusal; readonly nodes: number }>();
  for (const refusal of refusals) {
    const key = groupKey(refusal);
    const known = groups.get(key);
    const best = known === undefined || freeOf(refusal) > freeOf(known.best) ? refusal : known.best;
    groups.set(key, { best, nodes: (known?.nodes ?? 0) + 1 });
  }
  return [...groups.values()]
    .map(({ best, nodes }) => ({ text: atMost(best, nodes), nodes }))
    .sort((a, b) => b.nodes - a.nodes || byText(a.text, b.text));
}

const atMost = (refusal: Refusal, nodes: number): string =>
  nodes > 1 && (refusal.kind === "memory" || refusal.kind === "cpu")
    ? refusalText(refusal).replace(/, (\S+)/, ", at most $1")
    : refusalText(refusal);

function groupKey(refusal: Refusal): string {
  if (refusal.kind === "memory") return `memory ${refusal.needBytes}`;
  if (refusal.kind === "cpu") return `cpu ${refusal.needNanoCpus}`;
  return refusalText(refusal);
}

function freeOf(refusal: Refusal): number {
  if (refusal.kind === "memory") return refusal.freeBytes;
  return refusal.kind === "cpu" ? refusal.freeNanoCpus : 0;
}

export function refusalSummary(refusals: readonly Refusal[]): string {
  if (refusals.length === 0) return "there are no nodes";
  return refusalGroups(refusals)
    .map(({ nodes, text }) => `${nodes} ${nodes === 1 ? "node" : "nodes"}: ${text}`)
    .join("; ");
}
