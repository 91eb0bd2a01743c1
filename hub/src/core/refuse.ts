// A refusal of a command, as every part of the core says it.
import { err } from "@skerry/shared/runtime/result.ts";
import type { HandleResult, RefusalCode } from "./command.ts";

/** `message`: what is in the way. `hint`: what to do instead. `path`: of the command's field that is wrong; null: none. */
export const refuse = (code: RefusalCode, message: string, hint: string, path: string | null = null): HandleResult =>
  err({ code, message, hint, path });
