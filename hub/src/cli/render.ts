// Text for people: tables, ages, sizes, states. Pure: data and a width in, text out. Everything that came from elsewhere goes
// through `visible` here, so that no command can forget it.
import { visible } from "./escape.ts";

export type Tint = "good" | "busy" | "bad" | "dim" | "bold";
export type Paint = (tint: Tint | null, text: string) => string;
const CODES: Readonly<Record<Tint, readonly [number, number]>> = {
  good: [32, 39],
  busy: [33, 39],
  bad: [31, 39],
  dim: [2, 22],
  bold: [1, 22],
};
export const plain: Paint = (_tint, text) => text;
export const colored: Paint = (tint, text) =>
  tint === null ? text : `\u001b[${CODES[tint][0]}m${text}\u001b[${CODES[tint][1]}m`;
export const painter = (io: { readonly color: boolean }): Paint => (io.color ? colored : plain);

export interface Cell {
  readonly text: string;
  readonly tint: Tint | null;
}
export const cell = (text: string | number, tint: Tint | null = null): Cell => ({ text: visible(String(text)), tint });

export interface Column {
  readonly title: string;
  /** May be cut to this many characters when the terminal is narrow; null: never cut (names that people copy). */
  readonly shrinksTo: number | null;
  readonly right?: boolean;
  /** Cut at its beginning: the end of an image's name says more than its registry. */
  readonly keepsEnd?: boolean;
  /** Left out altogether when cutting is not enough; the last such column goes first. */
  readonly mayGo?: boolean;
}
/** Three, as docker's tables have. */
const GAP = 3;

/** A table without lines; null width: nothing is cut. Ends with a line break. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number | null,
  paint: Paint,
): string {
  const goes = columns.findLastIndex(({ mayGo }) => mayGo === true);
  if (width !== null && goes >= 0 && leastWidth(columns, rows) > width) {
    return table(
      columns.toSpliced(goes, 1),
      rows.map((row) => row.toSpliced(goes, 1)),
      width,
      paint,
    );
  }
  const natural = columns.map((column, at) =>
    Math.max(length(column.title), ...rows.map((row) => length(row[at]?.text ?? ""))),
  );
  const widths = width === null ? natural : shrink(columns, natural, width);
  const line = (cells: readonly Cell[]): string => {
    const parts = columns.map((column, at) => {
      const { text, tint } = cells[at] ?? cell("");
      const size = widths[at] ?? 0;
      const fitted = cut(text, size, column.keepsEnd === true);
      const space = " ".repeat(size - length(fitted));
      const isLast = at === columns.length - 1;
      if (column.right === true) return space + paint(tint, fitted);
      return paint(tint, fitted) + (isLast ? "" : space);
    });
    return parts.join(" ".repeat(GAP)).trimEnd();
  };
  const header = line(columns.map(({ title }) => cell(title)));
  return `${[header, ...rows.map(line)].join("\n")}\n`;
}

function leastWidth(columns: readonly Column[], rows: readonly (readonly Cell[])[]): number {
  const widths = columns.map(({ title, shrinksTo }, at) => {
    const natural = Math.max(length(title), ...rows.map((row) => length(row[at]?.text ?? "")));
    return shrinksTo === null ? natural : Math.min(natural, Math.max(shrinksTo, length(title)));
  });
  return widths.reduce((sum, size) => sum + size, 0) + GAP * (columns.length - 1);
}

/** Takes what is too much from the widest column that may shrink, one character at a time; each keeps its least width. */
function shrink(columns: readonly Column[], natural: readonly number[], width: number): number[] {
  const widths = [...natural];
  const least = columns.map(({ shrinksTo, title }) => Math.max(shrinksTo ?? Number.POSITIVE_INFINITY, length(title)));
  const total = (): number => widths.reduce((sum, size) => sum + size, 0) + GAP * (columns.length - 1);
  while (total() > width) {
    let widest = -1;
    for (const [at, size] of widths.entries()) {
      const canShrink = size > (least[at] ?? 0);
      if (canShrink && (widest < 0 || size > (widths[widest] ?? 0))) widest = at;
    }
    if (widest < 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

/** By characters as people see them, near enough: code points, colours left out. */
function length(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the colours put in by `colored`
  return [...text.replace(/\u001b\[\d+m/g, "")].length;
}

function cut(text: string, size: number, keepsEnd: boolean): string {
  if (length(text) <= size) return text;
  const kept = Math.max(0, size - 1);
  return keepsEnd ? `…${[...text].slice(-kept).join("")}` : `${[...text].slice(0, kept).join("")}…`;
}

/** After a colon, and to the end of its clause: what is told to be run. */
const COMMAND = /(?<=: )skerry(?: [^\s;(]+)+/;

/** A command that fits on a line is one word, so that it can be copied from there. */
function words(text: string, most: number): readonly string[] {
  const found = COMMAND.exec(text);
  if (found === null) return text.split(" ");
  const [command] = found;
  const after = found.index + command.length;
  // What stands right behind it (";") is of its word.
  const [tail = "", ...rest] = text.slice(after).split(" ");
  const whole = length(command + tail) <= most ? [command + tail] : `${command}${tail}`.split(" ");
  const before = text.slice(0, found.index - 1).split(" ");
  return [...before, ...whole, ...(rest.length === 0 ? [] : words(rest.join(" "), most))];
}

/**
 * `prefix` and prose, broken at spaces so that no line is longer than `width`; further lines begin with `indent`. No command is broken that
 * fits on a line.
 */
export function wrap(prefix: string, text: string, width: number | null, indent: string): string {
  if (width === null) return prefix + text;
  const lines: string[] = [];
  let line = prefix;
  let isFresh = true;
  for (const word of words(text, width - length(indent))) {
    if (!isFresh && length(line) + 1 + length(word) > width) {
      lines.push(line);
      line = indent + word;
    } else line += isFresh ? word : ` ${word}`;
    isFresh = false;
  }
  return [...lines, line].join("\n");
}

/** More reasons than this are not read; `skerry why` has them all. */
const MAX_REASONS = 10;
const MAX_NAMES = 3;

/** What is wrong, below a table: each reason once, with the names that it holds for. */
export function reasons(
  of: readonly { readonly name: string; readonly reason: string; readonly hint?: string | null }[],
  width: number | null,
  paint: Paint,
): string {
  const groups = Map.groupBy(of, ({ reason }) => reason);
  const lines = [...groups].slice(0, MAX_REASONS).map(([reason, members]) => {
    const names = members.slice(0, MAX_NAMES).map(({ name }) => paint("bold", visible(name)));
    const more = members.length > MAX_NAMES ? ` and ${members.length - MAX_NAMES} more` : "";
    const hint = members[0]?.hint ?? null;
    const next = hint === null ? "" : `${wrap("  → ", visible(hint), width, "    ")}\n`;
    return `${wrap("- ", `${names.join(", ")}${more}: ${visible(reason)}`, width, "  ")}\n${next}`;
  });
  if (groups.size > MAX_REASONS) lines.push(`… and ${groups.size - MAX_REASONS} more reasons\n`);
  return lines.length === 0 ? "" : `\n${lines.join("")}`;
}

const STEPS: readonly (readonly [string, number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
];

/** "3d", "2h", "5m", "12s": the two largest units for short times, one for long ones. */
export function age(exactMs: number | null): string {
  if (exactMs === null) return "-";
  // To the second, so that a day that began a moment ago is "1d" and not "23h".
  const ms = Math.round(exactMs / 1_000) * 1_000;
  const at = STEPS.findIndex(([, size]) => ms >= size);
  if (at < 0) return "0s";
  const [unit, size] = STEPS[at] ?? ["s", 1_000];
  const whole = Math.floor(ms / size);
  const next = STEPS[at + 1];
  const rest = next === undefined ? 0 : Math.floor((ms - whole * size) / next[1]);
  return whole < 10 && next !== undefined && rest > 0 ? `${whole}${unit}${rest}${next[0]}` : `${whole}${unit}`;
}

/** Memory and disks: "512 MB" in steps of 1,024, as Compose files have them. */
export function bytes(count: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let size = count;
  let unit = 0;
  while (size >= 1_000 && unit < units.length - 1) {
    size /= 1_024;
    unit += 1;
  }
  return `${size < 10 && unit > 0 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** "2026-11-21 09:12:04" in the reader's own zone. */
export function localTime(atMs: number, zoneOffsetMinutes: number): string {
  const local = atMs - zoneOffsetMinutes * 60_000;
  if (!Number.isFinite(local) || Math.abs(local) > 8.64e15) return "-";
  return new Date(local).toISOString().slice(0, 19).replace("T", " ");
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** `site=shop,zone=a`, sorted. */
export function labels(from: Readonly<Record<string, string>>): string {
  return Object.entries(from)
    .map(([key, value]) => (value === "" ? key : `${key}=${value}`))
    .sort()
    .join(",");
}

/** Names and what they are, one below the other. */
export function facts(pairs: readonly (readonly [string, string])[], width: number | null): string {
  const widest = Math.max(0, ...pairs.map(([name]) => length(name)));
  return pairs
    .map(([name, value]) => `${wrap(`${name.padEnd(widest)}  `, visible(value), width, " ".repeat(widest + 2))}\n`)
    .join("");
}
