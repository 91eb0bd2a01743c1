// `skerry node show NODE`: facts, figures, conditions, and what is placed there.
import type { NodeView } from "../../http/schemas/nodes.ts";
import { safeJson, visible } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { nodeRef } from "../refs.ts";
import { bytes, facts, labels, localTime, type Paint, painter, wrap } from "../render.ts";
import { heard } from "../states.ts";
import { drainText } from "./drain.ts";
import { workloadsTable } from "./ps.ts";

interface Options extends HubOptions {
  readonly node: string;
  readonly json?: boolean;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const name = nodeRef(options.node);
  const node = await (await connect(io, options)).call("getNode", { params: { node: name } });
  io.out(options.json === true ? `${safeJson(node)}\n` : nodeText(node, io.columns, painter(io), io.zoneOffsetMinutes));
  return EXIT.done;
}

export function nodeText(
  node: NodeView,
  width: number | null,
  paint: Paint,
  zoneOffsetMinutes: (atMs: number) => number,
): string {
  const parts = [facts(nodeFacts(node, zoneOffsetMinutes), width)];
  if (node.standing !== "member") parts.push(`${wrap("", standingText(node, paint), width, "  ")}\n`);
  for (const { kind, message } of node.conditions) {
    parts.push(`${wrap("", `${paint("bad", `! ${visible(kind)}:`)} ${visible(message)}`, width, "  ")}\n`);
  }
  if (node.refusal !== null)
    parts.push(`${paint("bad", "! refuses its assignment")}: ${visible(node.refusal.message)}\n`);
  if (node.drain !== null) parts.push(`\nDrain\n${drainText(node, width, paint, zoneOffsetMinutes)}`);
  parts.push(
    node.placements.length === 0
      ? "Nothing is placed on it.\n"
      : `\n${workloadsTable(node.placements, width, paint, { hints: false, zone: zoneOffsetMinutes })}`,
  );
  return parts.join("");
}

function standingText({ standing, name }: NodeView, paint: Paint): string {
  return standing === "frozen"
    ? `${paint("bad", "! frozen:")} two machines used its key, so neither is let in; both keep what they run. See: skerry why ${name}`
    : `${paint("bad", "! pending:")} it waits for approval and is given nothing. If it is yours: skerry node approve ${name}`;
}

/** Since when it is not active, by whom and why. */
function availabilityFact(node: NodeView, zoneOffsetMinutes: (atMs: number) => number): [string, string][] {
  const { availability, availabilitySaid: said } = node;
  if (availability === "active" || said === null) return [];
  const since = `${availability} since ${localTime(said.atMs, zoneOffsetMinutes(said.atMs))} by ${said.by}`;
  return [["Set", `${since}${said.reason === "" ? "" : `: ${said.reason}`}`]];
}

/** While another key is on its way. */
function keyFact({ keyRoll }: NodeView, zoneOffsetMinutes: (atMs: number) => number): [string, string][] {
  if (keyRoll === null) return [];
  const asked = `another one asked for ${localTime(keyRoll.atMs, zoneOffsetMinutes(keyRoll.atMs))} by ${keyRoll.by}`;
  const waits =
    keyRoll.state === "asked" ? "the node makes it when it is connected" : "the node has not connected with it yet";
  return [["Key", `${asked}; ${waits}`]];
}

function nodeFacts(node: NodeView, zoneOffsetMinutes: (atMs: number) => number): [string, string][] {
  const pairs: [string, string][] = [
    ["Name", `${node.name} (${node.id})`],
    ["State", `${node.reachability.kind}, ${node.availability}: ${node.reachability.reason}`],
    ...availabilityFact(node, zoneOffsetMinutes),
    ["Heard", heard(node)],
    ["Labels", labels(node.labels) || "none"],
    ["Joined", localTime(node.joinedAtMs, zoneOffsetMinutes(node.joinedAtMs))],
    ...keyFact(node, zoneOffsetMinutes),
  ];
  if (node.facts !== null) {
    const { arch, cores, memoryBytes, diskBytes, model, os, kernel, engineVersion, agentVersion, metered } = node.facts;
    pairs.push(
      ["Machine", `${model ?? arch}, ${cores} CPU (${arch}), ${bytes(memoryBytes)} memory, ${bytes(diskBytes)} disk`],
      ["System", `${os}, kernel ${kernel}`],
      ["Software", `Docker ${engineVersion}, agent ${agentVersion}${metered ? ", metered link" : ""}`],
    );
  }
  if (node.figures !== null) {
    const { memoryAvailableBytes, diskFreeBytes, load1, temperatureC, clockSynchronised } = node.figures;
    const heat = temperatureC === null ? "" : `, ${temperatureC.toFixed(0)} °C`;
    const clock = clockSynchronised === false ? ", clock not synchronised" : "";
    pairs.push([
      "Now",
      `${bytes(memoryAvailableBytes)} memory free, ${bytes(diskFreeBytes)} disk free, load ${load1.toFixed(2)}${heat}${clock}`,
    ]);
  }
  const { memoryBytes, nanoCpus } = node.reserved;
  pairs.push(["Reserved", `${bytes(memoryBytes)} memory, ${(nanoCpus / 1e9).toFixed(2)} CPU`]);
  // The engine lists a port once for IPv4 and once for IPv6.
  const ports = new Set(node.ports.map(({ port, protocol, container }) => `${port}/${protocol} (${container})`));
  if (ports.size > 0) pairs.push(["Ports", [...ports].join(", ")]);
  const accepted = node.accepted === null ? "none yet" : `${node.accepted.epoch}.${node.accepted.generation}`;
  pairs.push(["Assignment", `${node.assigned.epoch}.${node.assigned.generation} given, ${accepted} accepted`]);
  return pairs;
}
