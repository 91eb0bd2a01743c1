// Top-level `networks`, and how a service is attached to them. A network lives on one node: names resolve among its containers.
// It must never attach a service to a network that the file does not give it.
import type { AppNetwork } from "@skerry/shared/model/app.ts";
import type { NetworkAttachment } from "@skerry/shared/model/container.ts";
import type { AppName } from "@skerry/shared/model/ids.ts";
import { scopedName } from "@skerry/shared/model/names.ts";
import type { Context } from "./context.ts";
import { ownLabels } from "./environment.ts";
import { entriesOf, type Fields, type MapSpot, type Spot } from "./fields.ts";
import { asOptionalMap, engineName, isResourceKey, readExternal } from "./mounts.ts";
import { compareText, didYouMean } from "./problem.ts";

const SETTINGS = ["driver", "driver_opts", "ipam", "internal", "enable_ipv6", "attachable", "labels"];

/** By key; `default` is always there, whether the file says something about it or not. */
export function compileNetworks(root: MapSpot, app: AppName, fields: Fields): Map<string, AppNetwork> {
  const networks = new Map<string, AppNetwork>();
  const map = fields.map(root, "networks");
  for (const { key, at } of map === null ? [] : entriesOf(map)) {
    const spot = asOptionalMap(at, fields);
    if (spot !== null && isResourceKey(key, at, fields)) networks.set(key, compileNetwork(key, spot, app, fields));
  }
  if (!networks.has("default")) networks.set("default", plainNetwork("default", scopedName(app, "default")));
  return networks;
}

function plainNetwork(key: string, name: string): AppNetwork {
  return {
    key,
    engineName: name,
    external: false,
    driver: null,
    driverOptions: {},
    internal: false,
    attachable: false,
    enableIpv6: false,
    ipam: null,
    labels: {},
  };
}

function compileNetwork(key: string, spot: MapSpot, app: AppName, fields: Fields): AppNetwork {
  const { external, externalName } = readExternal(spot, SETTINGS, fields);
  const driver = fields.text(spot, "driver");
  if (driver === "overlay") {
    const hint = "Use the default driver: each node gets a network of its own.";
    fields.fault(
      fields.at(spot, "driver") ?? spot,
      "value-refused",
      "The driver overlay is refused: it needs Swarm.",
      hint,
    );
  }
  if (driver === "host" || driver === "none") {
    const hint = `Use \`network_mode: ${driver}\` on the service.`;
    fields.fault(
      fields.at(spot, "driver") ?? spot,
      "value-refused",
      `The driver ${driver} is refused: an engine has one such network.`,
      hint,
    );
  }
  if (fields.boolean(spot, "enable_ipv4") === false) {
    const message = "`enable_ipv4: false` is refused: the oldest Docker Engine that Skerry supports does not know it.";
    fields.fault(fields.at(spot, "enable_ipv4") ?? spot, "value-refused", message, "Remove it.");
  }
  return {
    key,
    engineName: engineName(spot, externalName ?? (external ? key : scopedName(app, key)), fields),
    external,
    driver,
    driverOptions: fields.record(spot, "driver_opts"),
    internal: fields.boolean(spot, "internal") ?? false,
    attachable: fields.boolean(spot, "attachable") ?? false,
    enableIpv6: fields.boolean(spot, "enable_ipv6") ?? false,
    ipam: compileIpam(spot, fields),
    labels: ownLabels(spot, "labels", { fields }),
  };
}

function compileIpam(spot: MapSpot, fields: Fields): AppNetwork["ipam"] {
  const ipam = fields.map(spot, "ipam");
  if (ipam === null) return null;
  const configs = [];
  for (const item of fields.items(ipam, "config")) {
    const config = fields.asMap(item);
    if (config === null) continue;
    configs.push({
      subnet: fields.text(config, "subnet"),
      gateway: fields.text(config, "gateway"),
      ipRange: fields.text(config, "ip_range"),
      auxAddresses: fields.record(config, "aux_addresses"),
    });
  }
  return { driver: fields.text(ipam, "driver"), configs, options: fields.record(ipam, "options") };
}

export interface CompiledAttachments {
  readonly mode: "networks" | "host" | "none" | "bridge";
  /** Sorted by the network's name. */
  readonly attachments: NetworkAttachment[];
  /** Keys of the top-level networks used, sorted. */
  readonly networkKeys: string[];
}

export function compileAttachments(name: string, service: MapSpot, context: Context): CompiledAttachments {
  const { fields } = context;
  const mode = networkMode(service, context);
  if (mode !== "networks") {
    if (fields.at(service, "networks") !== null) {
      const at = fields.at(service, "network_mode") ?? service;
      fields.fault(at, "conflict", "`network_mode` and `networks` exclude each other.", "Keep one of them.");
    }
    return { mode, attachments: [], networkKeys: [] };
  }
  const found = new Map<string, NetworkAttachment>();
  for (const { key, at, settings } of attachedNetworks(service, fields)) {
    const network = context.networks.get(key);
    if (network === undefined) {
      const hint =
        didYouMean(key, context.networks.keys()) ||
        `Add it at the top level: \`networks: { ${fields.quote(at, key)}: {} }\`.`;
      fields.fault(
        at,
        "reference-unknown",
        `The network \`${fields.quote(at, key)}\` is not declared in this file.`,
        hint,
      );
    } else found.set(key, attach(name, network, settings, fields));
  }
  const sorted = [...found].sort(([, a], [, b]) => compareText(a.network, b.network));
  const attachments = withServiceMac(
    service,
    sorted.map(([, attachment]) => attachment),
    fields,
  );
  return { mode, attachments, networkKeys: [...found.keys()].sort(compareText) };
}

function networkMode(service: MapSpot, { fields }: Context): CompiledAttachments["mode"] {
  const at = fields.at(service, "network_mode");
  if (at === null) return "networks";
  const text = fields.asText(at) ?? "";
  if (text === "host" || text === "none" || text === "bridge") return text;
  if (/^(service|container):/.test(text)) {
    const hint = "Put both services on one network; they reach each other by name.";
    fields.fault(at, "value-refused", "Sharing another container's network is refused: it is not built yet.", hint);
  } else if (text !== "")
    fields.fault(
      at,
      "value-invalid",
      "`network_mode` needs host, none or bridge.",
      didYouMean(text, ["host", "none", "bridge"]),
    );
  return "networks";
}

interface Attached {
  readonly key: string;
  readonly at: Spot;
  readonly settings: MapSpot | null;
}

function attachedNetworks(service: MapSpot, fields: Fields): Attached[] {
  const at = fields.at(service, "networks");
  const fallback: Attached = { key: "default", at: service, settings: null };
  if (at === null) return [fallback];
  if (at.tree.kind === "list") {
    const named = fields.items(service, "networks").flatMap((item) => {
      const key = fields.asText(item);
      return key === null ? [] : [{ key, at: item, settings: null }];
    });
    return named.length === 0 ? [fallback] : named;
  }
  const map = fields.asMap(at);
  if (map === null) return [];
  const named = entriesOf(map).map((entry) => ({ ...entry, settings: asOptionalMap(entry.at, fields) }));
  return named.length === 0 ? [fallback] : named;
}

function attach(name: string, network: AppNetwork, settings: MapSpot | null, fields: Fields): NetworkAttachment {
  const plain = { network: network.engineName, ipv4Address: null, ipv6Address: null, macAddress: null };
  if (settings === null) return { ...plain, aliases: [name], linkLocalIps: [], priority: null };
  return {
    ...plain,
    aliases: [...new Set([name, ...fields.texts(settings, "aliases").sort(compareText)])],
    ipv4Address: fields.text(settings, "ipv4_address"),
    ipv6Address: fields.text(settings, "ipv6_address"),
    macAddress: fields.text(settings, "mac_address"),
    linkLocalIps: fields.texts(settings, "link_local_ips"),
    priority: fields.integer(settings, "priority", Number.MIN_SAFE_INTEGER),
  };
}

/** The service's own `mac_address` is for the network with the highest priority. */
function withServiceMac(service: MapSpot, attachments: NetworkAttachment[], fields: Fields): NetworkAttachment[] {
  const macAddress = fields.text(service, "mac_address");
  if (macAddress === null) return attachments;
  const [first] = attachments.toSorted((a, b) => (b.priority ?? 0) - (a.priority ?? 0));
  return attachments.map((attachment) => (attachment === first ? { ...attachment, macAddress } : attachment));
}
