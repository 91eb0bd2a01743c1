// Reads a policy from a file, YAML or JSON, and checks its fields here, so that mistakes are told before anything is sent.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type PolicyFields, policyFieldsSchema, policyNameSchema } from "@skerry/shared/policy/policy.ts";
import { parse } from "yaml";
import { CliFailure } from "./failure.ts";
import type { Io } from "./io.ts";

/** A hundred items of each kind fit several times. */
const MAX_FILE_LENGTH = 262_144;

export interface PolicyFile {
  readonly name: string;
  readonly fields: PolicyFields;
}

export async function readPolicy(io: Io, file: string): Promise<PolicyFile> {
  const shown = file === "-" ? "standard input" : file;
  const text = file === "-" ? await io.readInput() : await readText(resolve(io.cwd, file), file);
  if (text.length > MAX_FILE_LENGTH) throw new CliFailure(`${shown} is too long for a policy.`);
  const { name, ...fields } = asObject(parsed(text, shown), shown);
  const named = policyNameSchema.safeParse(name);
  if (!named.success)
    throw new CliFailure(`${shown} has no name for the policy.`, {
      hint: "Add a line such as: name: serial. Small letters and digits, with - and _ between them.",
    });
  const checked = policyFieldsSchema.safeParse(fields);
  if (checked.success) return { name: named.data, fields: checked.data };
  const details = checked.error.issues.map(({ path, message }) => `  ${path.join(".") || "policy"}: ${message}`);
  throw new CliFailure(`${shown} is not a policy; nothing was changed.`, {
    details,
    hint: "skerry policy set --help shows one.",
  });
}

async function readText(path: string, shown: string): Promise<string> {
  return await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "ENOENT" ? "it is not there" : error.message;
    throw new CliFailure(`Cannot read ${shown}: ${why}.`, { cause: error });
  });
}

/** Aliases are for files with repetitions, and a way to make a small file large. */
function parsed(text: string, shown: string): unknown {
  try {
    return parse(text, { maxAliasCount: 0, schema: "core" });
  } catch (error) {
    throw new CliFailure(`${shown} is neither YAML nor JSON: ${error instanceof Error ? error.message : ""}`, {
      cause: error,
    });
  }
}

function asObject(value: unknown, shown: string): Readonly<Record<string, unknown>> {
  if (value !== null && typeof value === "object" && !Array.isArray(value))
    // Plain data from a parser: its members may be read by any key.
    return value as Readonly<Record<string, unknown>>;
  throw new CliFailure(`${shown} is not a policy: it is no list of fields.`, {
    hint: "skerry policy set --help shows one.",
  });
}
