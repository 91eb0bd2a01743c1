// Reads a Compose file, the files it names and the variables it uses from the client's machine, and compiles it.
// It must send nothing that the file does not ask for: of the environment only the variables that it names.
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Result } from "@skerry/shared/runtime/result.ts";
import { type CompiledApp, compileCompose } from "../compose/compile.ts";
import { parseEnvFile } from "../compose/env-file.ts";
import type { Problem } from "../compose/problem.ts";
import { referencedFiles } from "../compose/referenced.ts";
import { CliFailure } from "./failure.ts";
import type { Io } from "./io.ts";
import { knownHere, sentValues } from "./sent-values.ts";

/** Compose's own names, in its order. */
const USUAL = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

export interface FileOptions {
  readonly file?: string;
  readonly name?: string;
  readonly envFile?: readonly string[];
  readonly profile?: readonly string[];
}

export interface SourceFile {
  readonly text: string;
  /** As the user knows it. */
  readonly shown: string;
  readonly folder: string;
}

export interface ReadyToApply {
  readonly source: SourceFile;
  readonly files: Readonly<Record<string, string>>;
  /** Only those that the file names. */
  readonly variables: Readonly<Record<string, string>>;
  readonly profiles: readonly string[];
  /** What its secrets and configs take from here; base64 by "secrets.KEY". */
  readonly values: Readonly<Record<string, string>>;
  readonly result: Result<CompiledApp, readonly Problem[]>;
}

/** `standInName`: a file without a name is fine, because the name may come later. */
export async function compileFile(
  io: Io,
  options: FileOptions,
  { standInName }: { readonly standInName: boolean },
): Promise<ReadyToApply> {
  const source = await readSource(io, options.file);
  const around = await variablesAround(io, source, options.envFile);
  const files = await readReferenced(source, around);
  const values = await sentValues(source.text, source.folder, around);
  const profiles = [...(options.profile ?? []), ...(io.env["COMPOSE_PROFILES"]?.split(",").filter(Boolean) ?? [])];
  const compile = (name: string | null) =>
    compileCompose({ name, text: source.text, files, variables: around, profiles, values: knownHere(values) });
  const first = compile(options.name ?? null);
  const lacksName =
    !first.ok && first.error.some(({ code, path, line }) => code === "key-missing" && path === "" && line === null);
  const result = standInName && lacksName && options.name === undefined ? compile(STAND_IN) : first;
  const used = result.ok ? result.value.usedVariables : [];
  const variables = Object.fromEntries(
    used.filter((name) => Object.hasOwn(around, name)).map((name) => [name, around[name] ?? ""]),
  );
  return { source, files, variables, profiles, values, result };
}
const STAND_IN = "app";

async function readSource(io: Io, file: string | undefined): Promise<SourceFile> {
  if (file === "-") return { text: await io.readInput(), shown: "standard input", folder: io.cwd };
  if (file !== undefined) {
    const path = resolve(io.cwd, file);
    return { text: await readText(path, file), shown: file, folder: dirname(path) };
  }
  for (const name of USUAL) {
    const text = await readIfThere(join(io.cwd, name), name);
    if (text !== null) return { text, shown: name, folder: io.cwd };
  }
  throw new CliFailure("There is no Compose file here.", {
    hint: `Name one with -f FILE; without it ${USUAL.join(", ")} are looked for.`,
  });
}

/** null: it is not there. */
async function readIfThere(path: string, shown: string): Promise<string | null> {
  return await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    const why =
      error.code === "EISDIR" ? "it is a folder" : error.code === "EACCES" ? "you may not read it" : error.message;
    throw new CliFailure(`Cannot read ${shown}: ${why}.`, { cause: error });
  });
}

async function readText(path: string, shown: string): Promise<string> {
  const text = await readIfThere(path, shown);
  if (text === null)
    throw new CliFailure(`There is no file ${shown}.`, { hint: "Look at the path; it is relative to where you are." });
  return text;
}

/** As Compose has it: the shell wins over the files, a later file over an earlier one, and .env is taken when none is named. */
async function variablesAround(
  io: Io,
  source: SourceFile,
  named: readonly string[] | undefined,
): Promise<Record<string, string>> {
  const shell = Object.fromEntries(
    Object.entries(io.env).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
  const texts: { shown: string; text: string }[] = [];
  for (const file of named ?? []) texts.push({ shown: file, text: await readText(resolve(io.cwd, file), file) });
  if (named === undefined) {
    const text = await readIfThere(join(source.folder, ".env"), ".env");
    if (text !== null) texts.push({ shown: ".env", text });
  }
  const fromFiles = new Map<string, string>();
  for (const { shown, text } of texts) {
    const parsed = parseEnvFile(text, { ...Object.fromEntries(fromFiles), ...shell });
    const [fault] = parsed.faults;
    if (fault !== undefined) {
      throw new CliFailure(`${shown}:${fault.line}: ${fault.message}.`, {
        hint: "A line is KEY=VALUE, or a comment that begins with #.",
      });
    }
    for (const [key, value] of parsed.entries) if (value !== null) fromFiles.set(key, value);
  }
  return { ...Object.fromEntries(fromFiles), ...shell };
}

/** What is not there is told by the compiler, with the line that names it. */
async function readReferenced(
  source: SourceFile,
  variables: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const files: [string, string][] = [];
  for (const path of referencedFiles(source.text, variables)) {
    const text = await readIfThere(resolve(source.folder, path), path);
    if (text !== null) files.push([path, text]);
  }
  return Object.fromEntries(files);
}
