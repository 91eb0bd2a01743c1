// `skerry setup LINK`: makes the first user, with the link that the hub printed at its start; for who has no browser there.
import { createClient } from "../client.ts";
import { hubUrl, pinKept } from "../contexts.ts";
import { EXIT, type ExitCode, usage } from "../failure.ts";
import { pinForLogin } from "../hub-pin.ts";
import type { Io } from "../io.ts";
import { askSecrets, newPassword } from "../secrets.ts";

interface Options {
  readonly link: string;
  readonly user: string;
  readonly pin?: string;
}

export async function run(io: Io, { link, user, pin: given }: Options): Promise<ExitCode> {
  const [, base, code] = /^(.+)\/setup#([0-9a-f]{32})$/.exec(link) ?? [];
  if (base === undefined || code === undefined)
    throw usage(
      "This is not a set-up link.",
      "Give it as the hub printed it, in quotes: 'https://HOST:7443/setup#...'.",
    );
  const url = hubUrl(base);
  const pin = await pinForLogin(io, url, given, await pinKept(io, url));
  const password = await newPassword(io, await askSecrets(io), `Password for ${user}: `);
  const made = await createClient({ url, token: "", pin }, io).call("setUp", { body: { code, name: user, password } });
  io.out(`The user ${made.name} is made, with role ${made.role}. Next: skerry login ${url} --user ${made.name}\n`);
  return EXIT.done;
}
