// `--since`: how far back somebody wants to look.
import { usage } from "./failure.ts";

/** Milliseconds; undefined: as far as there is. What reads durations is loaded only when one is given. */
export async function sinceOf(text: string | undefined): Promise<number | undefined> {
  if (text === undefined) return undefined;
  const { parseDurationMs } = await import("../compose/values.ts");
  const ms = parseDurationMs(text);
  if (ms === null) throw usage("--since needs a duration with its unit, such as 90s, 10m or 24h.");
  return ms;
}
