// What a Compose file's secrets and configs take from files and variables of the client's machine: read where `skerry apply` runs, and sent beside
// the file. Never part of the file's text, of variables that are stored, or of any message.
import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { MAX_VALUE_BYTES } from "@skerry/shared/model/value.ts";
import type { ValueSource } from "../compose/files.ts";
import { referencedValues } from "../compose/referenced.ts";
import { CliFailure } from "./failure.ts";

/** Base64 by "secrets.KEY". One that is not there is left out: the compiler tells where it is missed. */
export async function sentValues(
  text: string,
  folder: string,
  variables: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const sent: Record<string, string> = {};
  for (const { place, from } of referencedValues(text, variables)) {
    const content =
      from.kind === "file"
        ? await contentOf(resolve(folder, from.path), from.path)
        : variableOf(variables, from.variable);
    if (content === null) continue;
    if (content.byteLength > MAX_VALUE_BYTES)
      throw new CliFailure(`${place} has ${content.byteLength} bytes; at most ${MAX_VALUE_BYTES} are taken.`);
    sent[place] = content.toString("base64");
  }
  return sent;
}

const variableOf = (variables: Readonly<Record<string, string>>, name: string): Buffer | null =>
  Object.hasOwn(variables, name) ? Buffer.from(variables[name] ?? "", "utf8") : null;

/** null: it is not there. */
async function contentOf(path: string, shown: string): Promise<Buffer | null> {
  try {
    // Looked at first: a device or a huge file is not read to find out.
    const { size } = await stat(path);
    if (size > MAX_VALUE_BYTES)
      throw new CliFailure(`${shown} has ${size} bytes; a secret or config has ${MAX_VALUE_BYTES} at most.`);
    return await readFile(path);
  } catch (error) {
    if (error instanceof CliFailure) throw error;
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    const why = error instanceof Error ? error.message : String(error);
    throw new CliFailure(`Cannot read ${shown}: ${why}.`, { cause: error });
  }
}

const STAND_IN = "0".repeat(32);
/** For compiling here: what the installation has is for the hub to say. */
export const knownHere = (sent: Readonly<Record<string, string>>): ValueSource => ({
  external: () => STAND_IN,
  own: (_kind, _name, place, content) => (content !== null || Object.hasOwn(sent, place) ? STAND_IN : null),
});
