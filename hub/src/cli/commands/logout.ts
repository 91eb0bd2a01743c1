// `skerry logout`: ends the session at the hub, and forgets what was kept here. An API token is only forgotten: it is removed by who manages it.
import { createClient, HubRefusal, type Target } from "../client.ts";
import { findTarget, readContexts, writeContexts } from "../contexts.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import type { HubOptions, Io } from "../io.ts";

export async function run(io: Io, options: HubOptions & { readonly everywhere?: boolean }): Promise<ExitCode> {
  const target = await findTarget(options, io);
  const said = target.token.startsWith("sks1.") ? await endSession(io, target, options.everywhere === true) : "";
  const before = await readContexts(io);
  const kept = Object.entries(before.contexts).filter(
    ([, { url, token }]) => url !== target.url || token !== target.token,
  );
  if (kept.length < Object.keys(before.contexts).length) {
    const contexts = Object.fromEntries(kept);
    const current = before.current !== null && Object.hasOwn(contexts, before.current) ? before.current : null;
    await writeContexts(io, { current, contexts });
  }
  io.out(`${said}Forgot the login to ${target.url}.\n`);
  if (io.env["SKERRY_TOKEN"]) io.err("skerry: warning: SKERRY_TOKEN is set, and is still used.\n");
  return EXIT.done;
}

async function endSession(io: Io, target: Target, isEverywhere: boolean): Promise<string> {
  try {
    const { ended } = await createClient(target, io).call("logOut", {
      query: isEverywhere ? { everywhere: "true" as const } : {},
    });
    return isEverywhere ? `Ended ${ended} ${ended === 1 ? "session" : "sessions"}. ` : "Ended the session. ";
  } catch (error) {
    // Over already: nothing is left to end.
    if (error instanceof HubRefusal && error.code === "session-ended") return "";
    throw error;
  }
}
