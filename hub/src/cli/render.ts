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
  const natural = columns.map((column, at) =>
    Math.max(length(column.title), ...rows.map((row) => length(row[at]?.text ?? ""))),
  );
  const widths = width === null ? natural : shrink(columns, natural, width);
  const line = (cells: readonly Cell[]): string => {
    const parts = columns.map((column, at) => {
      const { text, tint } = cells[at] ?? cell("");
      const size = widths[at] ?? 0;
      const fitted = cut(text, size);
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

/** By characters as people see them, near enough: code points. */
function length(text: string): number {
  return [...text].length;
}

function cut(text: string, size: number): string {
  return length(text) <= size ? text : `${[...text].slice(0, Math.max(0, size - 1)).join("")}…`;
}

/** Breaks prose at spaces; `indent` goes before every line but the first. */
export function wrap(text: string, width: number | null, indent = ""): string {
  if (width === null) return text;
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const room = width - (lines.length === 0 ? 0 : indent.length);
    if (line !== "" && length(line) + 1 + length(word) > room) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${indent}`);
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

/** "  Image      nginx" lines under a heading. */
export function facts(pairs: readonly (readonly [string, string])[], width: number | null): string {
  const widest = Math.max(0, ...pairs.map(([name]) => length(name)));
  return pairs
    .map(([name, value]) => {
      const head = `${name.padEnd(widest)}  `;
      return `${head}${wrap(visible(value), width === null ? null : width - head.length, "")
        .split("\n")
        .join(`\n${" ".repeat(head.length)}`)}\n`;
    })
    .join("");
}
