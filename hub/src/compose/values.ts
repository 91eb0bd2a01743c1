// Small languages inside a Compose file's values: durations, sizes, amounts, command lines, ports, short volume syntax. Pure.
// Each takes text and gives the value, or null (or a sentence) when the text is not of its language; none guesses.
import type { Amount } from "@skerry/shared/model/update.ts";

const DURATION = /(\d+(?:\.\d+)?)(us|µs|ms|ns|s|m|h|d)/y;
const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `1m30s`, `500ms`, `0`: whole milliseconds. null when it is none, or beyond what a timer can hold. */
export function parseDurationMs(text: string): number | null {
  if (text === "0") return 0;
  if (text === "") return null;
  let total = 0;
  let at = 0;
  while (at < text.length) {
    DURATION.lastIndex = at;
    const found = DURATION.exec(text);
    if (found === null) return null;
    total += Number(found[1]) * (UNIT_MS[found[2] ?? ""] ?? Number.NaN);
    at += found[0].length;
  }
  const ms = Math.round(total);
  return Number.isSafeInteger(ms) ? ms : null;
}

const SIZE = /^(\d+(?:\.\d+)?)\s*(?:([kmgtp])i?b?|b)?$/i;
const SIZE_POWER: Readonly<Record<string, number>> = { k: 1, m: 2, g: 3, t: 4, p: 5 };

/** `64m`, `1.5gb`, `1024`: bytes, in steps of 1,024 as Docker counts. null when it is none. */
export function parseBytes(text: string): number | null {
  const found = SIZE.exec(text.trim());
  if (found === null) return null;
  const bytes = Math.floor(Number(found[1]) * 1_024 ** (SIZE_POWER[(found[2] ?? "").toLowerCase()] ?? 0));
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Splits a command line as a shell does, quotes and backslashes included, and runs nothing. null: a quote is not closed. */
export function splitCommand(line: string): string[] | null {
  const words: string[] = [];
  let word: string | null = null;
  let quote: string | null = null;
  for (let at = 0; at < line.length; at++) {
    const char = line[at] ?? "";
    if (quote === null && /\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else if (char === quote) {
      quote = null;
    } else if (quote === null && (char === '"' || char === "'")) {
      quote = char;
      word ??= "";
    } else if (char === "\\" && quote !== "'") {
      at += 1;
      if (at >= line.length) return null;
      word = (word ?? "") + unescaped(line[at] ?? "", quote);
    } else {
      word = (word ?? "") + char;
    }
  }
  if (quote !== null) return null;
  if (word !== null) words.push(word);
  return words;
}

/** Within double quotes a backslash is special before these only; before a line's end it joins the lines. */
function unescaped(char: string, quote: string | null): string {
  if (char === "\n") return "";
  return quote === '"' && !'"\\$`'.includes(char) ? `\\${char}` : char;
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}
/** As TCP and UDP count. */
const MAX_PORT = 65_535;

/** `80` or `8000-8010`. */
export function parsePortRange(text: string): PortRange | null {
  const found = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (found === null) return null;
  const first = Number(found[1]);
  const last = found[2] === undefined ? first : Number(found[2]);
  return first >= 1 && last <= MAX_PORT && first <= last ? { first, last } : null;
}

export interface ShortPort {
  readonly hostIp: string;
  /** null: the engine chooses. */
  readonly published: string | null;
  readonly target: string;
  readonly protocol: string;
}

/** `[IP:][HOST:]CONTAINER[/PROTOCOL]`; the address may stand in brackets, and an IPv6 one may also stand without. */
export function splitPort(text: string): ShortPort {
  const slash = text.lastIndexOf("/");
  const protocol = slash < 0 ? "tcp" : text.slice(slash + 1).toLowerCase();
  const rest = slash < 0 ? text : text.slice(0, slash);
  const parts = rest.split(":");
  const target = parts.pop() ?? "";
  const published = parts.pop();
  const hostIp = parts.join(":").replace(/^\[(.*)\]$/, "$1");
  return { hostIp, published: published === undefined || published === "" ? null : published, target, protocol };
}

export interface ShortVolume {
  /** null: anonymous. */
  readonly source: string | null;
  readonly target: string;
  readonly options: readonly string[];
}

/** `[SOURCE:]TARGET[:OPTION,…]`. A sentence says what is wrong with it. */
export function splitVolume(text: string): ShortVolume | string {
  const parts = text.split(":");
  if (parts.some((part) => part === "")) return "a part between its colons is empty";
  const [first = "", second, third] = parts;
  if (parts.length > 3) return "it has more than three parts";
  if (/^[A-Za-z]$/.test(first) && second?.startsWith("\\")) return "it is a Windows path";
  if (second === undefined) return { source: null, target: first, options: [] };
  // `/data:ro` is an anonymous volume with an option; no target is relative, so nothing else can be meant.
  if (third === undefined && !second.startsWith("/") && first.startsWith("/") && isOptions(second)) {
    return { source: null, target: first, options: second.split(",") };
  }
  return { source: first, target: second, options: third?.split(",") ?? [] };
}

function isOptions(text: string): boolean {
  return text.split(",").every((option) => VOLUME_OPTIONS.has(option));
}
const VOLUME_OPTIONS: ReadonlySet<string> = new Set([
  "ro",
  "rw",
  "nocopy",
  "z",
  "Z",
  "cached",
  "delegated",
  "consistent",
]);

/** `0755`, `755` and `0o755` are the same: a file mode is always octal. */
export function parseFileMode(text: string): number | null {
  const found = /^0?o?([0-7]{1,5})$/.exec(text);
  return found === null ? null : Number.parseInt(found[1] ?? "", 8);
}

/** "0.5" CPUs → 500,000,000. null: not a number from 0 on. */
export function parseNanoCpus(text: string): number | null {
  if (!/^\d+(\.\d+)?$/.test(text)) return null;
  const nano = Math.round(Number(text) * 1e9);
  return Number.isSafeInteger(nano) ? nano : null;
}

/** As ServiceSpec bounds replicas: more slots than this a service cannot have. */
const MAX_COUNT = 10_000;

/** `3` or `25%`. null: neither. 0% of something would be nothing, and is none either. */
export function parseAmount(text: string): Amount | null {
  const found = /^(\d{1,5}(?:\.\d{1,3})?)(%?)$/.exec(text.trim());
  if (found === null) return null;
  const number = Number(found[1]);
  if (found[2] === "%") return number > 0 && number <= 100 ? { kind: "percent", percent: number } : null;
  return Number.isInteger(number) && number <= MAX_COUNT ? { kind: "count", count: number } : null;
}

/** `0.25` or `25%`: a share from 0 to 1. null: neither. */
export function parseShare(text: string): number | null {
  const found = /^(\d{1,3}(?:\.\d{1,6})?)(%?)$/.exec(text.trim());
  if (found === null) return null;
  const share = Number(found[1]) / (found[2] === "%" ? 100 : 1);
  return share <= 1 ? share : null;
}
