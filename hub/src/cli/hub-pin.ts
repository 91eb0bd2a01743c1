// Which key a hub may have, for the command line: a pin that a person gave, or the machine's own authorities. A key that nobody vouches for is
// shown and asked about once, at login; it is never trusted in silence.
import type { TLSSocket } from "node:tls";
import { pinOf, readPin } from "@skerry/shared/protocol/pin.ts";
import { cannotReach } from "./client.ts";
import { CliFailure, usage } from "./failure.ts";
import type { Io } from "./io.ts";

/** Name, TCP and TLS over a bad link. */
const LOOK_WITHIN_MS = 15_000;
const WHERE =
  "The hub's machine has it in the file hub-pin of its data folder, and the hub shows it at its start. Give it with --pin PIN.";

/** Throws `usage` for what is no pin. `from`: the option or variable. */
export function pinFrom(text: string, from: string): string {
  const pin = readPin(text);
  if (pin === null) throw usage(`${from} is not a pin: a pin is 64 hex digits.`, WHERE);
  return pin;
}

/** For login. null: the hub's certificate is one that this machine trusts, or there is no TLS. `known`: of an earlier login. */
export async function pinForLogin(
  io: Io,
  url: string,
  given: string | undefined,
  known: string | null,
): Promise<string | null> {
  if (!url.startsWith("https:")) {
    if (given !== undefined) throw usage("--pin is for an https:// address.");
    return null;
  }
  if (given !== undefined) return pinFrom(given, "--pin");
  const fromEnv = io.env["SKERRY_PIN"];
  if (fromEnv !== undefined && fromEnv !== "") return pinFrom(fromEnv, "SKERRY_PIN");
  const seen = await look(url);
  if (seen === null || seen === known) return seen;
  return await askAbout(io, url, seen, known);
}

async function askAbout(io: Io, url: string, seen: string, known: string | null): Promise<string> {
  const changed = known === null ? "" : ` It is another one than at your last login (${known}).`;
  if (!io.inIsTerminal) {
    throw new CliFailure(`Nothing here vouches for the key of ${url}; its pin is ${seen}.${changed}`, { hint: WHERE });
  }
  io.err(`Nothing here vouches for the key of ${url}.${changed} Its pin is\n\n  ${seen}\n\n`);
  const answer = await io.ask("Is that the pin of your hub, as its file hub-pin has it? Type yes to go on: ", false);
  if (answer.trim().toLowerCase() === "yes") return seen;
  throw new CliFailure("Not logged in: the key was not confirmed, and nothing was sent to that server.", {
    hint: WHERE,
  });
}

/** The pin of whatever answers there; null: its certificate is trusted here as it is. Nothing is said to it. */
async function look(url: string): Promise<string | null> {
  const { connect } = await import("node:tls");
  const { isIP } = await import("node:net");
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = connect({ host, port: Number(port) || 443, ...name, rejectUnauthorized: false });
  try {
    return await new Promise<string | null>((resolve, reject) => {
      socket.setTimeout(LOOK_WITHIN_MS, () => reject(new Error("it did not answer in time")));
      socket.once("error", reject);
      socket.once("secureConnect", () => resolve(socket.authorized ? null : pinOfPeer(socket)));
    });
  } catch (error) {
    throw cannotReach({ url }, error);
  } finally {
    socket.on("error", () => undefined);
    socket.destroy();
  }
}

function pinOfPeer(socket: TLSSocket): string {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) throw new Error("it shows no certificate");
  return pinOf(certificate.publicKey);
}
