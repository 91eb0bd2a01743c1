// `skerry hub-key show`: the pins of the hub's key and of its next one, and which nodes do not know that yet.
import type { HubKeyView } from "../../http/schemas/hub-key.ts";
import { safeJson, visible } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { plural } from "../render.ts";

export async function run(io: Io, options: HubOptions & { readonly json?: boolean }): Promise<ExitCode> {
  const key = await (await connect(io, options)).call("getHubKey", {});
  io.out(options.json === true ? `${safeJson(key)}\n` : hubKeyText(key));
  return EXIT.done;
}

const KINDS: Readonly<Record<HubKeyView["kind"], string>> = {
  own: "made by the hub itself",
  files: "of the certificate that the hub was given",
  proxy: "of the proxy before the hub",
  plain: "none: the hub has no TLS",
};

export function hubKeyText({ kind, pin, next, nodes, unaware }: HubKeyView): string {
  if (pin === null) return `key    ${KINDS[kind]}\n`;
  const lines = [`pin    ${pin}`, `key    ${KINDS[kind]}`, `next   ${next ?? "none"}`];
  if (next === null) return `${lines.join("\n")}\n`;
  const known =
    unaware.length === 0
      ? `all ${plural(nodes, "node")} know the next key: skerry hub-key switch`
      : `${plural(unaware.length, "node")} of ${nodes} have not said that they know the next key:`;
  return `${[...lines, known, ...unaware.map((name) => `  ${visible(name)}`)].join("\n")}\n`;
}
