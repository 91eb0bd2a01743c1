// Runs a program to its end and returns what it printed; a failure names the program, its arguments and its last words.
// It must never go through a shell: names of nodes and folders are arguments, not text to be parsed.
import { execFile } from "node:child_process";

/** What the lab calls (ip, iptables, tar, umount) ends in milliseconds; packages take longer and say so. */
const DEADLINE_MS = 30_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

export interface RunOptions {
  readonly cwd?: string;
  readonly deadlineMs?: number;
  readonly env?: NodeJS.ProcessEnv;
}

export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const settings = {
      cwd: options.cwd,
      env: options.env ?? withSystemPath(),
      timeout: options.deadlineMs ?? DEADLINE_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
    };
    execFile(program, args, settings, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const said = stderr.trim().split("\n").slice(-5).join("\n") || error.message;
      reject(new Error(`${program} ${args.join(" ")} failed: ${said}`, { cause: error }));
    });
  });
}

/** For clean-up, where "it is gone already" is the wish and not a failure. */
export async function tryRun(program: string, args: readonly string[], options: RunOptions = {}): Promise<boolean> {
  try {
    await run(program, args, options);
    return true;
  } catch {
    return false;
  }
}

/** Debian keeps ip, iptables and dockerd in folders that are not on every user's PATH. */
export function withSystemPath(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`, ...extra };
}
