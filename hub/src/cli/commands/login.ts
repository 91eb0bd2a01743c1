// `skerry login URL`: asks for the token, or with --user for the password, tries it, and keeps what lets one in. Neither is ever an argument:
// others could read it there.

import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { isLoopback } from "@skerry/shared/runtime/loopback.ts";
import { createClient } from "../client.ts";
import { hubUrl, pinKept, readContexts, writeContexts } from "../contexts.ts";
import { CliFailure, EXIT, type ExitCode, usage } from "../failure.ts";
import { pinForLogin } from "../hub-pin.ts";
import type { Io } from "../io.ts";
import { askSecrets, withCode } from "../secrets.ts";

interface Options {
  readonly url: string;
  readonly tokenFile?: string;
  readonly user?: string;
  readonly context?: string;
  readonly pin?: string;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const url = hubUrl(options.url);
  if (options.user !== undefined && options.tokenFile !== undefined)
    throw usage("--user and --token-file do not go together.", "A user logs in with a password.");
  // Before the token or the password is asked for: it is for a server whose key is known.
  const pin = await pinForLogin(io, url, options.pin, await pinKept(io, url));
  const token =
    options.user === undefined ? cleanToken(await readToken(io, options)) : await sessionOf(io, url, pin, options.user);
  const hub = await createClient({ url, token, pin }, io).call("getVersion", {});
  if (hub.api !== "v1")
    throw new CliFailure(`The hub at ${url} speaks another API than this program.`, {
      hint: "Install the hub's version of skerry.",
    });
  const before = await readContexts(io);
  const name = options.context ?? new URL(url).host;
  const path = await writeContexts(io, {
    current: name,
    contexts: { ...before.contexts, [name]: { url, token, pin } },
  });
  io.out(`Logged in to ${url} (Skerry ${hub.version}, installation ${hub.installation}). Kept in ${path}.\n`);
  if (url.startsWith("http://") && !isLoopback(new URL(url).hostname)) {
    io.err(
      "skerry: warning: this address is not encrypted: the token crosses the network as it is. Use it on networks you trust.\n",
    );
  }
  if (io.env["SKERRY_HUB"] || io.env["SKERRY_TOKEN"]) {
    io.err("skerry: warning: SKERRY_HUB or SKERRY_TOKEN is set, and wins over what was just kept.\n");
  }
  return EXIT.done;
}

/** The session's token: it is kept like any other. */
async function sessionOf(io: Io, url: string, pin: string | null, name: string): Promise<string> {
  const ask = await askSecrets(io);
  const password = await ask("Password: ");
  const client = createClient({ url, token: "", pin }, io);
  const { token } = await withCode(ask, (code) =>
    client.call("logIn", { body: { name, password, ...code, as: "token" } }),
  );
  if (token === null)
    throw new CliFailure("The hub gave no session.", { hint: "Install the hub's version of skerry." });
  return token;
}

async function readToken(io: Io, { tokenFile }: Options): Promise<string> {
  if (tokenFile !== undefined && tokenFile !== "-") {
    return await readFile(resolve(io.cwd, tokenFile), "utf8").catch((error: NodeJS.ErrnoException) => {
      const why = error.code === "ENOENT" ? "it is not there" : error.message;
      throw new CliFailure(`Cannot read the token file ${tokenFile}: ${why}.`);
    });
  }
  return io.inIsTerminal && tokenFile === undefined ? await io.ask("Token: ", true) : await io.readInput();
}

function cleanToken(text: string): string {
  const token = text.trim();
  if (token === "") throw usage("The token is empty.", "It is in the file admin-token of the hub's data folder.");
  if (!/^[\x21-\x7e]{1,256}$/.test(token)) throw usage("This is not a token: a token is one word.");
  return token;
}
