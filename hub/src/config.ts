// The hub's configuration: flags before environment before defaults, checked here and nowhere else.
import * as path from "node:path";
import { err, ok, type Result } from "@skerry/shared/runtime/result.ts";
import * as z from "zod";

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
}

export interface HubFlags {
  readonly data?: string | undefined;
  readonly listen?: string | undefined;
  readonly logLevel?: string | undefined;
  readonly newAdminToken?: boolean | undefined;
  readonly newSigningKey?: boolean | undefined;
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
  return ok({
    dataDir: path.resolve(data.value),
    host: listen.value.host,
    port: listen.value.port,
    logLevel: level.value,
    newAdminToken: flags.newAdminToken ?? false,
    newSigningKey: flags.newSigningKey ?? false,
    plainWords: terminal,
  });
}

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
