// What a command may see and do: streams, terminal, environment, time, chance. Made once in main.ts; tests bring their own.
// No command may reach for `process` itself.
import type { Clock } from "@skerry/shared/runtime/clock.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";

export interface Io {
  /** Standard output, for what was asked for. */
  out(text: string): void;
  /** Resolves when the reader of standard output has taken what it was given: at once, unless it is slow. */
  drained(): Promise<void>;
  /** Standard error, for warnings, progress and failures. */
  err(text: string): void;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  readonly inIsTerminal: boolean;
  /** The terminal's width; null: no terminal, nothing is cut. */
  readonly columns: number | null;
  readonly color: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly homeDir: string;
  /** All of standard input. */
  readInput(): Promise<string>;
  /** One line from the terminal; `hidden`: what is typed does not show. */
  ask(question: string, hidden: boolean): Promise<string>;
  readonly clock: Clock;
  readonly random: Random;
  /** Minutes that local time is behind UTC, as Date has it; 0 in tests. */
  zoneOffsetMinutes(atMs: number): number;
}

/** For options that every command that talks to a hub has. */
export interface HubOptions {
  readonly hub?: string;
  readonly context?: string;
}
