// `skerry hub-key next`: makes the hub's next key and tells its pin to all nodes. The present key stays in use.
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { hubKeyText } from "./hub-key-show.ts";

export async function run(io: Io, options: HubOptions & { readonly json?: boolean }): Promise<ExitCode> {
  const key = await (await connect(io, options)).call("prepareHubKey", { body: {} });
  if (options.json === true) io.out(`${safeJson(key)}\n`);
  else io.out(`${hubKeyText(key)}The present key stays in use until: skerry hub-key switch\n`);
  return EXIT.done;
}
