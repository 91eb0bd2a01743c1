// `secrets` and `configs`: at the top level where each comes from, on a service which of them it gets, and as which file. What is in them is
// never in the result: only the version that whoever compiles knows of. A value's place in the file is told, its content never.
import type { AppName } from "@skerry/shared/model/ids.ts";
import {
  type ContainerFile,
  MAX_CONTAINER_FILES,
  type ValueKind,
  type ValueRef,
  valueNameSchema,
} from "@skerry/shared/model/value.ts";
import { entriesOf, type Fields, type MapSpot, type Spot } from "./fields.ts";
import { asOptionalMap, isResourceKey, readExternal } from "./mounts.ts";
import { compareText, didYouMean } from "./problem.ts";
import { parseFileMode } from "./values.ts";

export type ValueSection = "secrets" | "configs";
export const SECTIONS: Readonly<Record<ValueSection, ValueKind>> = { secrets: "secret", configs: "config" };

/** What whoever compiles knows of values. Without one every value is taken to be there. */
export interface ValueSource {
  /** The version of one of the installation's; null: there is none, or none that this app may use. */
  external(kind: ValueKind, name: string): string | null;
  /** The version of one of the app's own. `content` null: it comes beside the file, under `secrets.KEY`; null as the answer: it did not come. */
  own(kind: ValueKind, name: string, place: string, content: string | null): string | null;
}

const STAND_IN = "0".repeat(32);
/** For checking a file alone. */
export const ANY_VALUE: ValueSource = { external: () => STAND_IN, own: () => STAND_IN };

/** One entry at the top level. Its version is asked for when a service uses it. */
export interface DeclaredValue {
  readonly kind: ValueKind;
  readonly key: string;
  readonly name: string;
  readonly at: Spot;
  /** For messages: as written in the file, when a variable stands in it. */
  readonly shown: { readonly name: string; readonly source: string };
  readonly from:
    | { readonly kind: "external" }
    | { readonly kind: "file"; readonly path: string }
    | { readonly kind: "environment"; readonly variable: string }
    | { readonly kind: "content"; readonly text: string };
}

/** null: declared, and wrong, which has been told. */
export type DeclaredValues = ReadonlyMap<string, DeclaredValue | null>;
export const declaredKey = (section: ValueSection, key: string): string => `${section}.${key}`;

/** Top-level `secrets` and `configs`, by "secrets.KEY". */
export function compileDeclared(root: MapSpot, fields: Fields): DeclaredValues {
  const found = new Map<string, DeclaredValue | null>();
  for (const section of ["secrets", "configs"] as const) {
    const map = fields.map(root, section);
    for (const { key, at } of map === null ? [] : entriesOf(map)) {
      const spot = asOptionalMap(at, fields);
      if (spot === null || !isResourceKey(key, at, fields)) continue;
      const one = declared(section, key, spot, fields);
      const twin = one === null ? null : [...found.values()].find((other) => other !== null && isSameOwn(one, other));
      if (twin)
        fields.fault(
          spot,
          "conflict",
          `\`${key}\` and \`${twin.key}\` have the same name.`,
          "Give one of them another `name`.",
        );
      found.set(declaredKey(section, key), one);
    }
  }
  return found;
}

/** Of the app's own two of one name would be one value with two contents. */
const isSameOwn = (a: DeclaredValue, b: DeclaredValue): boolean =>
  a.kind === b.kind && a.name === b.name && a.from.kind !== "external" && b.from.kind !== "external";

function declared(section: ValueSection, key: string, spot: MapSpot, fields: Fields): DeclaredValue | null {
  const kind = SECTIONS[section];
  const sources = kind === "config" ? ["file", "environment", "content"] : ["file", "environment"];
  const { external, externalName } = readExternal(spot, sources, fields);
  const name = fields.text(spot, "name") ?? externalName ?? key;
  if (!valueNameSchema.safeParse(name).success) {
    const at = fields.at(spot, "name") ?? spot;
    const hint = "Letters and digits, with `.`, `_` and `-` between them; 64 characters at most.";
    return fields.fault(at, "value-invalid", `This is not a ${kind}'s name.`, hint);
  }
  const given = sources.filter((source) => fields.at(spot, source) !== null);
  const quoted = (part: string, text: string): string => {
    const at = fields.at(spot, part);
    return at === null ? text : fields.quote(at, text);
  };
  const base = { kind, key, name, at: spot };
  const shownName = quoted("name", name);
  if (external) return { ...base, shown: { name: shownName, source: "" }, from: { kind: "external" } };
  if (given.length !== 1) {
    const several = given.length > 1;
    const message = several
      ? `The ${kind} \`${key}\` has more than one source: ${given.join(", ")}.`
      : `The ${kind} \`${key}\` says not where it comes from.`;
    const hint = several
      ? "Keep one of them."
      : `Give it ${sources.map((source) => `\`${source}\``).join(", ")}, or \`external: true\` and set it: skerry ${kind} set ${shownName}.`;
    return fields.fault(spot, several ? "conflict" : "key-missing", message, hint);
  }
  const [source = ""] = given;
  const text = fields.text(spot, source);
  if (text === null) return null;
  const named = { ...base, shown: { name: shownName, source: quoted(source, text) } };
  if (source === "file") return { ...named, from: { kind: "file", path: text } };
  if (source === "environment") return { ...named, from: { kind: "environment", variable: text } };
  return { ...named, from: { kind: "content", text } };
}

interface FilesContext {
  readonly fields: Fields;
  readonly app: AppName;
  readonly declared: DeclaredValues;
  readonly values: ValueSource;
}

/** A service's files, sorted by target; null: none. `mounted`: the other paths that something is mounted at. */
export function compileFiles(
  service: MapSpot,
  mounted: readonly string[],
  context: FilesContext,
): ContainerFile[] | null {
  const { fields } = context;
  const taken = new Set(mounted);
  const files: ContainerFile[] = [];
  for (const section of ["secrets", "configs"] as const) {
    for (const item of fields.items(service, section)) {
      const file = compileFile(section, item, context);
      if (file === null) continue;
      if (taken.has(file.target))
        fields.fault(
          item,
          "conflict",
          "Two mounts of this service have the path of this file.",
          "Give it another `target`.",
        );
      taken.add(file.target);
      files.push(file);
    }
  }
  if (files.length > MAX_CONTAINER_FILES)
    fields.fault(service, "limit-exceeded", `A service has at most ${MAX_CONTAINER_FILES} secrets and configs.`);
  return files.length === 0 ? null : files.sort((a, b) => compareText(a.target, b.target));
}

function compileFile(section: ValueSection, item: Spot, context: FilesContext): ContainerFile | null {
  const { fields } = context;
  const long: MapSpot | null = item.tree.kind === "map" ? { tree: item.tree, path: item.path } : null;
  const key = long === null ? fields.asText(item) : fields.text(long, "source");
  if (key === null)
    return long === null
      ? null
      : fields.fault(item, "key-missing", `A ${SECTIONS[section]} in the long form needs \`source\`.`);
  const value = context.declared.get(declaredKey(section, key));
  if (value === null) return null;
  if (value === undefined) {
    const known = [...context.declared.values()].flatMap((one) => (one?.kind === SECTIONS[section] ? [one.key] : []));
    const hint = didYouMean(key, known) || `Add it at the top level, under \`${section}\`.`;
    const at = (long === null ? null : fields.at(long, "source")) ?? item;
    return fields.fault(
      at,
      "reference-unknown",
      `The ${SECTIONS[section]} \`${fields.quote(at, key)}\` is not declared in this file.`,
      hint,
    );
  }
  const target = targetOf(section, key, long, fields);
  const ref = refOf(value, item, context);
  if (ref === null || target === null) return null;
  const modeText = long === null ? null : fields.text(long, "mode");
  const mode = modeText === null ? 0o444 : parseFileMode(modeText);
  if (mode === null || mode > 0o7777)
    return fields.fault(item, "value-invalid", "`mode` needs an octal file mode, such as 0440.");
  return { value: ref, target, mode, uid: idOf(long, "uid", fields), gid: idOf(long, "gid", fields) };
}

/** The largest user id that Linux has for a user. */
const MAX_ID = 4_294_967_294;
const idOf = (long: MapSpot | null, key: "uid" | "gid", fields: Fields): number =>
  (long === null ? null : fields.integer(long, key, 0, MAX_ID)) ?? 0;

/** As Compose: a secret's name below /run/secrets, a config's below /. */
function targetOf(section: ValueSection, key: string, long: MapSpot | null, fields: Fields): string | null {
  const written = (long === null ? null : fields.text(long, "target")) ?? key;
  const target = written.startsWith("/") ? written : `${section === "secrets" ? "/run/secrets/" : "/"}${written}`;
  const parts = target.split("/").slice(1);
  if (parts.every((part) => part !== "" && part !== "." && part !== "..")) return target;
  const at = (long === null ? null : fields.at(long, "target")) ?? long;
  return at === null ? null : fields.fault(at, "value-invalid", "`target` is the path of a file in the container.");
}

function refOf(value: DeclaredValue, item: Spot, { fields, app, values }: FilesContext): ValueRef | null {
  const { kind, name, key, from, shown } = value;
  if (from.kind === "external") {
    const version = values.external(kind, name);
    if (version !== null) return { kind, app: null, name, version };
    const hint = `Set it: skerry ${kind} set ${shown.name} --app ${app}. One that is not for named apps is for those who may deploy all.`;
    return fields.fault(item, "value-missing", `There is no ${kind} ${shown.name} that app ${app} may use.`, hint);
  }
  const place = declaredKey(kind === "secret" ? "secrets" : "configs", key);
  const version = values.own(kind, name, place, from.kind === "content" ? from.text : null);
  if (version !== null) return { kind, app, name, version };
  const where =
    from.kind === "file"
      ? `the file ${shown.source}`
      : from.kind === "environment"
        ? `the variable ${shown.source}`
        : "its content";
  const hint = `skerry apply reads it where it runs; other clients send it in \`values\` under "${place}".`;
  return fields.fault(
    value.at,
    "value-missing",
    `The ${kind} \`${key}\` is not there: ${where} did not come with the request.`,
    hint,
  );
}
