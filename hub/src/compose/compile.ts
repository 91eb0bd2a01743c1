// A Compose file's text becomes an AppSpec, or a list of everything that is wrong with it.
// It must never throw on any text, read files or the environment by itself, or ignore a key in silence.
import type { AppSpec } from "@skerry/shared/model/app.ts";
import { err, type Result } from "@skerry/shared/runtime/result.ts";
import type { Problem } from "./problem.ts";

export interface ComposeInput {
  /** Overrides the file's own `name`; null: the file must have one. */
  readonly name: string | null;
  readonly text: string;
  /** Contents of the files that `env_file` and `label_file` name, by the path as written in the file. */
  readonly files: Readonly<Record<string, string>>;
  /** What `$VAR` means. */
  readonly variables: Readonly<Record<string, string>>;
  readonly profiles: readonly string[];
}

export interface CompiledApp {
  readonly spec: AppSpec;
  readonly warnings: readonly Problem[];
  /** Names of the variables that the file mentions, sorted. */
  readonly usedVariables: readonly string[];
}

export function compileCompose(_input: ComposeInput): Result<CompiledApp, readonly Problem[]> {
  return err([
    { code: "yaml-invalid", message: "The compiler is not built yet.", hint: "", path: "", line: null, column: null },
  ]);
}
