// `skerry secret|config set|ls|rm`, `skerry config cat`, `skerry secret rotate-keys`. A value comes from a file, standard input or the keyboard,
// never from the command line, which others can see. What is in a secret is shown by none of them.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type FileValueKind, MAX_VALUE_BYTES } from "@skerry/shared/model/value.ts";
import type { ValueSet, ValueView } from "../../http/schemas/values.ts";
import { safeJson, visible } from "../escape.ts";
import { CliFailure, EXIT, type ExitCode, usage } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { appRef } from "../refs.ts";
import { cell, localTime, type Paint, painter, plural, table } from "../render.ts";

export interface SetOptions extends HubOptions {
  readonly name: string;
  readonly file?: string;
  readonly app?: readonly string[];
  readonly json?: boolean;
}
export interface NameOptions extends HubOptions {
  readonly name: string;
}
export interface CatOptions extends NameOptions {
  readonly app?: string;
}

export async function set(io: Io, kind: FileValueKind, options: SetOptions): Promise<ExitCode> {
  const name = valueName(kind, options.name);
  const content = await contentOf(io, kind, options.file);
  const client = await connect(io, options);
  const body = { value: content.toString("base64"), apps: (options.app ?? []).map(appRef) };
  const done =
    kind === "secret"
      ? await client.call("setSecret", { params: { secret: name }, body })
      : await client.call("setConfig", { params: { config: name }, body });
  io.out(options.json === true ? `${safeJson(done)}\n` : setText(kind, done));
  return EXIT.done;
}

export function setText(kind: FileValueKind, { name, created, changed, revised }: ValueSet): string {
  if (!changed) return `The ${kind} ${visible(name)} is as it was.\n`;
  const lines = [`The ${kind} ${visible(name)} is ${created ? "set" : "changed"}.`];
  for (const { app, revision } of revised)
    lines.push(`  ${app} uses it: revision ${revision} rolls out now. Follow it: skerry rollout status ${app} -w`);
  return `${lines.join("\n")}\n`;
}

function valueName(kind: FileValueKind, name: string): string {
  if (name !== "" && !name.includes("/")) return name;
  throw usage(`${JSON.stringify(name)} is not a ${kind}'s name.`, `skerry ${kind} ls lists them.`);
}

async function contentOf(io: Io, kind: FileValueKind, file: string | undefined): Promise<Buffer> {
  const content = file === undefined ? await typedOrPiped(io, kind) : await fromFile(resolve(io.cwd, file), file);
  if (content.byteLength <= MAX_VALUE_BYTES) return content;
  throw new CliFailure(`That is ${content.byteLength} bytes; a ${kind} has ${MAX_VALUE_BYTES} at most.`);
}

export async function fromFile(path: string, shown: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CliFailure(`Cannot read ${shown}: ${why}.`, { cause });
  }
}

/** What is typed ends with the line; what is piped is taken as it is, its last line break too. */
async function typedOrPiped(io: Io, kind: FileValueKind): Promise<Buffer> {
  const text = io.inIsTerminal ? await io.ask(`Value of the ${kind} (it does not show): `, true) : await io.readInput();
  if (text.includes("\ufffd")) throw usage("Standard input is not text.", "Give what is not text with --file.");
  if (text === "") throw usage("There is no value.", `printf %s VALUE | skerry ${kind} set NAME, or --file FILE`);
  return Buffer.from(text, "utf8");
}

export async function list(
  io: Io,
  kind: FileValueKind,
  options: HubOptions & { readonly json?: boolean },
): Promise<ExitCode> {
  const client = await connect(io, options);
  const { items } = kind === "secret" ? await client.call("listSecrets", {}) : await client.call("listConfigs", {});
  if (options.json === true) io.out(`${safeJson({ items })}\n`);
  else if (items.length > 0) io.out(valuesTable(items, io.columns, painter(io), io.zoneOffsetMinutes));
  else io.err(`There are no ${kind}s. Set one: skerry ${kind} set NAME --file FILE\n`);
  return EXIT.done;
}

export function valuesTable(
  values: readonly ValueView[],
  width: number | null,
  paint: Paint,
  zoneOffsetMinutes: (atMs: number) => number,
): string {
  const columns = [
    { title: "NAME", shrinksTo: null },
    { title: "BYTES", shrinksTo: null, right: true },
    { title: "SET", shrinksTo: null },
    { title: "BY", shrinksTo: 8 },
    { title: "FOR", shrinksTo: 10 },
    { title: "USED BY", shrinksTo: 10 },
    { title: "STATE", shrinksTo: null },
  ];
  const rows = values.map((value) => [
    cell(value.name, "bold"),
    cell(value.bytes),
    cell(localTime(value.setAtMs, zoneOffsetMinutes(value.setAtMs)).slice(0, 16)),
    cell(value.setBy),
    cell(value.app === null ? value.apps.join(", ") || "all" : `${value.app} (its file's)`),
    cell(value.usedBy.join(", ") || "-"),
    value.readable ? cell("ok") : cell("key lost", "bad"),
  ]);
  return table(columns, rows, width, paint);
}

export async function remove(io: Io, kind: FileValueKind, options: NameOptions): Promise<ExitCode> {
  const name = valueName(kind, options.name);
  const client = await connect(io, options);
  if (kind === "secret") await client.call("removeSecret", { params: { secret: name } });
  else await client.call("removeConfig", { params: { config: name } });
  io.out(`The ${kind} ${visible(name)} is removed.\n`);
  return EXIT.done;
}

export async function cat(io: Io, options: CatOptions): Promise<ExitCode> {
  const client = await connect(io, options);
  const query = options.app === undefined ? {} : { app: appRef(options.app) };
  const { value } = await client.call("getConfig", { params: { config: valueName("config", options.name) }, query });
  const text = Buffer.from(value, "base64").toString("utf8");
  // Into a file or a pipe as it is; a terminal must not be steered by it.
  io.out(io.outIsTerminal ? text.split("\n").map(visible).join("\n") : text);
  return EXIT.done;
}

export async function rotateKeys(io: Io, options: HubOptions): Promise<ExitCode> {
  const client = await connect(io, options);
  const { rewrapped, left, keys } = await client.call("rotateSecretKeys", { body: {} });
  io.out(
    `A new key is made, and ${plural(rewrapped, "version")} of secrets, configs and registry credentials are under it.\n`,
  );
  io.out("Keep a copy of the hub's file secret-keys, apart from its database.\n");
  if (left > 0) io.err(`${plural(left, "version")} cannot be opened: their key is lost. Set them again.\n`);
  if (keys > 1) io.err(`${plural(keys - 1, "older key")} is kept, for something is still under it.\n`);
  return left > 0 ? EXIT.failed : EXIT.done;
}
