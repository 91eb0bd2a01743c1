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
    case "pending":
      return "waits for approval";
    case "frozen":
      return "is frozen, as two machines used its key";
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
      return constraintMiss(refusal.text, refusal.found, "this");
    case "memory":
      return `needs ${megabytes(refusal.needBytes)}, ${megabytes(refusal.freeBytes)} free`;
    case "cpu":
      return `needs ${cpus(refusal.needNanoCpus)} CPUs, ${cpus(refusal.freeNanoCpus)} free`;
    case "port":
      return `port ${refusal.port}/${refusal.protocol} is held by ${holderName(refusal.holder)}`;
    case "max-per-node":
      return `has ${refusal.most} of it already, the most that max_replicas_per_node allows`;
    case "too-many-workloads":
      return `runs ${refusal.most} workloads, the most for one node`;
    case "pressure":
      return `takes nothing new: ${refusal.condition}`;
    case "draining":
      return "is being drained";
    case "policy":
      return `policy: ${refusal.text}`;
    default:
      return assertNever(refusal);
  }
}

/** `node.labels.site == shop` → "label site=shop missing". `not-this`: of several nodes, each with another value. */
function constraintMiss(text: string, found: string | null, which: "this" | "not-this"): string {
  const [attribute = "", operator = "", ...rest] = text.split(" ");
  const value = rest.join(" ");
  const name = attribute.replace(/^node\.labels\./, "label ").replace(/^node\./, "");
  if (operator === "!=") return `${name} is ${value}, which the file excludes`;
  if (which === "not-this") return `${name} is not ${value}`;
  if (found !== null) return `${name} is ${found}, not ${value}`;
  return name.startsWith("label ") ? `${name}=${value} missing` : `${name} is not known yet, and must be ${value}`;
}

/** A global service's copies differ from node to node in their slots alone. */
const holderName = (holder: string): string => holder.replace(/\/n[0-9a-f]{16}$/, "");

export interface RefusalGroup {
  readonly text: string;
  readonly nodes: number;
}

interface Gathered {
  /** The one with the most room: what is told of free amounts. */
  readonly best: Refusal;
  readonly nodes: number;
  /** They differ in more than the node: in free amounts, or in what was found. */
  readonly varied: boolean;
}

/** The same reasons once, most nodes first. */
export function refusalGroups(refusals: readonly Refusal[]): readonly RefusalGroup[] {
  const groups = new Map<string, Gathered>();
  for (const refusal of refusals) {
    const key = groupKey(refusal);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, { best: refusal, nodes: 1, varied: false });
    else groups.set(key, joined(known, refusal));
  }
  return [...groups.values()]
    .map(({ best, nodes, varied }) => ({ text: varied ? looseText(best) : refusalText(best), nodes }))
    .sort((a, b) => b.nodes - a.nodes || byText(a.text, b.text));
}

function joined({ best, nodes, varied }: Gathered, refusal: Refusal): Gathered {
  return {
    best: freeOf(refusal) > freeOf(best) ? refusal : best,
    nodes: nodes + 1,
    varied: varied || refusalText(refusal) !== refusalText(best),
  };
}

/** For several nodes that differ: "at most 380 MB free", "hostname is not pi-9". */
function looseText(best: Refusal): string {
  if (best.kind === "constraint") return constraintMiss(best.text, null, "not-this");
  return refusalText(best).replace(/, (\S+)/, ", at most $1");
}

function groupKey(refusal: Refusal): string {
  if (refusal.kind === "memory") return `memory ${refusal.needBytes}`;
  if (refusal.kind === "cpu") return `cpu ${refusal.needNanoCpus}`;
  if (refusal.kind === "constraint") return `constraint ${refusal.text} ${refusal.found === null}`;
  return refusalText(refusal);
}

function freeOf(refusal: Refusal): number {
  if (refusal.kind === "memory") return refusal.freeBytes;
  return refusal.kind === "cpu" ? refusal.freeNanoCpus : 0;
}

/** One sentence with more reasons than this is not read. */
const MAX_GROUPS_TOLD = 6;

export function refusalSummary(refusals: readonly Refusal[]): string {
  if (refusals.length === 0) return "there are no nodes";
  const groups = refusalGroups(refusals);
  const told = groups
    .slice(0, MAX_GROUPS_TOLD)
    .map(({ nodes, text }) => `${nodes} ${nodes === 1 ? "node" : "nodes"}: ${text}`);
  const rest = groups.length - told.length;
  return rest === 0 ? told.join("; ") : `${told.join("; ")}; and ${rest} more reasons`;
}
