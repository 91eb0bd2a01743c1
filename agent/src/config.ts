// The agent's command line and environment: the door where words become a typed configuration. Says what is wrong and how it is meant.
import { hostname } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { nodeNameSchema } from "@skerry/shared/model/ids.ts";
import { MAX_LOG_TAIL } from "@skerry/shared/protocol/streams.ts";
import { err, ok, type Result } from "@skerry/shared/runtime/result.ts";
import { INVENTORY_WORD } from "./facts/inventory.ts";
import { WINDOWS_WORD } from "./times/edges.ts";

export const DEFAULT_DATA_DIR = "/var/lib/skerry/agent";
const DEFAULT_DOCKER_SOCKET = "/var/run/docker.sock";
/** Cleared at a reboot by every Linux: a lease must not survive one. */
const DEFAULT_RUN_DIR = "/run/skerry";
/** A path of a unix socket may have 108 bytes, the NUL at its end included. */
const MAX_SOCKET_PATH = 107;
const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

export type AgentCommand =
  | { readonly kind: "help" }
  /** Not for people: see facts/inventory. */
  | { readonly kind: "inventory" }
  /** Not for people: see times/edges. */
  | { readonly kind: "windows" }
  | { readonly kind: "status"; readonly dataDir: string; readonly json: boolean }
  | {
      readonly kind: "logs";
      readonly dataDir: string;
      readonly target: string;
      readonly follow: boolean;
      /** null: all. */
      readonly tail: number | null;
    }
  | { readonly kind: "safe-mode-off"; readonly dataDir: string }
  | { readonly kind: "run"; readonly config: AgentConfig };

export interface AgentConfig {
  /** null: as joined. */
  readonly hubUrl: string | null;
  /** Needed once, to join. */
  readonly token: string | null;
  /** Where the token stands instead; read only when it is needed. */
  readonly tokenFile: string | null;
  readonly dataDir: string;
  readonly runDir: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly dockerSocket: string;
  readonly metered: boolean;
  readonly logLevel: (typeof LOG_LEVELS)[number];
}

export const AGENT_USAGE = `Usage: skerry agent --hub URL --token TOKEN [options]    join this machine and run its agent
       skerry agent [options]                            run the agent of a machine that has joined
       skerry agent status [--json] [--data DIR]         what it runs, and since when it has not heard from the hub
       skerry agent safe-mode off [--data DIR]           change things again although the machine restarted often
       skerry agent logs APP[/SERVICE[/SLOT]] [-f] [--tail N]    what containers wrote, also without a hub

  --hub URL        the hub's address, for example https://hub.example:7443    (SKERRY_HUB)
  --token TOKEN    a join token, from: skerry token create                    (SKERRY_TOKEN)
                   others on this machine can see it in "ps" until it is read: SKERRY_TOKEN or a file is better
  --token-file F   a file that holds it, needed only to join
  --data DIR       its folder, default ${DEFAULT_DATA_DIR}                 (SKERRY_DATA)
  --name NAME      what people call this node, default its host name
  --label K=V      a label for placement; may be given several times
  --docker SOCKET  the engine's socket, default ${DEFAULT_DOCKER_SOCKET}
  --metered        the link costs money by the byte: long periods
  --run-dir DIR    where a lease is kept until the next reboot, default ${DEFAULT_RUN_DIR}
  --log-level L    debug, info, warn or error; default info
`;

/** The error is one sentence for the person at the terminal. */
export function readCommand(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Result<AgentCommand, string> {
  const parsed = parseWords(args);
  if (!parsed.ok) return parsed;
  const { values, positionals } = parsed.value;
  if (values.help === true) return ok({ kind: "help" });
  const dataDir = resolve(values.data || env["SKERRY_DATA"] || DEFAULT_DATA_DIR);
  const [word, ...more] = positionals;
  if (word === "status" && more.length === 0) return ok({ kind: "status", dataDir, json: values.json === true });
  if (word === "logs") return readLogs(values, more, dataDir);
  if (word === "safe-mode" && more.join(" ") === "off") return ok({ kind: "safe-mode-off", dataDir });
  if (word === "safe-mode") return err(`"skerry agent safe-mode" takes one word: off`);
  if (word === INVENTORY_WORD && more.length === 0) return ok({ kind: "inventory" });
  if (word === WINDOWS_WORD && more.length === 0) return ok({ kind: "windows" });
  if (word !== undefined) return err(`there is no command "skerry agent ${positionals.join(" ")}"`);
  if (values.json === true) return err("--json belongs to: skerry agent status");
  if (values.follow === true || values.tail !== undefined) return err("-f and --tail belong to: skerry agent logs");
  return readConfig(values, env, dataDir);
}

/** Whether a secret stands among the words, where everybody on the machine can read it. */
export const holdsToken = (args: readonly string[]): boolean => args.some((word) => /^--token(=|$)/.test(word));

type Words = ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>>;

const OPTIONS = {
  hub: { type: "string" },
  token: { type: "string" },
  "token-file": { type: "string" },
  data: { type: "string" },
  name: { type: "string" },
  label: { type: "string", multiple: true },
  docker: { type: "string" },
  metered: { type: "boolean" },
  "run-dir": { type: "string" },
  "log-level": { type: "string" },
  json: { type: "boolean" },
  follow: { type: "boolean", short: "f" },
  tail: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

function parseWords(args: readonly string[]): Result<Words, string> {
  try {
    return ok(parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true }));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return err(message.split(". ")[0] ?? message);
  }
}

function readLogs(
  { follow, tail }: Words["values"],
  targets: readonly string[],
  dataDir: string,
): Result<AgentCommand, string> {
  const [target, ...more] = targets;
  if (target === undefined || more.length > 0) return err("logs takes one of APP, APP/SERVICE or APP/SERVICE/SLOT");
  const lines = tail === undefined || tail === "all" ? null : Number(tail);
  if (lines !== null && !(Number.isInteger(lines) && lines >= 0 && lines <= MAX_LOG_TAIL)) {
    return err(`--tail is a number up to ${MAX_LOG_TAIL}, or all`);
  }
  return ok({ kind: "logs", dataDir, target, follow: follow === true, tail: lines });
}

function readConfig(
  values: Words["values"],
  env: Readonly<Record<string, string | undefined>>,
  dataDir: string,
): Result<AgentCommand, string> {
  const hubUrl = readHubUrl(values.hub || env["SKERRY_HUB"] || null);
  if (!hubUrl.ok) return hubUrl;
  const labels = readLabels(values.label ?? []);
  if (!labels.ok) return labels;
  const name = nodeNameSchema.safeParse(values.name ?? defaultName());
  if (!name.success) {
    return err(`"${values.name ?? ""}" cannot be a node's name: letters, digits, "-" and ".", at most 63 of them`);
  }
  const level = LOG_LEVELS.find((one) => one === (values["log-level"] ?? "info"));
  if (level === undefined) return err(`--log-level is one of ${LOG_LEVELS.join(", ")}`);
  const socketPath = `${dataDir}/agent.sock`;
  if (Buffer.byteLength(socketPath) > MAX_SOCKET_PATH) {
    return err(
      `the data folder's path is too long for a socket in it (${socketPath}): choose a shorter one with --data`,
    );
  }
  const config: AgentConfig = {
    hubUrl: hubUrl.value,
    token: values.token || (values["token-file"] ? null : env["SKERRY_TOKEN"]) || null,
    tokenFile: values["token-file"] ? resolve(values["token-file"]) : null,
    dataDir,
    runDir: resolve(values["run-dir"] || DEFAULT_RUN_DIR),
    name: name.data,
    labels: labels.value,
    dockerSocket: resolve((values.docker || DEFAULT_DOCKER_SOCKET).replace(/^unix:\/\//, "")),
    metered: values.metered === true,
    logLevel: level,
  };
  return ok({ kind: "run", config });
}

function readHubUrl(text: string | null): Result<string | null, string> {
  if (text === null) return ok(null);
  const address = /^[a-z]+:\/\//i.test(text) ? text : `https://${text}`;
  if (!URL.canParse(address)) return err(`--hub ${text} is not an address; it looks like https://hub.example:7443`);
  const url = new URL(address);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return err(
      `--hub ${text}: the address starts with https://, or with http:// for a hub without TLS on this machine`,
    );
  }
  if (url.username !== "" || url.search !== "" || url.hash !== "") {
    return err(`--hub ${text}: the address holds only a host, a port and perhaps a path`);
  }
  return ok(url.href.replace(/\/+$/, ""));
}

function readLabels(words: readonly string[]): Result<Readonly<Record<string, string>>, string> {
  const labels: Record<string, string> = {};
  for (const word of words) {
    const match = /^([A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?)=(.{0,255})$/.exec(word);
    if (match === null) return err(`--label ${word}: a label is KEY=VALUE, for example site=shop`);
    const [, key = "", value = ""] = match;
    labels[key] = value;
  }
  return ok(labels);
}

/** Host names may hold what a node's name may not. */
function defaultName(): string {
  return (
    hostname()
      .replace(/[^a-zA-Z0-9.-]+/g, "-")
      .replace(/^[.-]+|[.-]+$/g, "")
      .slice(0, 63) || "node"
  );
}
