// `skerry hub`: checks the flags and runs the hub in this process.
import { type HubFlags, parseHubConfig } from "../../config.ts";
import { EXIT, type ExitCode, usage } from "../failure.ts";
import type { Io } from "../io.ts";

export async function run(io: Io, options: HubFlags): Promise<ExitCode> {
  const config = parseHubConfig(options, io.env, io.outIsTerminal);
  if (!config.ok) throw usage(config.error, "skerry hub --help shows the options.");
  const { runHub } = await import("../../main.ts");
  return (await runHub(config.value)) === 0 ? EXIT.done : EXIT.failed;
}
