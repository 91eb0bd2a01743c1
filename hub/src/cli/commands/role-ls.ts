// `skerry role ls`: all roles, built-in and own, and what each may do.
import type { RoleView } from "../../http/schemas/people.ts";
import { safeJson, visible } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { type Paint, painter, wrap } from "../render.ts";

export async function run(io: Io, options: HubOptions & { readonly json?: boolean }): Promise<ExitCode> {
  const { items } = await (await connect(io, options)).call("listRoles", {});
  io.out(options.json === true ? `${safeJson({ items })}\n` : rolesText(items, io.columns, painter(io)));
  return EXIT.done;
}

export function rolesText(roles: readonly RoleView[], width: number | null, paint: Paint): string {
  const lines = roles.map(({ name, builtin, permissions }) =>
    wrap(
      `${paint("bold", visible(name))}${builtin ? "" : " (own)"}: `,
      visible(permissions.join(", ")),
      width,
      "  ",
    ).trimEnd(),
  );
  return `${lines.join("\n")}\n`;
}
