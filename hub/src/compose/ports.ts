// `ports` and `expose`, short and long, ranges written out. It must never publish more, or elsewhere, than the file says.
import type { Port } from "@skerry/shared/model/container.ts";
import type { Context } from "./context.ts";
import type { MapSpot, Spot } from "./fields.ts";
import { MAX_PORT_RANGE } from "./limits.ts";
import { compareText } from "./problem.ts";
import { placeOf } from "./tree.ts";
import { type PortRange, parsePortRange, type ShortPort, splitPort } from "./values.ts";

const PROTOCOLS = ["tcp", "udp", "sctp"] as const;
const EXAMPLE = 'Write "8080:80", "127.0.0.1:8080:80/tcp" or "80".';

export function compilePorts(service: MapSpot, spreads: boolean, context: Context): Port[] {
  const { fields } = context;
  const ports: { port: Port; at: Spot }[] = [];
  for (const item of fields.items(service, "ports")) {
    const short =
      item.tree.kind === "map" ? longPort({ ...item, tree: item.tree }, spreads, context) : shortPort(item, context);
    if (short !== null) for (const port of expand(short, item, context)) ports.push({ port, at: item });
  }
  const seen = new Map<string, Port>();
  for (const { port, at } of ports) {
    const key = [port.protocol, port.hostPort ?? `any for ${port.containerPort}`, port.hostIp].join(" ");
    const other = seen.get(key);
    if (other !== undefined && other.containerPort !== port.containerPort) {
      fields.fault(at, "conflict", `Port ${port.hostPort} of the node is published twice by this service.`);
    }
    seen.set(key, port);
  }
  return [...seen.values()].sort(byPort);
}

function byPort(a: Port, b: Port): number {
  return (
    a.containerPort - b.containerPort ||
    compareText(a.protocol, b.protocol) ||
    (a.hostPort ?? 0) - (b.hostPort ?? 0) ||
    compareText(a.hostIp, b.hostIp)
  );
}

function shortPort(item: Spot, { fields }: Context): ShortPort | null {
  const text = fields.asText(item);
  if (text === null) return null;
  // "22:22" without quotes was a number in base 60 to YAML 1.1; to the YAML read here it is text.
  return splitPort(text);
}

function longPort(item: MapSpot, spreads: boolean, { fields }: Context): ShortPort | null {
  const target = fields.text(item, "target");
  const mode = fields.oneOf(item, "mode", ["host", "ingress"]);
  fields.text(item, "name");
  fields.text(item, "app_protocol");
  if (mode === "ingress" && spreads) {
    fields.notes.warning(
      placeOf(item.tree, `${item.path}.mode`),
      "key-without-effect",
      "`mode: ingress` balances over all nodes in Swarm; here a port is published on the nodes that run the service.",
      "Write `mode: host`, or remove it.",
    );
  }
  const published = fields.text(item, "published");
  const hostIp = fields.text(item, "host_ip") ?? "";
  const protocol = fields.oneOf(item, "protocol", PROTOCOLS) ?? "tcp";
  if (target !== null) return { hostIp, published: published === "" ? null : published, target, protocol };
  if (!item.tree.entries.has("target")) {
    fields.fault(item, "key-missing", "A port needs `target`: the port in the container.");
  }
  return null;
}

function expand(short: ShortPort, at: Spot, { fields }: Context): Port[] {
  const bad = (message: string): Port[] => {
    fields.fault(at, "value-invalid", message, EXAMPLE);
    return [];
  };
  const protocol = PROTOCOLS.find((known) => known === short.protocol);
  if (protocol === undefined) return bad("A port's protocol is tcp, udp or sctp.");
  const target = parsePortRange(short.target);
  if (target === null) return bad("This is not a port: ports go from 1 to 65535.");
  if (!isAddress(short.hostIp)) return bad("What stands before the ports must be an IP address of the node.");
  const published = short.published === null ? null : parsePortRange(short.published);
  if (published === null && short.published !== null) return bad("This is not a port: ports go from 1 to 65535.");
  const count = target.last - target.first + 1;
  if (count > MAX_PORT_RANGE) return bad(`A range may name ${MAX_PORT_RANGE} ports at most.`);
  if (published !== null && published.last - published.first + 1 !== count)
    return refuseRange(published, target, at, fields);
  return Array.from({ length: count }, (_, index) => ({
    hostPort: published === null ? null : published.first + index,
    containerPort: target.first + index,
    protocol,
    hostIp: short.hostIp,
  }));
}

function refuseRange(published: PortRange, target: PortRange, at: Spot, fields: Context["fields"]): Port[] {
  if (target.first === target.last) {
    fields.fault(
      at,
      "value-refused",
      `A range of the node's ports (${published.first}-${published.last}) for one port of the container is refused: placing needs to know the port.`,
      "Name one port, or only the container's port to let the engine choose.",
    );
  } else fields.fault(at, "value-invalid", "The two ranges of ports differ in length.", EXAMPLE);
  return [];
}

function isAddress(text: string): boolean {
  return (
    text === "" || /^\d{1,3}(\.\d{1,3}){3}$/.test(text) || (/^[0-9a-fA-F:.%\w]+$/.test(text) && text.includes(":"))
  );
}

export function compileExpose(service: MapSpot, { fields }: Context): string[] {
  const exposed = new Set<string>();
  for (const item of fields.items(service, "expose")) {
    const text = fields.asText(item);
    if (text === null) continue;
    const [range = "", protocol = "tcp", ...rest] = text.split("/");
    const ports = parsePortRange(range);
    const isKnown = PROTOCOLS.some((known) => known === protocol) && rest.length === 0;
    if (ports === null || !isKnown || ports.last - ports.first >= MAX_PORT_RANGE) {
      fields.fault(item, "value-invalid", "This is not a port to expose.", 'Write "8080" or "53/udp".');
      continue;
    }
    for (let port = ports.first; port <= ports.last; port++) exposed.add(`${port}/${protocol}`);
  }
  return [...exposed].sort(compareText);
}
