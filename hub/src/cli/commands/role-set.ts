// `skerry role set NAME PERMISSION…`: makes an own role, or gives it other permissions.
import { visible } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { permissionRef } from "../refs.ts";

export async function run(
  io: Io,
  options: HubOptions & { readonly name: string; readonly permissions: readonly string[] },
): Promise<ExitCode> {
  const permissions = [...new Set(options.permissions.map(permissionRef))];
  const client = await connect(io, options);
  const role = await client.call("setRole", { params: { role: options.name }, body: { permissions } });
  const had = role.changed ? "" : " (it was so already)";
  io.out(`Role ${visible(role.name)}: ${visible(role.permissions.join(", "))}${had}\n`);
  return EXIT.done;
}
