// The logs of simulated processes go into the trace.
import type { Log, LogFields } from "@skerry/shared/runtime/log.ts";
import type { Trace } from "./trace.ts";

export function logTo(trace: Trace, who: string): Log {
  const line =
    (level: string) =>
    (message: string, fields: LogFields = {}): void => {
      trace.note(who, `${level} ${message} ${JSON.stringify(fields)}`);
    };
  return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}
