// `skerry user add|role|passwd|disable|enable|rm`: people with names and passwords, by who may manage them; and one's own password.
import { scopeText } from "../../core/permission.ts";
import { confirmByName } from "../confirm.ts";
import { visible } from "../escape.ts";
import { EXIT, type ExitCode, usage } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { appRef } from "../refs.ts";
import { askSecrets, newPassword, withCode } from "../secrets.ts";

interface Named extends HubOptions {
  readonly name: string;
}
export interface BindingOptions extends Named {
  readonly role: string;
  readonly app?: readonly string[];
  readonly nodeLabel?: readonly string[];
}

function bindingOf({ role, app, nodeLabel }: BindingOptions) {
  const nodeLabels = nodeLabel ?? [];
  if (nodeLabels.some((label) => label.indexOf("=") < 1)) throw usage("--node-label needs KEY=VALUE.");
  return { role, apps: (app ?? []).map(appRef), nodeLabels: [...nodeLabels] };
}

export async function add(io: Io, options: BindingOptions): Promise<ExitCode> {
  const binding = bindingOf(options);
  const client = await connect(io, options);
  const password = await newPassword(io, await askSecrets(io), `Password for ${options.name}: `);
  const made = await client.call("addUser", { body: { name: options.name, password, ...binding } });
  io.out(
    `User ${visible(made.name)}: role ${visible(made.role)}, for ${visible(scopeText(made))}.\nHe logs in with: skerry login ${client.url} --user ${visible(made.name)}\n`,
  );
  return EXIT.done;
}

export async function role(io: Io, options: BindingOptions): Promise<ExitCode> {
  const body = bindingOf(options);
  const set = await (await connect(io, options)).call("setUserRole", { params: { user: options.name }, body });
  const has = `role ${visible(set.role)}, for ${visible(scopeText(set))}`;
  io.out(
    set.changed
      ? `${visible(set.name)} has ${has}. His sessions have ended.\n`
      : `${visible(set.name)} had ${has} already.\n`,
  );
  return EXIT.done;
}

export async function passwd(io: Io, options: HubOptions & { readonly name?: string }): Promise<ExitCode> {
  const client = await connect(io, options);
  const ask = await askSecrets(io);
  const { name } = options;
  if (name !== undefined) {
    const password = await newPassword(io, ask, `New password for ${name}: `);
    await client.call("setUserPassword", { params: { user: name }, body: { password } });
    io.out(`${visible(name)} has a new password. His sessions have ended.\n`);
    return EXIT.done;
  }
  const password = await ask("Your password: ");
  const fresh = await newPassword(io, ask);
  const { name: own } = await withCode(ask, (code) =>
    client.call("changePassword", { body: { password, newPassword: fresh, ...code } }),
  );
  io.out(
    `You have a new password, and all your sessions have ended. Log in again: skerry login ${client.url} --user ${visible(own)}\n`,
  );
  return EXIT.done;
}

export async function setEnabled(io: Io, options: Named, enabled: boolean): Promise<ExitCode> {
  const client = await connect(io, options);
  const set = await client.call("setUserEnabled", { params: { user: options.name }, body: { enabled } });
  const state = enabled ? "enabled" : "disabled";
  const rest = enabled ? "" : ": he cannot log in, and his sessions have ended";
  io.out(set.changed ? `${visible(set.name)} is ${state}${rest}.\n` : `${visible(set.name)} was ${state} already.\n`);
  return EXIT.done;
}

export async function remove(io: Io, options: Named & { readonly yes?: boolean }): Promise<ExitCode> {
  const client = await connect(io, options);
  await confirmByName(io, options.name, `The user ${visible(options.name)} is removed. API tokens stay.`, options.yes);
  const { name } = await client.call("removeUser", { params: { user: options.name } });
  io.out(`Removed the user ${visible(name)}. His sessions have ended.\n`);
  return EXIT.done;
}
