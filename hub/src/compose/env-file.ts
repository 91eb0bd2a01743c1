// Reads a file of variables: KEY=VALUE per line, with the quoting rules of the Compose Specification's page on env_file. Pure.
// It must never show a value: what is said about a line names the line and the key alone.
import { interpolate } from "./interpolate.ts";
import { MAX_ENV_FILE_LENGTH } from "./limits.ts";

export interface EnvFile {
  /** null: the key stands alone, which means "take it from around". In the file's order; a later one wins. */
  readonly entries: readonly (readonly [string, string | null])[];
  readonly faults: readonly { readonly line: number; readonly message: string }[];
  readonly used: readonly string[];
}

/** `KEY: VALUE` is read too, as Compose does. */
const LINE = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*(=|:(?=\s|$)|)[^\S\n]*/;

/** `raw`: what stands behind `=` is the value, quotes and dollars included. */
export function parseEnvFile(
  text: string,
  variables: Readonly<Record<string, string>>,
  format: "compose" | "raw" = "compose",
): EnvFile {
  if (text.length > MAX_ENV_FILE_LENGTH) {
    const message = `the file has more than ${MAX_ENV_FILE_LENGTH} characters`;
    return { entries: [], faults: [{ line: 1, message }], used: [] };
  }
  const reading: Reading = { entries: [], faults: [], used: new Set(), around: new Map(Object.entries(variables)) };
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? "";
    if (/^\s*(#|$)/.test(line)) continue;
    const found = LINE.exec(line);
    const rest = found === null ? "" : line.slice(found[0].length);
    if (found === null || (found[2] === "" && rest.trim() !== "" && !rest.startsWith("#"))) {
      reading.faults.push({ line: index + 1, message: "this is not KEY=VALUE" });
      continue;
    }
    const key = found[1] ?? "";
    if (found[2] === "") reading.entries.push([key, null]);
    else if (format === "raw") remember(reading, key, line.slice(line.indexOf(found[2] ?? "=") + 1));
    else index += readValue(reading, key, rest, lines, index);
  }
  return { entries: reading.entries, faults: reading.faults, used: [...reading.used] };
}

interface Reading {
  readonly entries: [string, string | null][];
  readonly faults: { line: number; message: string }[];
  readonly used: Set<string>;
  /** What `$VAR` means: the variables given, and the lines above. */
  readonly around: Map<string, string>;
}

function remember(reading: Reading, key: string, value: string): void {
  reading.entries.push([key, value]);
  // What was given from outside wins over the file, as it does in a shell.
  if (!reading.around.has(key)) reading.around.set(key, value);
}

/** Gives the number of further lines that a quoted value took. */
function readValue(reading: Reading, key: string, rest: string, lines: readonly string[], index: number): number {
  const quote = rest[0];
  if (quote !== '"' && quote !== "'") {
    const plain = rest.startsWith("#") ? "" : rest.replace(/\s+#.*$/, "").trimEnd();
    fill(reading, key, plain, index + 1);
    return 0;
  }
  let body = rest.slice(1);
  let taken = 0;
  let end = closing(body, quote);
  while (end < 0 && index + taken + 1 < lines.length) {
    taken += 1;
    body += `\n${lines[index + taken] ?? ""}`;
    end = closing(body, quote);
    if (body.length > MAX_ENV_FILE_LENGTH) break;
  }
  if (end < 0) {
    reading.faults.push({ line: index + 1, message: `the quote that ${key} begins with is not closed` });
    // Only this line is lost: those below may be fine.
    return 0;
  }
  if (!/^\s*(#.*)?$/.test(body.slice(end + 1).split("\n")[0] ?? "")) {
    reading.faults.push({ line: index + 1, message: `something stands behind the closing quote of ${key}` });
  }
  const inner = body.slice(0, end);
  if (quote === "'") remember(reading, key, inner.replaceAll("\\'", "'"));
  else fill(reading, key, unescapeDouble(inner), index + 1);
  return taken;
}

function closing(body: string, quote: string): number {
  for (let at = 0; at < body.length; at++) {
    if (body[at] === "\\") at += 1;
    else if (body[at] === quote) return at;
  }
  return -1;
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\", $: "$$" };

function unescapeDouble(text: string): string {
  return text.replace(/\\([\s\S])/g, (whole, char: string) => ESCAPES[char] ?? whole);
}

function fill(reading: Reading, key: string, text: string, line: number): void {
  const filled = interpolate(text, Object.fromEntries(reading.around));
  for (const name of filled.used) reading.used.add(name);
  for (const fault of filled.faults) {
    const message =
      fault.kind === "required"
        ? `the variable ${fault.name} is needed${fault.message === "" ? "" : `: ${fault.message}`}`
        : fault.kind === "invalid"
          ? `the value of ${key} cannot be read: ${fault.message}`
          : `the value of ${key} is too long`;
    reading.faults.push({ line, message });
  }
  remember(reading, key, filled.text);
}
