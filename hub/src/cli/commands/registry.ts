// `skerry registry login|ls|rm`: the user and password by which nodes pull from a registry. A password comes from a file, standard input or the
// keyboard, never from the command line, which others can see; it is shown by none of them.
import { resolve } from "node:path";
import { registryNamed } from "@skerry/shared/model/image-name.ts";
import { MAX_REGISTRY_PASSWORD } from "@skerry/shared/model/registry-login.ts";
import type { RegistrySet, RegistryView } from "../../http/schemas/values.ts";
import { safeJson, visible } from "../escape.ts";
import { CliFailure, EXIT, type ExitCode, usage } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { appRef } from "../refs.ts";
import { cell, localTime, type Paint, painter, table } from "../render.ts";
import { fromFile } from "./value.ts";

export interface LoginOptions extends HubOptions {
  readonly registry: string;
  readonly user: string;
  readonly file?: string;
  readonly app?: readonly string[];
  readonly json?: boolean;
}
export interface RegistryOptions extends HubOptions {
  readonly registry: string;
}

export async function login(io: Io, options: LoginOptions): Promise<ExitCode> {
  const registry = registryName(options.registry);
  const password = await passwordOf(io, registry, options);
  const client = await connect(io, options);
  const apps = options.app === undefined ? {} : { apps: options.app.map(appRef) };
  const body = { user: options.user, password, ...apps };
  const done = await client.call("setRegistry", { params: { registry }, body });
  io.out(options.json === true ? `${safeJson(done)}\n` : loginText(done));
  return EXIT.done;
}

export function loginText({ registry, created, changed, usedBy }: RegistrySet): string {
  if (!changed) return `The credential for ${visible(registry)} is as it was.\n`;
  const done = `The credential for ${visible(registry)} is ${created ? "set" : "changed"}.`;
  const whose =
    usedBy.length === 0
      ? "No app is pulled by it yet."
      : `The nodes of ${usedBy.join(", ")} get it now, and use it at their next pull.`;
  return `${done} ${whose}\n`;
}

function registryName(text: string): string {
  const name = registryNamed(text);
  if (name !== null) return name;
  throw usage(
    `${JSON.stringify(text)} is not a registry's name.`,
    "Name its host as in your images, with its port if it has one: ghcr.io, registry.example:5000, docker.io.",
  );
}

/** One line break at its end is the file's or the shell's own, as \`docker login --password-stdin\` has it. */
async function passwordOf(io: Io, registry: string, { user, file }: LoginOptions): Promise<string> {
  const text =
    file !== undefined
      ? (await fromFile(resolve(io.cwd, file), file)).toString("utf8")
      : io.inIsTerminal
        ? await io.ask(`Password of ${visible(user)} at ${registry} (it does not show): `, true)
        : await io.readInput();
  const password = text.replace(/\r?\n$/, "");
  if (password === "")
    throw usage("There is no password.", "printf %s PASSWORD | skerry registry login HOST --user USER, or --file FILE");
  if (password.length > MAX_REGISTRY_PASSWORD)
    throw new CliFailure(`That has ${password.length} characters; a password has ${MAX_REGISTRY_PASSWORD} at most.`);
  return password;
}

export async function list(io: Io, options: HubOptions & { readonly json?: boolean }): Promise<ExitCode> {
  const client = await connect(io, options);
  const { items } = await client.call("listRegistries", {});
  if (options.json === true) io.out(`${safeJson({ items })}\n`);
  else if (items.length > 0) io.out(registriesTable(items, io.columns, painter(io), io.zoneOffsetMinutes));
  else io.err("There are no registry credentials. Set one: skerry registry login HOST --user USER\n");
  return EXIT.done;
}

export function registriesTable(
  registries: readonly RegistryView[],
  width: number | null,
  paint: Paint,
  zoneOffsetMinutes: (atMs: number) => number,
): string {
  const columns = [
    { title: "REGISTRY", shrinksTo: null },
    { title: "USER", shrinksTo: 8 },
    { title: "SET", shrinksTo: null },
    { title: "BY", shrinksTo: 8 },
    { title: "FOR", shrinksTo: 10 },
    { title: "USED BY", shrinksTo: 10 },
    { title: "STATE", shrinksTo: null },
  ];
  const rows = registries.map((one) => [
    cell(one.registry, "bold"),
    cell(one.user ?? "-"),
    cell(localTime(one.setAtMs, zoneOffsetMinutes(one.setAtMs)).slice(0, 16)),
    cell(one.setBy),
    cell(one.apps.join(", ") || "all"),
    cell(one.usedBy.join(", ") || "-"),
    one.user === null ? cell("key lost", "bad") : cell("ok"),
  ]);
  return table(columns, rows, width, paint);
}

export async function remove(io: Io, options: RegistryOptions): Promise<ExitCode> {
  const registry = registryName(options.registry);
  const client = await connect(io, options);
  await client.call("removeRegistry", { params: { registry } });
  io.out(`The credential for ${visible(registry)} is removed, and nodes forget it as soon as they are heard.\n`);
  return EXIT.done;
}
