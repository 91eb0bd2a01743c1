// Which hub, with which token: flags, then environment, then the contexts that `skerry login` keeps in the user's config folder.
// The file is private (0600) and replaced whole. A token is given to the hub it was stored for, and to no other.
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Target } from "./client.ts";
import { CliFailure, usage } from "./failure.ts";
import { pinFrom } from "./hub-pin.ts";
import type { HubOptions, Io } from "./io.ts";

export interface Contexts {
  readonly current: string | null;
  readonly contexts: Readonly<Record<string, Target>>;
}
const none: Contexts = { current: null, contexts: {} };

export function contextsPath(io: Pick<Io, "env" | "homeDir">): string {
  const configured = io.env["XDG_CONFIG_HOME"];
  // The XDG rules: a relative path is to be ignored.
  const folder = configured?.startsWith("/") ? configured : join(io.homeDir, ".config");
  return join(folder, "skerry", "contexts.json");
}

export async function readContexts(io: Io): Promise<Contexts> {
  const path = contextsPath(io);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
    throw new CliFailure(`Cannot read ${path}: ${error.message}.`, { hint: "Look at its owner and permissions." });
  });
  if (text === null) return none;
  const parsed = parseContexts(text);
  if (parsed === null) {
    throw new CliFailure(`${path} is damaged.`, { hint: "Remove it, and log in again: skerry login URL." });
  }
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) io.err(`skerry: warning: others can read the tokens in ${path}. Run: chmod 600 ${path}\n`);
  return parsed;
}

function parseContexts(text: string): Contexts | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null || !("contexts" in value)) return null;
  const { contexts } = value;
  if (typeof contexts !== "object" || contexts === null) return null;
  const targets: [string, Target][] = [];
  for (const [name, target] of Object.entries(contexts)) {
    if (typeof target?.url !== "string" || typeof target?.token !== "string") return null;
    targets.push([
      name,
      { url: target.url, token: target.token, pin: typeof target.pin === "string" ? target.pin : null },
    ]);
  }
  const current = "current" in value && typeof value.current === "string" ? value.current : null;
  return { current, contexts: Object.fromEntries(targets) };
}

export async function writeContexts(io: Io, contexts: Contexts): Promise<string> {
  const path = contextsPath(io);
  const draft = `${path}.${io.random.hex(6)}`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(draft, "wx", 0o600);
    try {
      await file.writeFile(`${JSON.stringify(contexts, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
    return path;
  } catch (error) {
    await rm(draft, { force: true });
    const words = error instanceof Error ? error.message : String(error);
    throw new CliFailure(`Cannot write ${path}: ${words}.`, {
      hint: "Give it room and permission, or use SKERRY_HUB and SKERRY_TOKEN instead of logging in.",
      cause: error,
    });
  }
}

/** `host:7443` is https://host:7443. Refuses what cannot be a hub's address. */
export function hubUrl(text: string): string {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  const url = URL.canParse(full) ? new URL(full) : null;
  const isPlain = url !== null && url.username === "" && url.search === "" && url.hash === "";
  if (url === null || !isPlain || !/^https?:$/.test(url.protocol) || url.hostname === "") {
    throw usage(`${JSON.stringify(text)} is not a hub's address.`, "Write https://HOST:7443.");
  }
  return (url.origin + url.pathname).replace(/\/+$/, "");
}

export async function findTarget(options: HubOptions, io: Io): Promise<Target> {
  const flagged = options.hub ?? (options.context === undefined ? emptyAsUnset(io.env["SKERRY_HUB"]) : undefined);
  const token = emptyAsUnset(io.env["SKERRY_TOKEN"]);
  const given = emptyAsUnset(io.env["SKERRY_PIN"]);
  const pin = given === undefined ? undefined : pinFrom(given, "SKERRY_PIN");
  if (flagged !== undefined && token !== undefined) {
    const url = hubUrl(flagged);
    return { url, token, pin: pin ?? (url.startsWith("https:") ? await pinKept(io, url) : null) };
  }
  const { current, contexts } = await readContexts(io);
  const name = options.context ?? emptyAsUnset(io.env["SKERRY_CONTEXT"]) ?? current;
  const context = name === null ? undefined : contexts[name];
  if (options.context !== undefined && context === undefined) {
    const known = Object.keys(contexts).sort().join(", ") || "none";
    throw usage(
      `There is no context ${JSON.stringify(options.context)}.`,
      `Known: ${known}. Log in to make one: skerry login URL --context NAME.`,
    );
  }
  if (flagged === undefined) {
    if (context === undefined) {
      throw new CliFailure("No hub is known here.", {
        hint: "Log in: skerry login https://HOST:7443. Or set SKERRY_HUB and SKERRY_TOKEN.",
      });
    }
    return { url: context.url, token: token ?? context.token, pin: pin ?? context.pin };
  }
  const url = hubUrl(flagged);
  const stored = [context, ...Object.values(contexts)].find((candidate) => candidate?.url === url);
  if (token === undefined && stored === undefined) {
    throw new CliFailure(`No token is known for the hub at ${url}.`, {
      hint: `Log in: skerry login ${url}. Or set SKERRY_TOKEN.`,
    });
  }
  return { url, token: token ?? stored?.token ?? "", pin: pin ?? stored?.pin ?? null };
}

/** Of a login to that address; a file that cannot be read says nothing about a hub that is named without it. */
export async function pinKept(io: Io, url: string): Promise<string | null> {
  const { contexts } = await readContexts(io).catch(() => none);
  return Object.values(contexts).find((context) => context.url === url)?.pin ?? null;
}

function emptyAsUnset(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
