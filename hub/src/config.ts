// The hub's configuration: flags before environment before defaults, checked here and nowhere else.

import * as path from "node:path";
import { readPin } from "@skerry/shared/protocol/pin.ts";
import { MAX_PINS } from "@skerry/shared/protocol/version.ts";
import { isLoopback } from "@skerry/shared/runtime/loopback.ts";
import { err, ok, type Result } from "@skerry/shared/runtime/result.ts";
import * as z from "zod";
import type { FrontChoice } from "./tls/front.ts";

export const DEFAULT_LISTEN = "127.0.0.1:7443";
export const DEFAULT_DATA = "/var/lib/skerry/hub";

export interface HubConfig {
  /** Absolute. Holds the database, the admin token and the signing key. */
  readonly dataDir: string;
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  /** 0: any free one (tests). */
  readonly port: number;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  /** Throw the admin token away and make a new one. */
  readonly newAdminToken: boolean;
  /** Go on with another signing key than the one that the nodes know. */
  readonly newSigningKey: boolean;
  /** Plain words for a person instead of JSON lines. */
  readonly plainWords: boolean;
  /** How it is reached. */
  readonly front: FrontChoice;
  /** Throw the hub's own key away and make a new one: nodes then need new join tokens. */
  readonly newHubKey: boolean;
}

export interface HubFlags {
  readonly data?: string | undefined;
  readonly listen?: string | undefined;
  readonly logLevel?: string | undefined;
  readonly newAdminToken?: boolean | undefined;
  readonly newSigningKey?: boolean | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly nextPin?: string | undefined;
  readonly behindProxy?: string | undefined;
  readonly plain?: boolean | undefined;
  readonly newHubKey?: boolean | undefined;
}

const listenSchema = z
  .string()
  .regex(/^(?:\[[0-9a-fA-F:.]+\]|[^:\s[\]]+):[0-9]{1,5}$/, "must be HOST:PORT, for example 0.0.0.0:7443 or [::]:7443")
  .transform((text) => {
    const at = text.lastIndexOf(":");
    return { host: text.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(text.slice(at + 1)) };
  })
  .refine((listen) => listen.port <= 65_535, "the port must be at most 65535");
const dataSchema = z
  .string()
  .min(1, "must name a folder")
  .max(4_096)
  .refine((text) => !text.includes("\0"), "must not hold a NUL character");
const PIN_RULE = "must be a pin: 64 hex digits, the SHA-256 of the public key (SPKI)";
const PINS_RULE =
  "must be the pin of the proxy's key, 64 hex digits; and after a comma that of its next key, if there is one";
const levelSchema = z.enum(["debug", "info", "warn", "error"], "must be debug, info, warn or error");

/** The error is one sentence for the terminal, naming the flag or variable at fault. */
export function parseHubConfig(
  flags: HubFlags,
  env: Readonly<Record<string, string | undefined>>,
  terminal: boolean,
): Result<HubConfig, string> {
  const listen = read("--listen", flags.listen, "SKERRY_LISTEN", env, DEFAULT_LISTEN, listenSchema);
  if (!listen.ok) return listen;
  const data = read("--data", flags.data, "SKERRY_DATA", env, DEFAULT_DATA, dataSchema);
  if (!data.ok) return data;
  const level = read("--log-level", flags.logLevel, "SKERRY_LOG_LEVEL", env, "info", levelSchema);
  if (!level.ok) return level;
  const front = readFront(flags, env, listen.value.host);
  if (!front.ok) return front;
  if (flags.newHubKey === true && front.value.kind !== "own") {
    return err("--new-hub-key is for a hub with a key of its own: this one is not to use it.");
  }
  return ok({
    front: front.value,
    newHubKey: flags.newHubKey ?? false,
    dataDir: path.resolve(data.value),
    host: listen.value.host,
    port: listen.value.port,
    logLevel: level.value,
    newAdminToken: flags.newAdminToken ?? false,
    newSigningKey: flags.newSigningKey ?? false,
    plainWords: terminal,
  });
}

type Env = Readonly<Record<string, string | undefined>>;

const pinsSchema = z
  .string()
  .transform((text) => text.split(",").map(readPin))
  .refine((pins) => pins.every((pin) => pin !== null) && pins.length <= MAX_PINS, PINS_RULE);
const fileSchema = z.string().min(1, "must name a file").max(4_096);

/** TLS with a key of its own, unless something else was asked for; two things at once are refused. */
function readFront(flags: HubFlags, env: Env, host: string): Result<FrontChoice, string> {
  const own = { cert: said(flags.tlsCert, env, "SKERRY_TLS_CERT"), key: said(flags.tlsKey, env, "SKERRY_TLS_KEY") };
  const proxy = said(flags.behindProxy, env, "SKERRY_BEHIND_PROXY");
  const isPlain = flags.plain ?? ["1", "true"].includes(env["SKERRY_PLAIN"] ?? "");
  const isOwn = own.cert !== undefined || own.key !== undefined;
  if (Number(isOwn) + Number(proxy !== undefined) + Number(isPlain) > 1) {
    return err("--tls-cert with --tls-key, --behind-proxy and --plain exclude each other: give one of them, or none.");
  }
  const nextPin = said(flags.nextPin, env, "SKERRY_NEXT_PIN");
  if (nextPin !== undefined && !isOwn) {
    return err(
      "--next-pin belongs to --tls-cert: a hub with a key of its own has skerry hub-key, and --behind-proxy takes two pins.",
    );
  }
  if (isOwn) return readFiles(flags, env, nextPin);
  if (proxy !== undefined) {
    const pins = read("--behind-proxy", flags.behindProxy, "SKERRY_BEHIND_PROXY", env, "", pinsSchema);
    return pins.ok ? ok({ kind: "proxy", pins: pins.value.filter((pin) => pin !== null) }) : pins;
  }
  if (isPlain && !isLoopback(host)) {
    return err(
      `--plain is without TLS and for this machine alone: it listens on 127.0.0.1 or [::1], not on ${host}. Leave --plain out, and the hub makes a key by itself; behind a proxy that ends TLS: --behind-proxy PIN.`,
    );
  }
  return ok(isPlain ? { kind: "plain" } : { kind: "own" });
}

function readFiles(flags: HubFlags, env: Env, nextPin: string | undefined): Result<FrontChoice, string> {
  const cert = read("--tls-cert", flags.tlsCert, "SKERRY_TLS_CERT", env, "", fileSchema);
  if (!cert.ok) return err("--tls-key needs --tls-cert FILE beside it: the certificate of that key.");
  const key = read("--tls-key", flags.tlsKey, "SKERRY_TLS_KEY", env, "", fileSchema);
  if (!key.ok) return err("--tls-cert needs --tls-key FILE beside it: the certificate's private key.");
  const next = nextPin === undefined ? null : readPin(nextPin);
  if (nextPin !== undefined && next === null) return err(`--next-pin ${PIN_RULE}.`);
  const files = { certFile: path.resolve(cert.value), keyFile: path.resolve(key.value) };
  return ok({ kind: "files", ...files, nextPin: next });
}

/** undefined: not given, or left empty by a shell or a unit file. */
const said = (flag: string | undefined, env: Env, variable: string): string | undefined =>
  flag ?? (env[variable] === "" ? undefined : env[variable]);

function read<T>(
  flag: string,
  flagValue: string | undefined,
  variable: string,
  env: Readonly<Record<string, string | undefined>>,
  fallback: string,
  schema: z.ZodType<T>,
): Result<T, string> {
  // An empty variable counts as unset, as shells and unit files leave them behind; an empty flag is a mistake.
  const fromEnv = env[variable] === "" ? undefined : env[variable];
  const parsed = schema.safeParse(flagValue ?? fromEnv ?? fallback);
  if (parsed.success) return ok(parsed.data);
  const name = flagValue === undefined ? variable : flag;
  return err(`${name} ${parsed.error.issues[0]?.message ?? "is not valid"}.`);
}
