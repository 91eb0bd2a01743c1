// What the panel shows: nodes and what runs on them, from the engines themselves, and the hub's word beside it. Pure.
import pc from "picocolors";

export interface PanelNode {
  readonly name: string;
  /** null: the hub does not answer. */
  readonly reachability: string | null;
  /** By service: what the engine says. */
  readonly services: ReadonlyMap<string, string>;
}

export interface PanelEvent {
  readonly atMs: number;
  readonly subject: string;
  readonly text: string;
}

const SERVICES = ["broker", "sensor", "page"] as const;
const LAST_EVENTS = 5;

export function panel(
  nodes: readonly PanelNode[],
  hub: "on" | "off",
  revision: number | null,
  events: readonly PanelEvent[],
): readonly string[] {
  const head = ["NODE", "HUB SAYS", ...SERVICES.map((service) => service.toUpperCase())];
  const rows = nodes.map((node) => [
    node.name,
    node.reachability ?? "(hub is off)",
    ...SERVICES.map((service) => node.services.get(service) ?? "-"),
  ]);
  const title = hub === "on" ? `hub on${revision === null ? "" : `, revision ${revision}`}` : "hub off";
  return [
    "",
    pc.dim(`   ── greenhouse: ${title} ${"─".repeat(Math.max(0, 58 - title.length))}`),
    `   ${pc.dim(columns(head))}`,
    ...rows.map((row) => `   ${paint(columns(row))}`),
    ...(events.length === 0 ? [] : [`   ${pc.dim("EVENTS")}`]),
    ...events.slice(-LAST_EVENTS).map((event) => `   ${eventLine(event)}`),
  ];
}

const WIDTHS = [8, 14, 16, 16, 16] as const;
const columns = (cells: readonly string[]): string =>
  cells
    .map((cell, index) => cell.padEnd(WIDTHS[index] ?? 0))
    .join(" ")
    .trimEnd();

function paint(row: string): string {
  return row
    .replace(/\b(healthy|ready|running)\b/g, (word) => pc.green(word))
    .replace(/\b(unhealthy|exited|unreachable|engine off)\b/g, (word) => pc.red(word))
    .replace(/\b(starting|created|awaited)\b/g, (word) => pc.yellow(word));
}

function eventLine(event: PanelEvent): string {
  const time = new Date(event.atMs).toISOString().slice(11, 19);
  const line = `${time} ${event.subject.padEnd(26)} ${event.text}`;
  return pc.dim(line.length > 76 ? `${line.slice(0, 75)}…` : line);
}
