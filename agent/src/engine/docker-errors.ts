// What the engine said → why the call failed, grouped by what the caller must do. Pure. Status codes alone do not tell: engines use
// 500 and 403 for "taken" and 400 for "the file is not there yet", so words are read too; each one here was seen from a real engine.
import { DeadlineError } from "@skerry/shared/runtime/clock.ts";
import { EngineError, type EngineErrorKind } from "./engine.ts";
import { plainly, pullFailure } from "./engine-words.ts";

/** "create" and "start" differ: what a create call refuses is the spec's fault, what a start call refuses may be the machine's. */
export type CallKind = "read" | "change" | "create" | "start" | "pull";

/** Long messages carry whole command lines; a screen and a report need the start. */
const MAX_MESSAGE_LENGTH = 1_000;

const TAKEN = [
  "port is already allocated",
  "address already in use",
  "is already in use by container",
  "is already in progress",
  "marked for removal",
  "already exists",
  "has active endpoints",
  "is already attached",
] as const;
/** The machine's state, not the spec, is in the way: a USB disk not yet mounted, a volume plugin not yet up. */
const LATER = ["bind source path does not exist", "no space left on device", "no such device"] as const;

export function toEngineError(what: string, call: CallKind, socketPath: string, error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  if (error instanceof DeadlineError) {
    return new EngineError("unreachable", `the engine did not answer: ${what} took over ${error.afterMs / 1_000} s`, {
      cause: error,
    });
  }
  const answer = engineAnswer(error);
  if (answer === null) return new EngineError("unreachable", socketWords(socketPath, error), { cause: error });
  const why = call === "pull" ? { pullFailure: pullFailure(answer.message) } : {};
  return new EngineError(errorKind(call, answer.status, answer.message), plainly(what, answer.message), {
    cause: error,
    ...why,
  });
}

export function errorKind(call: CallKind, status: number, message: string): EngineErrorKind {
  const words = message.toLowerCase();
  const says = (list: readonly string[]): boolean => list.some((one) => words.includes(one));
  // A registry answers for itself, whatever the code: the image may be pushed, or the network be back, a minute later.
  if (call === "pull") return status === 400 ? "invalid" : "retry";
  if (status === 409 || says(TAKEN)) return "conflict";
  if (status === 404) return "not-found";
  if (says(LATER)) return "retry";
  if (status === 403) return "conflict";
  if (status === 501) return "invalid";
  if (status === 400) return call === "start" ? "retry" : "invalid";
  return "retry";
}

/** Null when there was no answer at all. */
function engineAnswer(error: unknown): { status: number; message: string } | null {
  if (!(error instanceof Error) || !("statusCode" in error) || typeof error.statusCode !== "number") return null;
  const json: unknown = "json" in error ? error.json : null;
  const said = json !== null && typeof json === "object" && "message" in json ? String(json.message) : error.message;
  return { status: error.statusCode, message: oneLine(said) };
}

/** Control characters out, bounded: these words reach a screen, a log line and a report. */
export function oneLine(text: string): string {
  const plain = text
    .replace(/\p{Cc}+/gu, " ")
    .trim()
    .slice(0, MAX_MESSAGE_LENGTH);
  return plain === "" ? "no reason given" : plain;
}

function socketWords(socketPath: string, error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "ENOENT":
      return `no container engine at ${socketPath}: install Docker or start it, or name its socket with --docker`;
    case "ECONNREFUSED":
      return `no container engine listens at ${socketPath}: start Docker (systemctl start docker)`;
    case "EACCES":
    case "EPERM":
      return `permission denied on ${socketPath}: run the agent as root or put its user into the group docker`;
    case "ENOTSOCK":
    case "ENOTDIR":
      return `${socketPath} is not a socket: name the engine's socket with --docker`;
    default:
      return `the engine broke off the connection at ${socketPath}: ${oneLine(error instanceof Error ? error.message : String(error))}`;
  }
}
