// Problems of a Compose file as lines that editors can jump to: FILE:LINE:COLUMN: what, and below it what to do. Pure.
import { visible } from "./escape.ts";
import { type Paint, wrap } from "./render.ts";

interface Told {
  readonly message: string;
  readonly hint: string;
  readonly path: string;
  readonly line: number | null;
  readonly column: number | null;
}

export function problemLines(
  file: string,
  problems: readonly Told[],
  level: "error" | "warning",
  width: number | null,
  paint: Paint,
): string {
  return problems
    .map(({ message, hint, path, line, column }) => {
      const place = line === null ? file : `${file}:${line}:${column ?? 1}`;
      const head = `${paint("bold", `${visible(place)}:`)} ${paint(level === "error" ? "bad" : "busy", `${level}:`)}`;
      const about = path === "" ? "" : ` (${visible(path)})`;
      const lines = [`${head} ${visible(message)}${paint("dim", about)}`];
      if (hint !== "") lines.push(wrap("    ", visible(hint), width, "    "));
      return `${lines.join("\n")}\n`;
    })
    .join("");
}
