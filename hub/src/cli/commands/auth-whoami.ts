// `skerry auth whoami`: who the hub takes this token for, and what it may do.

import { scopeText } from "../../core/permission.ts";
import type { Whoami } from "../../http/schemas/people.ts";
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { age, facts } from "../render.ts";

export async function run(io: Io, options: HubOptions & { readonly json?: boolean }): Promise<ExitCode> {
  const who = await (await connect(io, options)).call("whoami", {});
  io.out(options.json === true ? `${safeJson(who)}\n` : whoText(who, io.columns));
  return EXIT.done;
}

export function whoText(who: Whoami, width: number | null): string {
  return facts(
    [
      ["You are", who.name],
      ["By", who.credential],
      ...who.roles.map((role): [string, string] => ["Role", `${role.role}, for ${scopeText(role)}`]),
      ["May", who.permissions.join(", ") || "nothing"],
      ["Until", who.expiresInMs === null ? "it is replaced" : `in ${age(who.expiresInMs)}`],
    ],
    width,
  );
}
