// Logs: one JSON line per fact, in glossary fields. Never a secret, never a multi-line string.
import { isoTime } from "./iso-time.ts";

export type LogFields = Readonly<Record<string, string | number | boolean | null>>;
export type LogLevel = "debug" | "info" | "warn" | "error";

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** `write` gets whole lines without the newline; `wallMs` stamps them for people. */
export function jsonLog(write: (line: string) => void, wallMs: () => number, minimum: LogLevel = "info"): Log {
  const from = LEVELS.indexOf(minimum);
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (LEVELS.indexOf(level) < from) return;
      write(JSON.stringify({ time: isoTime(wallMs()), level, message, ...fields }));
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** For a person at a terminal: "11:07:31 not joined yet: nothing listens … (next try in 1 s)". */
export function plainLog(write: (line: string) => void, wallMs: () => number, minimum: LogLevel = "info"): Log {
  return jsonLog(
    (line) => {
      // Our own line, made a moment ago.
      const { time, level, message, reason, ...rest } = JSON.parse(line) as Record<string, string | number>;
      const mark = level === "warn" || level === "error" ? `${level}: ` : "";
      const why = reason === undefined ? "" : `: ${reason}`;
      const more = Object.entries(rest).map(([name, value]) => plainField(name, value));
      const inBrackets = more.length === 0 ? "" : ` (${more.join(", ")})`;
      write(`${String(time).slice(11, 19)} ${mark}${message}${why}${inBrackets}`);
    },
    wallMs,
    minimum,
  );
}

/** `nextTryInMs: 986` → "next try in 1 s". */
function plainField(name: string, value: string | number | null): string {
  const isDuration = name.endsWith("Ms") && typeof value === "number";
  const words = (isDuration ? name.slice(0, -2) : name).replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return `${words} ${isDuration ? `${Math.round(value / 100) / 10} s` : value}`;
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
