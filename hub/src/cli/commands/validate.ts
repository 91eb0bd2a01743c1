// `skerry validate FILE`: everything that is wrong with a Compose file, with line and column. It must need no hub.
import type { Problem } from "../../compose/problem.ts";
import { compileFile, type FileOptions, type SourceFile } from "../compose-file.ts";
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import type { Io } from "../io.ts";
import { problemLines } from "../problems.ts";
import { painter, plural } from "../render.ts";

interface Options extends FileOptions {
  /** The file as an argument, which counts before the option. */
  readonly path?: string;
  readonly json?: boolean;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const given = options.path === undefined ? options : { ...options, file: options.path };
  const { source, result } = await compileFile(io, given, { standInName: true });
  const problems = result.ok ? [] : result.error;
  const warnings = result.ok ? result.value.warnings : [];
  if (options.json === true) {
    const services = result.ok ? result.value.spec.services.map(({ name }) => name) : [];
    io.out(`${safeJson({ file: source.shown, valid: result.ok, services, problems, warnings })}\n`);
    return result.ok ? EXIT.done : EXIT.failed;
  }
  if (!result.ok) {
    io.err(report(io, source, problems, "error"));
    io.err(`${source.shown}: ${plural(problems.length, "problem")}.\n`);
    return EXIT.failed;
  }
  io.err(report(io, source, warnings, "warning"));
  const { services } = result.value.spec;
  io.out(
    `${source.shown} is fine: ${plural(services.length, "service")} (${services.map(({ name }) => name).join(", ")}).\n`,
  );
  return EXIT.done;
}

function report(io: Io, source: SourceFile, problems: readonly Problem[], level: "error" | "warning"): string {
  return problemLines(source.shown, problems, level, io.errIsTerminal ? io.columns : null, painter(io));
}
