// Text of a frame ↔ typed message, on both sides. A frame that does not parse is a protocol error of the peer, never a crash.
import type * as z from "zod/mini";
import { err, ok, type Result } from "../runtime/result.ts";
import { type ToAgent, toAgentSchema } from "./to-agent.ts";
import { type ToHub, toHubSchema } from "./to-hub.ts";
import { MAX_FRAME_TO_AGENT_BYTES, MAX_FRAME_TO_HUB_BYTES } from "./version.ts";

export const encodeToHub = (message: ToHub): string => JSON.stringify(message);
export const encodeToAgent = (message: ToAgent): string => JSON.stringify(message);

export const decodeToHub = (text: string): Result<ToHub, string> => decode(toHubSchema, text, MAX_FRAME_TO_HUB_BYTES);
export const decodeToAgent = (text: string): Result<ToAgent, string> =>
  decode(toAgentSchema, text, MAX_FRAME_TO_AGENT_BYTES);

function decode<T>(schema: z.ZodMiniType<T>, text: string, maxBytes: number): Result<T, string> {
  // A JavaScript string has at least one byte a character, so this bounds work before parsing; ws bounds bytes before that.
  if (text.length > maxBytes) return err(`frame of ${text.length} characters is over the limit of ${maxBytes}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return err("frame is not JSON");
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const first = parsed.error.issues[0];
  return err(`frame is not valid at ${first?.path.join(".") || "(top)"}: ${first?.message ?? "unknown"}`);
}
