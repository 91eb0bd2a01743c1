// A Compose file's text becomes an AppSpec, or a list of everything that is wrong with it.
// It must never throw on any text, read files or the environment by itself, or ignore a key in silence.

import {
  type AppNetwork,
  type AppSpec,
  type AppVolume,
  appSpecSchema,
  type ServiceSpec,
} from "@skerry/shared/model/app.ts";
import { specHashInput } from "@skerry/shared/model/assignment-hash.ts";
import {
  type AppName,
  appNameSchema,
  type ServiceName,
  type SpecHash,
  serviceNameSchema,
} from "@skerry/shared/model/ids.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import { err, ok, type Result } from "@skerry/shared/runtime/result.ts";
import { checkKeys } from "./check-keys.ts";
import { checkCircles } from "./circles.ts";
import { compileContainer } from "./container.ts";
import type { Context } from "./context.ts";
import { compileDisconnect, compilePlacement } from "./deploy.ts";
import { resolveExtends } from "./extend.ts";
import { createFields, type Fields, type MapSpot } from "./fields.ts";
import { ANY_VALUE, compileDeclared, type ValueSource } from "./files.ts";
import { MAX_RESOURCES, MAX_SERVICES } from "./limits.ts";
import { compileVolumes } from "./mounts.ts";
import { compileNetworks } from "./networks.ts";
import { compileProbes } from "./probes.ts";
import { collectNotes, compareText, type Problem, wholeFile } from "./problem.ts";
import { parseTree, placeOf } from "./tree.ts";
import { compilePriority, compileUpdates } from "./update.ts";

export interface ComposeInput {
  /** Overrides the file's own `name`; null: the file must have one. */
  readonly name: string | null;
  readonly text: string;
  /** Contents of the files that `env_file` and `label_file` name, by the path as written in the file. */
  readonly files: Readonly<Record<string, string>>;
  /** What `$VAR` means. */
  readonly variables: Readonly<Record<string, string>>;
  /** "*" switches all of them on. */
  readonly profiles: readonly string[];
  /** What is known of secrets and configs; left out: each is taken to be there. */
  readonly values?: ValueSource;
}

export interface CompiledApp {
  readonly spec: AppSpec;
  readonly warnings: readonly Problem[];
  /** Names of the variables that the file mentions, sorted. */
  readonly usedVariables: readonly string[];
}

export function compileCompose(input: ComposeInput): Result<CompiledApp, readonly Problem[]> {
  const notes = collectNotes();
  const used = new Set<string>();
  // Compose gives the app's name to the file itself under this variable.
  const own = input.name === null ? {} : { COMPOSE_PROJECT_NAME: input.name };
  const variables = { ...input.variables, ...own };
  const tree = parseTree(input.text, { variables, used }, notes);
  if (tree === null) return err(notes.problems());
  checkKeys(tree, notes);
  const fields = createFields(notes);
  const root: MapSpot = { tree, path: "" };
  const spec = compileApp(root, { ...input, variables }, used, fields);
  if (notes.problems().length > 0 || spec === null) return err(notes.problems());
  const parsed = appSpecSchema.safeParse(spec);
  if (!parsed.success) return err(parsed.error.issues.map((issue) => outOfBounds(issue.path, issue.message, spec)));
  used.delete("COMPOSE_PROJECT_NAME");
  return ok({ spec: parsed.data, warnings: notes.warnings(), usedVariables: [...used].sort(compareText) });
}

/** What every part accepted, but is longer or larger than the model allows. */
function outOfBounds(path: readonly PropertyKey[], message: string, spec: AppSpec): Problem {
  const service = path[0] === "services" && typeof path[1] === "number" ? spec.services[path[1]]?.name : undefined;
  const where = path
    .filter((part) => typeof part === "string" && part !== "services" && part !== "container")
    .join(".");
  const at = service === undefined ? "" : `services.${service}`;
  return {
    code: "limit-exceeded",
    message: `A value is longer or larger than Skerry allows (${where}: ${message}).`,
    hint: "",
    path: at,
    line: null,
    column: null,
  };
}

function compileApp(root: MapSpot, input: ComposeInput, used: Set<string>, fields: Fields): AppSpec | null {
  if (fields.text(root, "version") !== null) {
    const at = fields.at(root, "version") ?? root;
    const message = "`version` has no meaning any more.";
    fields.notes.warning(placeOf(at.tree, "version"), "key-without-effect", message, "Remove the line.");
  }
  const app = compileName(root, input.name, fields);
  const map = fields.map(root, "services");
  if (map === null || map.tree.entries.size === 0) {
    // A `services` of the wrong kind has been told already.
    if (fields.at(root, "services") === null || map !== null) {
      fields.notes.problem(wholeFile, "key-missing", "The file has no services.", "Add `services:` with at least one.");
    }
    return null;
  }
  const services = resolveExtends(map, fields);
  const networks = compileNetworks(root, app, fields);
  const volumes = compileVolumes(root, app, fields);
  if (map.tree.entries.size > MAX_SERVICES || networks.size > MAX_RESOURCES || volumes.size > MAX_RESOURCES) {
    const most = `${MAX_SERVICES} services, ${MAX_RESOURCES} networks and ${MAX_RESOURCES} volumes`;
    fields.notes.problem(wholeFile, "limit-exceeded", `An app has at most ${most}.`, "Split it into several apps.");
    return null;
  }
  const context: Context = {
    fields,
    app,
    declared: compileDeclared(root, fields),
    values: input.values ?? ANY_VALUE,
    files: input.files,
    variables: input.variables,
    used,
    networks,
    volumes,
    allServices: new Set(map.tree.entries.keys()),
    activeServices: new Set(
      [...services].filter(([, at]) => isActive(at, input.profiles, fields)).map(([name]) => name),
    ),
  };
  return assemble(app, services, context);
}

function assemble(app: AppName, services: ReadonlyMap<string, MapSpot>, context: Context): AppSpec {
  const { fields } = context;
  const compiled: ServiceSpec[] = [];
  const networks = new Map<string, AppNetwork>();
  const volumes = new Map<string, AppVolume>();
  for (const [name, service] of services) {
    checkServiceName(name, service, fields);
    const one = compileService(name, service, context);
    // A service whose profile is off is checked like the others, and then left out.
    if (!context.activeServices.has(name)) continue;
    compiled.push(one.spec);
    for (const network of one.networks) networks.set(network.key, network);
    for (const volume of one.volumes) volumes.set(volume.key, volume);
  }
  if (compiled.length === 0) {
    const hint = "Switch a profile on with --profile.";
    fields.notes.problem(wholeFile, "key-missing", "All services are in profiles that are not switched on.", hint);
  }
  checkCircles(compiled, services, fields);
  return {
    name: app,
    services: compiled.sort((a, b) => compareText(a.name, b.name)),
    networks: [...networks.values()].sort((a, b) => compareText(a.key, b.key)),
    volumes: [...volumes.values()].sort((a, b) => compareText(a.key, b.key)),
  };
}

function compileService(
  name: string,
  service: MapSpot,
  context: Context,
): { spec: ServiceSpec; networks: AppNetwork[]; volumes: AppVolume[] } {
  const { fields } = context;
  const placement = compilePlacement(service, fields);
  const spreads = placement.mode.kind === "global" || placement.mode.replicas > 1;
  const container = compileContainer(name, service, spreads, context);
  const disconnect = compileDisconnect(service, placement.mode, container.spec.mounts, fields);
  const networks = pick(context.networks, container.networkKeys);
  const volumes = pick(context.volumes, container.volumeKeys);
  const hash = sha256Hex(specHashInput(container.spec, networks, volumes));
  const spec: ServiceSpec = {
    // Both are checked: the name by `checkServiceName`, the hash is one by construction; the whole is parsed once more.
    name: name as ServiceName,
    specHash: hash as SpecHash,
    container: container.spec,
    ...placement,
    reservedMemoryBytes: container.resources.reservedMemoryBytes,
    reservedNanoCpus: container.resources.reservedNanoCpus,
    disconnect,
    probes: compileProbes(service, container.spec.networkMode, fields),
    ...compileUpdates(service, container.spec, disconnect, fields),
    priority: compilePriority(service, fields),
  };
  return { spec, networks, volumes };
}

function pick<T>(from: ReadonlyMap<string, T>, keys: readonly string[]): T[] {
  return keys.map((key) => from.get(key)).filter((value) => value !== undefined);
}

function isActive(service: MapSpot, profiles: readonly string[], fields: Fields): boolean {
  const own = fields.texts(service, "profiles");
  return own.length === 0 || profiles.includes("*") || own.some((profile) => profiles.includes(profile));
}

/** A name that cannot be used is told once; a stand-in lets the rest of the file be checked too. */
function compileName(root: MapSpot, override: string | null, fields: Fields): AppName {
  const written = fields.text(root, "name");
  const parsed = appNameSchema.safeParse(override ?? written ?? "");
  if (parsed.success) return parsed.data;
  const hint =
    'Names have a-z, 0-9, "-" and "_", begin and end with a letter or digit, and have 63 characters at most.';
  if (override !== null) {
    fields.notes.problem(wholeFile, "value-invalid", `${JSON.stringify(override)} is not an app's name.`, hint);
  } else if (written !== null) {
    const at = fields.at(root, "name") ?? root;
    fields.fault(at, "value-invalid", `${JSON.stringify(fields.quote(at, written))} is not an app's name.`, hint);
  } else {
    const how = "Add `name: NAME` at the top of the file, or give it: skerry apply -f FILE NAME.";
    fields.notes.problem(wholeFile, "key-missing", "The app has no name.", how);
  }
  return appNameSchema.parse("unnamed");
}

function checkServiceName(name: string, service: MapSpot, fields: Fields): void {
  if (serviceNameSchema.safeParse(name).success) return;
  const hint = "Letters, digits, `.`, `_` and `-`; the first and last a letter or digit; 63 characters at most.";
  fields.fault(service, "value-invalid", `${JSON.stringify(name)} is not a service's name.`, hint);
}
