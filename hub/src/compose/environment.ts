// `environment` with `env_file`, and `labels` with `label_file`: files first, then what stands in the service itself.
// It must never read a file: their contents are given, by the path as written.
import type { Context } from "./context.ts";
import { type EnvFile, parseEnvFile } from "./env-file.ts";
import { type MapSpot, type Spot, sortedRecord } from "./fields.ts";

/** Prefix of the labels by which the agent knows its own containers, networks and volumes. */
export const OUR_LABELS = "io.skerry.";

export interface FileReference {
  readonly path: string;
  readonly required: boolean;
  readonly format: "compose" | "raw";
  readonly at: Spot;
}

export function compileEnvironment(service: MapSpot, context: Context): Record<string, string> {
  const { fields, variables, used } = context;
  const environment = new Map<string, string>();
  const take = (key: string, value: string | null): void => {
    if (value !== null) {
      environment.set(key, value);
      return;
    }
    // A name alone takes its value from around, and stays out of the container when there is none.
    used.add(key);
    const around = Object.hasOwn(variables, key) ? variables[key] : undefined;
    if (around === undefined) environment.delete(key);
    else environment.set(key, around);
  };
  for (const reference of envFiles(service, context)) {
    for (const [key, value] of readFile(reference, context)) take(key, value);
  }
  for (const { key, value, at } of fields.pairs(service, "environment")) {
    if (key === "" || key.includes(" ")) fields.fault(at, "value-invalid", "This is not a variable's name.");
    else take(key, value);
  }
  return sortedRecord(environment);
}

export function envFiles(service: MapSpot, { fields }: Context): FileReference[] {
  const list = fields.at(service, "env_file");
  if (list === null) return [];
  if (list.tree.kind === "scalar") {
    const path = fields.asText(list);
    return path === null ? [] : [{ path, required: true, format: "compose", at: list }];
  }
  const references: FileReference[] = [];
  for (const item of fields.items(service, "env_file")) {
    const map = item.tree.kind === "map" ? { tree: item.tree, path: item.path } : null;
    const path = map === null ? fields.asText(item) : fields.text(map, "path");
    if (path === null) {
      if (map !== null && !map.tree.entries.has("path")) fields.fault(item, "key-missing", "`env_file` needs `path`.");
      continue;
    }
    const format = map === null ? null : fields.oneOf(map, "format", ["raw"]);
    const required = (map === null ? null : fields.boolean(map, "required")) ?? true;
    references.push({
      path,
      required,
      format: format ?? "compose",
      at: (map === null ? null : fields.at(map, "path")) ?? item,
    });
  }
  return references;
}

function readFile(reference: FileReference, context: Context): EnvFile["entries"] {
  const { fields, files, variables, used } = context;
  const shown = fields.quote(reference.at, reference.path);
  const text = Object.hasOwn(files, reference.path) ? files[reference.path] : undefined;
  if (text === undefined) {
    if (reference.required) {
      const hint = "Put it beside the Compose file, or say `required: false`.";
      fields.fault(reference.at, "file-missing", `The file ${shown} is not there.`, hint);
    }
    return [];
  }
  const file = parseEnvFile(text, variables, reference.format);
  for (const name of file.used) used.add(name);
  for (const { line, message } of file.faults) {
    fields.fault(reference.at, "value-invalid", `${shown}, line ${line}: ${message}.`);
  }
  return file.entries;
}

export function compileLabels(service: MapSpot, context: Context): Record<string, string> {
  const { fields } = context;
  const labels = new Map<string, string>();
  for (const at of labelFiles(service, context)) {
    for (const [key, value] of readFile({ ...at, required: true, format: "compose" }, context)) {
      labels.set(key, value ?? "");
    }
  }
  if ([...labels.keys()].some((key) => key.startsWith(OUR_LABELS)))
    refuseOurs(fields.at(service, "label_file") ?? service, fields);
  for (const [key, value] of Object.entries(ownLabels(service, "labels", context))) labels.set(key, value);
  return sortedRecord(labels);
}

function refuseOurs(at: Spot, fields: Context["fields"]): void {
  const message = `A label that begins with ${OUR_LABELS} is refused: Skerry knows its own containers by these.`;
  fields.fault(at, "value-refused", message, "Rename it.");
}

/** Labels of networks and volumes are checked in the same way. */
export function ownLabels(of: MapSpot, key: string, { fields }: Pick<Context, "fields">): Record<string, string> {
  const labels: [string, string][] = [];
  for (const pair of fields.pairs(of, key)) {
    if (pair.key === "") fields.fault(pair.at, "value-invalid", "A label needs a name.");
    else if (pair.key.startsWith(OUR_LABELS)) refuseOurs(pair.at, fields);
    else labels.push([pair.key, pair.value ?? ""]);
  }
  return sortedRecord(labels);
}

function labelFiles(service: MapSpot, { fields }: Context): { path: string; at: Spot }[] {
  const list = fields.at(service, "label_file");
  if (list === null) return [];
  const spots = list.tree.kind === "list" ? fields.items(service, "label_file") : [list];
  return spots.flatMap((at) => {
    const path = fields.asText(at);
    return path === null ? [] : [{ path, at }];
  });
}
