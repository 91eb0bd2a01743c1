// Logs: one JSON line per fact, in glossary fields. Never a secret, never a multi-line string.

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
      write(JSON.stringify({ time: new Date(wallMs()).toISOString(), level, message, ...fields }));
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
