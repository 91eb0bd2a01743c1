// `volumes` and `tmpfs` of a service, short and long, and the top-level `volumes`.
// It must never turn a path of the operator's machine into one of a node: relative paths are refused.
import type { AppVolume } from "@skerry/shared/model/app.ts";
import type { Mount } from "@skerry/shared/model/container.ts";
import type { AppName } from "@skerry/shared/model/ids.ts";
import { scopedName } from "@skerry/shared/model/names.ts";
import type { Context } from "./context.ts";
import { ownLabels } from "./environment.ts";
import { entriesOf, type Fields, type MapSpot, type Spot } from "./fields.ts";
import { compareText, didYouMean } from "./problem.ts";
import { placeOf } from "./tree.ts";
import { parseBytes, parseFileMode, splitVolume } from "./values.ts";

const PROPAGATIONS = ["private", "rprivate", "shared", "rshared", "slave", "rslave"] as const;
type Propagation = (typeof PROPAGATIONS)[number];

export interface CompiledMounts {
  /** Sorted by target. */
  readonly mounts: Mount[];
  /** Keys of the top-level volumes used, sorted. */
  readonly volumeKeys: string[];
}

export function compileMounts(service: MapSpot, context: Context): CompiledMounts {
  const { fields } = context;
  const keys = new Set<string>();
  const found: { mount: Mount; at: Spot }[] = [];
  for (const item of fields.items(service, "volumes")) {
    const isLong = item.tree.kind === "map";
    const mount = isLong
      ? longMount({ ...item, tree: item.tree as MapSpot["tree"] }, keys, context)
      : shortMount(item, keys, context);
    if (mount !== null) found.push({ mount, at: item });
  }
  const list = fields.at(service, "tmpfs");
  for (const text of fields.textOrTexts(service, "tmpfs")) {
    const mount = tmpfsMount(text, list ?? service, fields);
    if (mount !== null) found.push({ mount, at: list ?? service });
  }
  const byTarget = new Map<string, Mount>();
  for (const { mount, at } of found) {
    if (!mount.target.startsWith("/")) {
      fields.fault(
        at,
        "value-invalid",
        `The path ${fields.quote(at, mount.target)} in the container must begin with "/".`,
      );
    }
    if (byTarget.has(mount.target)) {
      fields.fault(at, "conflict", `Two mounts of this service have the same path, ${fields.quote(at, mount.target)}.`);
    }
    byTarget.set(mount.target, mount);
  }
  const mounts = [...byTarget.values()].sort((a, b) => compareText(a.target, b.target));
  return { mounts, volumeKeys: [...keys].sort(compareText) };
}

function isPath(source: string): boolean {
  return /^[./~\\]/.test(source) || source.includes("/");
}

/** The engine's name of a volume of the file; null, and a problem, when there is none. */
function volumeName(key: string, at: Spot, keys: Set<string>, { fields, volumes }: Context): string | null {
  const volume = volumes.get(key);
  if (volume !== undefined) {
    keys.add(key);
    return volume.engineName;
  }
  const shown = fields.quote(at, key);
  const hint = didYouMean(key, volumes.keys()) || `Add it at the top level: \`volumes: { ${shown}: {} }\`.`;
  return fields.fault(at, "reference-unknown", `The volume \`${shown}\` is not declared in this file.`, hint);
}

function checkBindSource(source: string, at: Spot, fields: Fields): string | null {
  if (source.startsWith("/")) return source;
  return fields.fault(
    at,
    "value-refused",
    `The path ${fields.quote(at, source)} is refused: it is relative, and a node has no project folder.`,
    "Use a path that begins with / and exists on the nodes, or a named volume.",
  );
}

function shortMount(item: Spot, keys: Set<string>, context: Context): Mount | null {
  const { fields } = context;
  const text = fields.asText(item);
  if (text === null) return null;
  const short = splitVolume(text);
  if (typeof short === "string") {
    const hint = "Write NAME:/path, /on/the/node:/path or /path, and :ro behind it.";
    return fields.fault(item, "value-invalid", `This is not a volume: ${short}.`, hint);
  }
  const options = readOptions(short.options, item, fields);
  if (options === null) return null;
  const { readOnly, noCopy, propagation } = options;
  if (short.source === null)
    return { kind: "volume", source: null, target: short.target, readOnly, noCopy, subpath: null };
  if (isPath(short.source)) {
    const source = checkBindSource(short.source, item, fields);
    // The short form makes a missing folder, as Compose says.
    return source === null
      ? null
      : { kind: "bind", source, target: short.target, readOnly, propagation, createHostPath: true };
  }
  const source = volumeName(short.source, item, keys, context);
  return source === null ? null : { kind: "volume", source, target: short.target, readOnly, noCopy, subpath: null };
}

interface Options {
  readonly readOnly: boolean;
  readonly noCopy: boolean;
  readonly propagation: Propagation | null;
}

function readOptions(options: readonly string[], at: Spot, fields: Fields): Options | null {
  let readOnly = false;
  let noCopy = false;
  let propagation: Propagation | null = null;
  for (const option of options) {
    const spread = PROPAGATIONS.find((known) => known === option);
    if (option === "ro") readOnly = true;
    else if (option === "rw") readOnly = false;
    else if (option === "nocopy") noCopy = true;
    else if (spread !== undefined) propagation = spread;
    else if (["cached", "delegated", "consistent"].includes(option)) tellConsistency(at, fields);
    else if (option === "z" || option === "Z") {
      const hint = "Remove it; label the folder on the node with `chcon`, or use a named volume.";
      return fields.fault(
        at,
        "value-refused",
        `The option \`${option}\` (SELinux) is refused: it is not built yet.`,
        hint,
      );
    } else
      return fields.fault(
        at,
        "value-invalid",
        `There is no volume option \`${fields.quote(at, option)}\`.`,
        didYouMean(option, ["ro", "rw", "nocopy"]),
      );
  }
  return { readOnly, noCopy, propagation };
}

function tellConsistency(at: Spot, fields: Fields): void {
  const message = "A volume's consistency means something to Docker Desktop only: it has no effect on a node.";
  fields.notes.warning(placeOf(at.tree, at.path), "key-without-effect", message, "Remove it.");
}

function longMount(item: MapSpot, keys: Set<string>, context: Context): Mount | null {
  const { fields } = context;
  const type = fields.text(item, "type");
  const target = fields.text(item, "target");
  const readOnly = fields.boolean(item, "read_only") ?? false;
  if (fields.at(item, "consistency") !== null) {
    fields.oneOf(item, "consistency", ["consistent", "cached", "delegated"]);
    tellConsistency(item, fields);
  }
  for (const part of ["bind", "volume", "tmpfs"]) {
    if (part !== type && item.tree.entries.has(part)) {
      fields.fault(item, "conflict", `\`${part}\` belongs to a mount of type ${part}; this one is another type.`);
    }
  }
  for (const key of ["type", "target"]) {
    if (!item.tree.entries.has(key)) fields.fault(item, "key-missing", `A volume in the long form needs \`${key}\`.`);
  }
  if (target === null || type === null) return null;
  switch (type) {
    case "bind":
      return longBind(item, target, readOnly, fields);
    case "volume":
      return longVolume(item, target, readOnly, keys, context);
    case "tmpfs":
      return longTmpfs(item, target, readOnly, fields);
    case "cluster":
    case "npipe":
    case "image": {
      const why = type === "npipe" ? "it has a meaning on Windows only" : "it is not built yet";
      return fields.fault(
        item,
        "value-refused",
        `A mount of type ${type} is refused: ${why}.`,
        "Use volume, bind or tmpfs.",
      );
    }
    default: {
      const hint = didYouMean(type, ["volume", "bind", "tmpfs"]);
      return fields.fault(item, "value-invalid", "A mount's `type` is volume, bind or tmpfs.", hint);
    }
  }
}

function longBind(item: MapSpot, target: string, readOnly: boolean, fields: Fields): Mount | null {
  const written = fields.text(item, "source");
  const bind = fields.map(item, "bind");
  const propagation = bind === null ? null : fields.oneOf(bind, "propagation", PROPAGATIONS);
  const createHostPath = (bind === null ? null : fields.boolean(bind, "create_host_path")) ?? true;
  if (written === null) return fields.fault(item, "key-missing", "A bind mount needs `source`: a path on the node.");
  const source = checkBindSource(written, fields.at(item, "source") ?? item, fields);
  return source === null ? null : { kind: "bind", source, target, readOnly, propagation, createHostPath };
}

function longVolume(
  item: MapSpot,
  target: string,
  readOnly: boolean,
  keys: Set<string>,
  context: Context,
): Mount | null {
  const { fields } = context;
  const key = fields.text(item, "source");
  const volume = fields.map(item, "volume");
  const noCopy = (volume === null ? null : fields.boolean(volume, "nocopy")) ?? false;
  const subpath = volume === null ? null : fields.text(volume, "subpath");
  if (key === null) return { kind: "volume", source: null, target, readOnly, noCopy, subpath };
  const source = volumeName(key, fields.at(item, "source") ?? item, keys, context);
  return source === null ? null : { kind: "volume", source, target, readOnly, noCopy, subpath };
}

function longTmpfs(item: MapSpot, target: string, readOnly: boolean, fields: Fields): Mount | null {
  if (fields.at(item, "source") !== null) fields.fault(item, "conflict", "A tmpfs has no `source`.");
  const tmpfs = fields.map(item, "tmpfs");
  const sizeBytes = tmpfs === null ? null : fields.bytes(tmpfs, "size");
  const written = tmpfs === null ? null : fields.text(tmpfs, "mode");
  const mode = written === null ? null : parseFileMode(written);
  if (written !== null && mode === null)
    fields.fault(item, "value-invalid", "`mode` needs an octal file mode, such as 0755.");
  return { kind: "tmpfs", target, sizeBytes, mode, readOnly };
}

/** The engine mounts every tmpfs with these anyway. */
const TMPFS_ALWAYS: ReadonlySet<string> = new Set(["rw", "noexec", "nosuid", "nodev"]);

/** `/run` or `/run:size=64m,mode=1777`. */
function tmpfsMount(text: string, at: Spot, fields: Fields): Mount | null {
  const [target = "", written = "", ...rest] = text.split(":");
  if (rest.length > 0)
    return fields.fault(at, "value-invalid", "This is not a tmpfs.", "Write /path or /path:size=64m.");
  let sizeBytes: number | null = null;
  let mode: number | null = null;
  let readOnly = false;
  for (const option of written === "" ? [] : written.split(",")) {
    const [name = "", value = ""] = option.split("=");
    if (name === "size") sizeBytes = parseBytes(value);
    else if (name === "mode") mode = parseFileMode(value);
    if ((name === "size" && sizeBytes === null) || (name === "mode" && mode === null)) {
      return fields.fault(
        at,
        "value-invalid",
        `The tmpfs option \`${name}\` cannot be read.`,
        "Write size=64m, mode=1777.",
      );
    }
    if (name === "ro") readOnly = true;
    else if (name !== "size" && name !== "mode" && !TMPFS_ALWAYS.has(option)) {
      const hint = "Known: size, mode, ro, rw, noexec, nosuid, nodev.";
      return fields.fault(
        at,
        "value-refused",
        `The tmpfs option \`${fields.quote(at, name)}\` is refused: it is not built yet.`,
        hint,
      );
    }
  }
  return { kind: "tmpfs", target, sizeBytes, mode, readOnly };
}

/** Top-level `volumes`, by key. */
export function compileVolumes(root: MapSpot, app: AppName, fields: Fields): Map<string, AppVolume> {
  const volumes = new Map<string, AppVolume>();
  const map = fields.map(root, "volumes");
  for (const { key, at } of map === null ? [] : entriesOf(map)) {
    const spot = asOptionalMap(at, fields);
    if (spot === null || !isResourceKey(key, at, fields)) continue;
    const { external, externalName } = readExternal(spot, ["driver", "driver_opts", "labels"], fields);
    const own = external ? key : scopedName(app, key);
    const volume: AppVolume = {
      key,
      engineName: engineName(spot, externalName ?? own, fields),
      external,
      driver: fields.text(spot, "driver"),
      driverOptions: fields.record(spot, "driver_opts"),
      labels: ownLabels(spot, "labels", { fields }),
    };
    volumes.set(key, volume);
  }
  return volumes;
}

/** `data:` alone is an empty map. */
export function asOptionalMap(at: Spot, fields: Fields): MapSpot | null {
  if (at.tree.kind === "scalar" && at.tree.type === "null") {
    return { tree: { kind: "map", entries: new Map(), line: at.tree.line, column: at.tree.column }, path: at.path };
  }
  return fields.asMap(at);
}

const ENGINE_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/;

/** `name`, or what is made up without it. */
export function engineName(spot: MapSpot, otherwise: string, fields: Fields): string {
  const name = fields.text(spot, "name");
  if (name !== null && !ENGINE_NAME.test(name)) {
    const at = fields.at(spot, "name") ?? spot;
    fields.fault(
      at,
      "value-invalid",
      "A name has letters, digits, `_`, `.` and `-`, and begins with a letter or digit.",
    );
  }
  return name ?? otherwise;
}

export function isResourceKey(key: string, at: Spot, fields: Fields): boolean {
  if (/^[a-zA-Z0-9._-]+$/.test(key) && key.length <= 200) return true;
  fields.fault(at, "value-invalid", `The name ${JSON.stringify(key)} may hold letters, digits, ".", "_" and "-" only.`);
  return false;
}

/** `external: true`, or the older `external: { name: X }`. What exists already cannot be given settings. */
export function readExternal(
  spot: MapSpot,
  settings: readonly string[],
  fields: Fields,
): { external: boolean; externalName: string | null } {
  const at = fields.at(spot, "external");
  if (at === null) return { external: false, externalName: null };
  const old = at.tree.kind === "map" ? { tree: at.tree, path: at.path } : null;
  const external = old !== null || (fields.boolean(spot, "external") ?? false);
  const externalName = old === null ? null : fields.text(old, "name");
  const set = settings.find((key) => spot.tree.entries.has(key));
  if (external && set !== undefined) {
    fields.fault(at, "conflict", `With \`external\`, \`${set}\` cannot be set: it exists already, made by others.`);
  }
  return { external, externalName };
}
