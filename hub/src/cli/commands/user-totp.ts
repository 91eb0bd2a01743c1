// `skerry user totp enable|disable|recovery`: one's own second factor; `reset`: that of another who lost his.
import { visible } from "../escape.ts";
import { EXIT, type ExitCode, usage } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { askSecrets, withCode } from "../secrets.ts";

/** It counts only once a first code has shown that the app has it. */
export async function enable(io: Io, options: HubOptions): Promise<ExitCode> {
  if (!io.inIsTerminal) throw usage("The first code has to be typed, and there is no terminal.", "Run it in one.");
  const client = await connect(io, options);
  const ask = await askSecrets(io);
  const begun = await client.call("beginSecondFactor", { body: { password: await ask("Your password: ") } });
  io.out(
    [
      "Put this into an authenticator app; it is shown this once:",
      "",
      `  ${visible(begun.secret)}`,
      `  ${visible(begun.uri)}`,
      "",
      "",
    ].join("\n"),
  );
  const code = (await io.ask("The code that the app shows now: ", false)).trim();
  const { recoveryCodes } = await client.call("confirmSecondFactor", { body: { code } });
  io.out(`The second factor is on.\n${codesText(recoveryCodes)}`);
  return EXIT.done;
}

export async function disable(io: Io, options: HubOptions): Promise<ExitCode> {
  const client = await connect(io, options);
  const ask = await askSecrets(io);
  const password = await ask("Your password: ");
  await withCode(ask, (code) => client.call("removeSecondFactor", { body: { password, ...code } }));
  io.out("The second factor is off.\n");
  return EXIT.done;
}

export async function recovery(io: Io, options: HubOptions): Promise<ExitCode> {
  const client = await connect(io, options);
  const ask = await askSecrets(io);
  const password = await ask("Your password: ");
  const { recoveryCodes } = await withCode(ask, (code) =>
    client.call("renewRecoveryCodes", { body: { password, ...code } }),
  );
  io.out(`The recovery codes of before count no more.\n${codesText(recoveryCodes)}`);
  return EXIT.done;
}

export async function reset(io: Io, options: HubOptions & { readonly name: string }): Promise<ExitCode> {
  const client = await connect(io, options);
  const { name } = await client.call("resetSecondFactor", { params: { user: options.name } });
  io.out(
    `${visible(name)} has no second factor any more, and logs in with the password alone until he makes a new one.\n`,
  );
  return EXIT.done;
}

export const codesText = (codes: readonly string[]): string =>
  [
    "Keep these recovery codes where the phone is not; each counts once, and they are shown this once:",
    "",
    ...codes.map((code) => `  ${visible(code)}`),
    "",
  ].join("\n");
