// One service's container: every key that ends in ContainerSpec, read part by part.
// It must never leave a field to chance: what the file does not say has the value of `defaultContainerSpec`.
import { type ContainerSpec, type Dependency, defaultContainerSpec } from "@skerry/shared/model/container.ts";
import type { ServiceName } from "@skerry/shared/model/ids.ts";
import type { Context } from "./context.ts";
import { compileRestart } from "./deploy.ts";
import { compileEnvironment, compileLabels } from "./environment.ts";
import { entriesOf, type Fields, type MapSpot, type Spot } from "./fields.ts";
import { compileFiles } from "./files.ts";
import { compileHealthcheck, compileLogging } from "./health.ts";
import { compileMounts } from "./mounts.ts";
import { compileAttachments } from "./networks.ts";
import { compileExpose, compilePorts } from "./ports.ts";
import { compareText, didYouMean } from "./problem.ts";
import { type CompiledResources, compileResources } from "./resources.ts";
import { placeOf } from "./tree.ts";
import { splitCommand } from "./values.ts";

export interface CompiledContainer {
  readonly spec: ContainerSpec;
  readonly resources: CompiledResources;
  readonly networkKeys: readonly string[];
  readonly volumeKeys: readonly string[];
}

/** `spreads`: copies may run on several nodes. */
export function compileContainer(
  name: string,
  service: MapSpot,
  spreads: boolean,
  context: Context,
): CompiledContainer {
  const { fields } = context;
  const { mounts, volumeKeys } = compileMounts(service, context);
  const { mode, attachments, networkKeys } = compileAttachments(name, service, context);
  const resources = compileResources(service, fields);
  const ports = compilePorts(service, spreads, context);
  if (mode === "host" && ports.length > 0) {
    const at = fields.at(service, "ports") ?? service;
    fields.fault(at, "conflict", "With `network_mode: host` there is nothing to publish.", "Remove `ports`.");
  }
  const spec: ContainerSpec = {
    ...defaultContainerSpec,
    ...resources.container,
    ...compileIdentity(service, fields),
    ...compileIsolation(service, fields),
    image: compileImage(service, fields),
    pullPolicy: compilePullPolicy(service, fields),
    environment: compileEnvironment(service, context),
    labels: compileLabels(service, context),
    annotations: fields.record(service, "annotations"),
    ports,
    exposedPorts: compileExpose(service, context),
    mounts,
    networkMode: mode,
    networks: attachments,
    extraHosts: compileExtraHosts(service, fields),
    dns: fields.textOrTexts(service, "dns"),
    dnsOptions: fields.texts(service, "dns_opt"),
    dnsSearch: fields.textOrTexts(service, "dns_search"),
    healthcheck: compileHealthcheck(service, fields),
    restart: compileRestart(service, fields),
    dependsOn: compileDependencies(name, service, context),
    logging: compileLogging(service, fields),
    files: compileFiles(
      service,
      mounts.map(({ target }) => target),
      context,
    ),
  };
  return { spec, resources, networkKeys, volumeKeys };
}

/** A reference as registries know it: [HOST[:PORT]/]path[:tag][@digest]; or a bare image id. */
const IMAGE =
  /^(?:[a-zA-Z0-9.-]+(?::\d+)?\/|\[[0-9a-fA-F:]+\](?::\d+)?\/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;
const IMAGE_ID = /^sha256:[0-9a-f]{64}$/;

function compileImage(service: MapSpot, fields: Fields): string {
  const at = fields.at(service, "image");
  if (at === null) {
    // With `build` the refusal of that key says what to do.
    if (!service.tree.entries.has("build") && !service.tree.entries.has("provider")) {
      fields.fault(service, "key-missing", "The service has no `image`.", "Name one: image: registry.example/app:1.0");
    }
    return "";
  }
  const image = fields.asText(at) ?? "";
  if (image.length < 300 && (IMAGE.test(image) || IMAGE_ID.test(image))) return image;
  const hint =
    image !== image.toLowerCase() ? "Image names are in lower case." : "Write registry.example/path/name:tag.";
  if (fields.asText(at) !== null)
    fields.fault(
      at,
      "value-invalid",
      `${JSON.stringify(fields.quote(at, image.slice(0, 80)))} is not an image's name.`,
      hint,
    );
  return image;
}

function compilePullPolicy(service: MapSpot, fields: Fields): ContainerSpec["pullPolicy"] {
  const at = fields.at(service, "pull_policy");
  const text = at === null ? null : fields.asText(at);
  if (at === null || text === null || text === "missing" || text === "if_not_present") return "missing";
  if (text === "always" || text === "never") return text;
  if (text === "build" || /^(daily|weekly|refresh|every_.*)$/.test(text)) {
    const why = text === "build" ? "nodes do not build" : "images are not refreshed by the clock";
    fields.fault(
      at,
      "value-refused",
      `\`pull_policy: ${fields.quote(at, text)}\` is refused: ${why}.`,
      "Use always, missing or never.",
    );
  } else {
    const hint = didYouMean(text, ["always", "missing", "never", "if_not_present"]);
    fields.fault(at, "value-invalid", "`pull_policy` needs always, missing or never.", hint);
  }
  return "missing";
}

type IdentityKey =
  | "platform"
  | "entrypoint"
  | "command"
  | "workingDir"
  | "user"
  | "hostname"
  | "domainname"
  | "init"
  | "tty"
  | "stdinOpen"
  | "readOnlyRootfs"
  | "privileged"
  | "stopSignal"
  | "stopGraceMs";

function compileIdentity(service: MapSpot, fields: Fields): Pick<ContainerSpec, IdentityKey> {
  if (fields.boolean(service, "attach") === true) {
    const at = fields.at(service, "attach") ?? service;
    const message = "`attach: true` has no effect: logs are shown when you ask for them.";
    fields.notes.warning(placeOf(at.tree, at.path), "key-without-effect", message, "Remove it.");
  }
  return {
    platform: matching(
      service,
      "platform",
      /^[a-z0-9]+\/[a-z0-9_]+(\/[a-z0-9.]+)?$/,
      "a platform, such as linux/arm64",
      fields,
    ),
    entrypoint: compileCommand(service, "entrypoint", fields),
    command: compileCommand(service, "command", fields),
    workingDir: fields.text(service, "working_dir"),
    user: fields.text(service, "user"),
    hostname: matching(service, "hostname", /^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,251}[a-zA-Z0-9])?$/, "a host name", fields),
    domainname: fields.text(service, "domainname"),
    init: fields.boolean(service, "init"),
    tty: fields.boolean(service, "tty") ?? false,
    stdinOpen: fields.boolean(service, "stdin_open") ?? false,
    readOnlyRootfs: fields.boolean(service, "read_only") ?? false,
    privileged: fields.boolean(service, "privileged") ?? false,
    stopSignal: matching(
      service,
      "stop_signal",
      /^(SIG[A-Z0-9+-]{2,10}|[A-Z][A-Z0-9]{1,9}|\d{1,2})$/,
      "a signal, such as SIGTERM",
      fields,
    ),
    stopGraceMs: fields.durationMs(service, "stop_grace_period"),
  };
}

function matching(service: MapSpot, key: string, pattern: RegExp, wanted: string, fields: Fields): string | null {
  const text = fields.text(service, key);
  if (text === null || pattern.test(text)) return text;
  return fields.fault(fields.at(service, key) ?? service, "value-invalid", `\`${key}\` needs ${wanted}.`);
}

/** Text is split into words as a shell would; [] says that the image's own is not wanted. */
function compileCommand(service: MapSpot, key: string, fields: Fields): string[] | null {
  const at = fields.at(service, key);
  if (at === null) return null;
  if (at.tree.kind === "list") return fields.texts(service, key);
  const line = fields.asText(at);
  if (line === null) return null;
  return (
    splitCommand(line) ??
    fields.fault(at, "value-invalid", `\`${key}\` has a quote that is not closed.`, "Write it as a list.")
  );
}

type IsolationKey =
  | "groupAdd"
  | "sysctls"
  | "devices"
  | "deviceCgroupRules"
  | "capAdd"
  | "capDrop"
  | "securityOpt"
  | "cgroup"
  | "cgroupParent"
  | "ipcMode"
  | "pidMode"
  | "utsMode"
  | "usernsMode"
  | "isolation"
  | "runtime"
  | "storageOpt";

function compileIsolation(service: MapSpot, fields: Fields): Pick<ContainerSpec, IsolationKey> {
  return {
    groupAdd: uniqueSorted(fields.texts(service, "group_add")),
    sysctls: fields.record(service, "sysctls"),
    devices: compileDevices(service, fields),
    deviceCgroupRules: fields.texts(service, "device_cgroup_rules"),
    capAdd: compileCapabilities(service, "cap_add", fields),
    capDrop: compileCapabilities(service, "cap_drop", fields),
    securityOpt: compileSecurityOpt(service, fields),
    cgroup: fields.oneOf(service, "cgroup", ["host", "private"]),
    cgroupParent: fields.text(service, "cgroup_parent"),
    ipcMode: namespace(service, "ipc", ["private", "host", "shareable", "none"], fields),
    pidMode: namespace(service, "pid", ["host"], fields),
    utsMode: namespace(service, "uts", ["host"], fields),
    usernsMode: namespace(service, "userns_mode", ["host"], fields),
    isolation: namespace(service, "isolation", ["default"], fields),
    runtime: fields.text(service, "runtime"),
    storageOpt: fields.record(service, "storage_opt"),
  };
}

/** The order of a set means nothing, so changing it must not replace a container. */
function uniqueSorted(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort(compareText);
}

function namespace(service: MapSpot, key: string, choices: readonly string[], fields: Fields): string | null {
  const at = fields.at(service, key);
  const text = at === null ? null : fields.asText(at);
  if (at === null || text === null || choices.includes(text)) return text;
  if (/^(service|container):/.test(text)) {
    return fields.fault(at, "value-refused", `\`${key}\` of another container is refused: it is not built yet.`);
  }
  return fields.fault(at, "value-invalid", `\`${key}\` needs ${choices.join(", ")}.`, didYouMean(text, choices));
}

function compileCapabilities(service: MapSpot, key: string, fields: Fields): string[] {
  const names: string[] = [];
  for (const item of fields.items(service, key)) {
    const name = fields.asText(item)?.toUpperCase() ?? null;
    if (name === null) continue;
    if (/^[A-Z_]{2,40}$/.test(name)) names.push(name);
    else fields.fault(item, "value-invalid", "This is not a capability.", "Write NET_ADMIN, or ALL.");
  }
  return uniqueSorted(names);
}

function compileSecurityOpt(service: MapSpot, fields: Fields): string[] {
  const options: string[] = [];
  for (const item of fields.items(service, "security_opt")) {
    const text = fields.asText(item);
    if (text === null) continue;
    // `no-new-privileges:true` is the older way to write it with "=".
    const [name = "", value = null] = splitOnce(text, /[=:]/);
    if (name === "seccomp" && value !== "unconfined" && value !== "builtin") {
      const hint = "Use seccomp=unconfined, or the engine's own profile by leaving it out.";
      fields.fault(
        item,
        "value-refused",
        "A seccomp profile in a file is refused: a node has no project folder.",
        hint,
      );
    } else if (!["seccomp", "apparmor", "label", "no-new-privileges", "credentialspec"].includes(name)) {
      const hint = didYouMean(name, ["seccomp", "apparmor", "label", "no-new-privileges"]);
      fields.fault(
        item,
        "value-refused",
        `The security option \`${fields.quote(item, name)}\` is refused: Skerry does not know it.`,
        hint,
      );
    } else options.push(value === null ? name : `${name}=${value}`);
  }
  return uniqueSorted(options);
}

function splitOnce(text: string, separator: RegExp): [string, string | null] {
  const at = text.search(separator);
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
}

function compileDevices(service: MapSpot, fields: Fields): ContainerSpec["devices"] {
  const devices: ContainerSpec["devices"] = [];
  for (const item of fields.items(service, "devices")) {
    const device =
      item.tree.kind === "map" ? longDevice({ ...item, tree: item.tree }, fields) : shortDevice(item, fields);
    if (device === null) continue;
    if (!device.host.startsWith("/") || !device.container.startsWith("/")) {
      const hint = "Write /dev/ttyUSB0 or /dev/ttyUSB0:/dev/modem:rw.";
      fields.fault(item, "value-invalid", "A device is a path on the node that begins with /.", hint);
    } else if (!/^[rwm]{1,3}$/.test(device.permissions)) {
      fields.fault(item, "value-invalid", "A device's permissions are made of r, w and m.");
    } else devices.push(device);
  }
  return devices.sort((a, b) => compareText(a.container, b.container));
}

function shortDevice(item: Spot, fields: Fields): ContainerSpec["devices"][number] | null {
  const text = fields.asText(item);
  if (text === null) return null;
  const [host = "", second, third] = text.split(":");
  const isPermissions = second !== undefined && third === undefined && /^[rwm]{1,3}$/.test(second);
  const container = second === undefined || isPermissions ? host : second;
  return { host, container, permissions: (isPermissions ? second : third) ?? "rwm" };
}

function longDevice(item: MapSpot, fields: Fields): ContainerSpec["devices"][number] | null {
  const host = fields.text(item, "source");
  const container = fields.text(item, "target");
  const permissions = fields.text(item, "permissions") ?? "rwm";
  if (host === null) return fields.fault(item, "key-missing", "A device needs `source`: its path on the node.");
  return { host, container: container ?? host, permissions };
}

/** `name:address` for the engine; an address in brackets loses them. */
function compileExtraHosts(service: MapSpot, fields: Fields): string[] {
  const at = fields.at(service, "extra_hosts");
  if (at === null) return [];
  const hosts: { name: string; address: string | null; at: Spot }[] = [];
  if (at.tree.kind === "map") {
    const map: MapSpot = { tree: at.tree, path: at.path };
    for (const entry of entriesOf(map)) {
      for (const address of fields.textOrTexts(map, entry.key)) hosts.push({ name: entry.key, address, at: entry.at });
    }
  } else {
    for (const item of fields.items(service, "extra_hosts")) {
      const text = fields.asText(item);
      if (text === null) continue;
      const [name, address] = splitOnce(text, /[=:]/);
      hosts.push({ name, address, at: item });
    }
  }
  return hosts.flatMap((host) => {
    const address = host.address?.replace(/^\[(.*)\]$/, "$1") ?? "";
    if (host.name !== "" && /^(host-gateway|[0-9a-fA-F:.]+)$/.test(address)) return [`${host.name}:${address}`];
    fields.fault(host.at, "value-invalid", "An extra host needs a name and an address.", 'Write "broker=192.0.2.7".');
    return [];
  });
}

const CONDITIONS = ["service_started", "service_healthy", "service_completed_successfully"] as const;

function compileDependencies(name: string, service: MapSpot, context: Context): Dependency[] {
  const { fields } = context;
  const at = fields.at(service, "depends_on");
  if (at === null) return [];
  const dependencies: Dependency[] = [];
  const add = (other: string, where: Spot, settings: MapSpot | null): void => {
    const condition = settings === null ? null : fields.oneOf(settings, "condition", CONDITIONS);
    const restart = (settings === null ? null : fields.boolean(settings, "restart")) ?? false;
    const required = (settings === null ? null : fields.boolean(settings, "required")) ?? true;
    if (!isDependency(name, other, required, where, context)) return;
    // Names of services were checked when the services were read.
    dependencies.push({ service: other as ServiceName, condition: condition ?? "service_started", restart, required });
  };
  if (at.tree.kind === "list") {
    for (const item of fields.items(service, "depends_on")) {
      const other = fields.asText(item);
      if (other !== null) add(other, item, null);
    }
  } else {
    const map = fields.asMap(at);
    for (const entry of map === null ? [] : entriesOf(map)) {
      const settings = fields.asMap(entry.at);
      if (settings !== null) add(entry.key, entry.at, settings);
    }
  }
  return dependencies.sort((a, b) => compareText(a.service, b.service));
}

function isDependency(name: string, other: string, required: boolean, at: Spot, context: Context): boolean {
  const { fields, allServices, activeServices } = context;
  if (other === name) {
    fields.fault(at, "conflict", "A service cannot wait for itself.");
    return false;
  }
  if (!allServices.has(other)) {
    const hint = didYouMean(other, allServices);
    fields.fault(at, "reference-unknown", `There is no service \`${fields.quote(at, other)}\` to wait for.`, hint);
    return false;
  }
  // A service whose profile is off waits for nothing: it does not run.
  if (activeServices.has(other) || !activeServices.has(name)) return activeServices.has(other);
  if (required) {
    const hint = "Switch the profile on with --profile, or say `required: false`.";
    fields.fault(at, "reference-unknown", `The service \`${other}\` is in a profile that is not switched on.`, hint);
  }
  return false;
}
