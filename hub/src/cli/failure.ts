// What a command can end with besides success: a sentence for a person, what to do next, and an exit code.
// Exit codes are a promise to scripts: 0 done, 1 failed, 2 usage, 3 not converged in time.

export const EXIT = { done: 0, failed: 1, usage: 2, notConverged: 3 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export class CliFailure extends Error {
  override name = "CliFailure";
  readonly hint: string;
  readonly exitCode: ExitCode;
  /** Further lines that stand between the message and the hint. */
  readonly details: readonly string[];
  constructor(
    message: string,
    more: {
      readonly hint?: string;
      readonly exitCode?: ExitCode;
      readonly details?: readonly string[];
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.hint = more.hint ?? "";
    this.exitCode = more.exitCode ?? EXIT.failed;
    this.details = more.details ?? [];
  }
}

/** Wrong words on the command line. */
export function usage(message: string, hint = ""): CliFailure {
  return new CliFailure(message, { hint, exitCode: EXIT.usage });
}
