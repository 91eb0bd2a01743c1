// Builds the real hub: clock, chance, disk, network. Starts it, says in plain words what a person does next, and stops it in order.
// A start that cannot succeed ends with one message that names the next step, and changes nothing.

import { mkdirSync, statSync } from "node:fs";
import type { Server } from "node:http";
import * as path from "node:path";
import type { InstallationId, NodeId, PublicKey } from "@skerry/shared/model/ids.ts";
import { valueWords } from "@skerry/shared/model/value-names.ts";
import { type Clock, sleep, systemClock } from "@skerry/shared/runtime/clock.ts";
import { jsonLog, type Log, type LogLevel } from "@skerry/shared/runtime/log.ts";
import { isLoopback } from "@skerry/shared/runtime/loopback.ts";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { err, ok, type Result } from "@skerry/shared/runtime/result.ts";
import { SKERRY_VERSION } from "@skerry/shared/runtime/version.ts";
import type { HubConfig } from "./config.ts";
import { type ControlLoop, createControlLoop } from "./control-loop.ts";
import { DEFAULT_SETTINGS } from "./core/decide.ts";
import { keysTaken } from "./core/key-roll.ts";
import { usersOf } from "./core/value.ts";
import { type AdminToken, ensureAdminToken } from "./http/admin-token.ts";
import type { HttpDeps, HubKeyControl, OwnHubKey } from "./http/deps.ts";
import { PASSWORD_COST } from "./http/login/passwords.ts";
import { ensureUserKey, type UserKey, UserKeyError } from "./http/login/user-key.ts";
import { addProcessMetrics, addSurroundings } from "./http/metrics.ts";
import { createHttpServer, type HttpServer } from "./http/server.ts";
import { type Keyring, openKeyring } from "./keyring/keyring.ts";
import { readLogs } from "./link/logs.ts";
import { PinBook } from "./link/pin-book.ts";
import { createLinkServer, type LinkServer } from "./link/server.ts";
import { NodeStreams } from "./link/streams.ts";
import { attachUpgrade, type Upgrades } from "./link/ws-connection.ts";
import { ensureSigningKey, type SigningKey } from "./signing-key.ts";
import { StoreOpenError } from "./store/sqlite/open-error.ts";
import { openSqliteStore } from "./store/sqlite/store.ts";
import { type Store, StoreError } from "./store/store.ts";
import { credentialsOf, type Front, openFront, pinsOf } from "./tls/front.ts";
import { PIN_SETTING } from "./tls/hub-key.ts";
import { changeKey, secureServer } from "./tls/server.ts";
import { Contents } from "./values/contents.ts";
import { giveValues } from "./values/give.ts";

const DATABASE_FILE = "hub.db";
/** Beside the database and never in it: a thief of a backup must not get both. */
const KEYS_FILE = "secret-keys";
/** For goodbyes to reach the agents and their close frames to come back; what is left then is cut. */
const GOODBYE_MS = 2_000;
/** How often to look whether the last agent has gone. */
const GOODBYE_LOOK_MS = 20;

export interface RunningHub {
  readonly url: string;
  /** To make the first user; null: there is a user. */
  readonly setUpLink: string | null;
  readonly adminToken: AdminToken;
  /** Of its key and its next one; none: it has no TLS. */
  pins(): readonly string[];
  /** Goodbye to agents, end of watches, last commit, store closed. Safe to call twice. */
  stop(): Promise<void>;
}

/** `skerry hub`: the exit code. Resolves when the hub has stopped. */
export async function runHub(config: HubConfig): Promise<number> {
  // Files hold passwords from environments and hashes of tokens, also in a folder that was there before and is open to others.
  process.umask(0o077);
  const log = config.plainWords ? wordsLog(config.logLevel) : lineLog(config.logLevel);
  process.on("uncaughtExceptionMonitor", (error) => log.error("a bug ends the hub", { error: error.stack ?? "" }));
  const started = await startHub(config, log);
  if (!started.ok) {
    if (config.plainWords) process.stderr.write(`The hub does not start. ${started.error}\n`);
    else log.error("the hub does not start", { reason: started.error });
    return 1;
  }
  const hub = started.value;
  if (config.plainWords) process.stdout.write(welcome(hub, config));
  // Not through the log, which is kept and sent elsewhere: who reads this line is at the hub's own output.
  else if (hub.setUpLink !== null) process.stderr.write(`${setUpLine(hub.setUpLink)}\n`);
  const signal = await untilSignal();
  log.info("stopping", { signal });
  if (config.plainWords)
    process.stdout.write("Stopping. What runs on the nodes runs on. (Ctrl-C again to stop at once.)\n");
  const again = untilSignal().then(() => process.exit(1));
  await Promise.race([hub.stop(), again]);
  return 0;
}

/** The error is one message for the operator: what, and what to do next. */
export async function startHub(config: HubConfig, log: Log): Promise<Result<RunningHub, string>> {
  const clock = systemClock;
  const opened = openStore(config, clock, log);
  if (!opened.ok) return opened;
  const store = opened.value;
  const front = await openHubFront(config, store, log);
  if (!front.ok) {
    store.close();
    return front;
  }
  let running: RunningHub | null = null;
  try {
    const adminToken = ensureAdminToken(config.dataDir, store, systemRandom, config.newAdminToken);
    logAdminToken(log, adminToken);
    const signing = ensureSigningKey(config.dataDir, store, systemRandom, config.newSigningKey);
    if (!signing.ok) {
      store.close();
      return signing;
    }
    if (signing.value.outcome === "made")
      log.info("made a signing key: keep a copy of it with your backups", { file: signing.value.file });
    const users = ensureUserKey(config.dataDir, systemRandom);
    warnOfLostFactors(log, users, store);
    const ring = openKeyring(path.join(config.dataDir, KEYS_FILE), systemRandom);
    const keys = { signing: signing.value, users, ring };
    const parts = await buildParts(store, clock, log, adminToken, keys, front.value);
    running = {
      ...{ url: "", setUpLink: null, adminToken },
      pins: () => pinsOf(front.value),
      stop: once(() => stopParts(parts, clock, log)),
    };
    parts.loop.start();
    const at = new URL(await parts.http.app.listen({ host: config.host, port: config.port }));
    const url = `${credentialsOf(front.value) === null ? "http" : "https"}://${at.host}`;
    const [pin] = pinsOf(front.value);
    log.info("listening", {
      url,
      ...(pin === undefined ? {} : { pin }),
      version: SKERRY_VERSION,
      installation: parts.loop.world.installation,
    });
    return ok({ ...running, url, setUpLink: setUpLink(parts.http, url) });
  } catch (error) {
    await (running?.stop() ?? store.close());
    const reason = startFailure(error, config);
    if (reason === null) throw error;
    return err(reason);
  }
}

interface Parts {
  readonly store: Store;
  readonly loop: ControlLoop;
  readonly link: LinkServer;
  readonly http: HttpServer;
  readonly streams: NodeStreams;
  readonly upgrades: Upgrades;
  readonly state: { stopping: boolean };
}

function openStore(config: HubConfig, clock: Clock, log: Log): Result<Store, string> {
  try {
    makeFolder(config.dataDir);
    return ok(
      openSqliteStore({
        path: path.join(config.dataDir, DATABASE_FILE),
        startedAtMs: clock.wallMs(),
        // `i` and 16 hex digits are an installation id by its schema.
        first: () => ({ installation: `i${systemRandom.hex(8)}` as InstallationId, epoch: 1 }),
        onUnreadable: (what) => {
          log.warn("the database holds something that cannot be read in full: it gives no more than could be read", {
            what,
          });
        },
      }),
    );
  } catch (error) {
    if (error instanceof StoreOpenError) return err(error.message);
    const reason = startFailure(error, config);
    if (reason === null) throw error;
    return err(reason);
  }
}

/** Not Node's `recursive`: in a place where no folder can be made (/proc) it tries for ever. */
function makeFolder(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return;
  makeFolder(path.dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}

async function openHubFront(config: HubConfig, store: Store, log: Log): Promise<Result<Front, string>> {
  const { dataDir, front, newHubKey: renew } = config;
  try {
    return await openFront(front, { dataDir, store, random: systemRandom, log, renew });
  } catch (error) {
    const reason = startFailure(error, config);
    if (reason !== null) return err(reason);
    store.close();
    throw error;
  }
}

async function buildParts(
  store: Store,
  clock: Clock,
  log: Log,
  adminToken: AdminToken,
  keys: { readonly signing: SigningKey; readonly users: UserKey; readonly ring: Keyring },
  front: Front,
): Promise<Parts> {
  const random = systemRandom;
  const loop = createControlLoop({ clock, random, log, store, settings: DEFAULT_SETTINGS });
  const { world } = loop;
  const contents = new Contents({ installation: world.installation, store, keyring: keys.ring, random });
  warnOfLostKeys(log, store, contents, loop);
  const book = new PinBook();
  const publicKeys = (node: NodeId): readonly PublicKey[] => keysTaken(world.nodes.get(node), store.publicKey(node));
  /** One for each address that the host's name has. */
  const servers: Server[] = [];
  const link = createLinkServer({
    ...{ clock, random, log },
    hub: loop,
    publicKey: (node) => store.publicKey(node),
    revokedKeys: (node) => store.revokedKeysOf(node),
    sign: keys.signing.sign,
    values: giveValues({
      ...{ world, contents, random, log, publicKeys },
      sign: keys.signing.sign,
      note: (node, value) => store.saveGiven(node, value),
    }),
    hubVersion: SKERRY_VERSION,
    pins: () => pinsOf(front),
    onPinsKept: (node, pins) => book.note(node, pins),
    onGone: (node) => streams.drop(node),
  });
  const streams: NodeStreams = new NodeStreams({
    ...{ clock, random, log },
    installation: loop.world.installation,
    publicKeys,
    ask: (node, ticket) => link.openStream(node, ticket),
  });
  const state = { stopping: false };
  const hubKey: HubKeyControl = {
    kind: front.kind,
    own: ownKey(front, store, link, servers),
    isKnownTo: (node, pin) => book.isKnownTo(node, pin),
  };
  const http = await createHttpServer({
    hubKey,
    loop,
    store,
    clock,
    random,
    log,
    keyring: keys.ring,
    logs: {
      isHeard: (node) => link.isConnected(node),
      read: (node, ask, signal) => readLogs(streams, node, ask, signal),
    },
    pins: () => pinsOf(front),
    secure: secureListener(front, servers),
    adminTokenHash: adminToken.hash,
    signingKey: keys.signing.publicKey,
    userSecrets: keys.users.box,
    passwordCost: PASSWORD_COST,
    version: SKERRY_VERSION,
    stopping: () => state.stopping,
  });
  addProcessMetrics(http.metrics);
  addSurroundings(http.metrics, {
    connectedAgents: () => link.connected(),
    waitingInputs: () => loop.waiting(),
    watchers: () => http.watch.size(),
    logReaders: () => http.logs.size(),
    streamSockets: () => streams.sockets(),
  });
  const upgrades = attachUpgrade(http.app.server, link, streams, (socket) => http.strangers.known(socket));
  return { store, loop, link, http, streams, upgrades, state };
}

/** In the order in which nothing is promised that is not kept: no new work, goodbyes, the last commit, the store. */
async function stopParts(
  { store, loop, link, http, streams, upgrades, state }: Parts,
  clock: Clock,
  log: Log,
): Promise<void> {
  state.stopping = true;
  http.watch.stop();
  http.logs.stop();
  streams.stop();
  link.stop();
  const until = clock.monotonicMs() + GOODBYE_MS;
  while (upgrades.open() > 0 && clock.monotonicMs() < until) await sleep(clock, GOODBYE_LOOK_MS);
  upgrades.close();
  await http.stop();
  loop.stop();
  store.close();
  log.info("stopped");
}

function ownKey(front: Front, store: Store, link: LinkServer, servers: readonly Server[]): OwnHubKey | null {
  if (front.kind !== "own") return null;
  const { key } = front;
  return {
    prepareNext: (announce) => key.prepareNext(announce),
    async switchToNext() {
      await key.switchToNext();
      for (const server of servers) changeKey(server, key.credentials());
      store.setSetting(PIN_SETTING, key.pins()[0] ?? "");
    },
    tell: () => link.tellPins(),
  };
}

function secureListener(front: Front, servers: Server[]): HttpDeps["secure"] {
  const credentials = credentialsOf(front);
  if (credentials === null) return null;
  return (options, handler) => {
    const server = secureServer(credentials, options, handler);
    servers.push(server);
    return server;
  };
}

/** Nodes keep what they have, and nothing is deleted: the file may be put back, or the values set again. */
function warnOfLostKeys(log: Log, store: Store, contents: Contents, { world }: ControlLoop): void {
  const isReadable = contents.readable();
  for (const value of store.values()) {
    if (isReadable(value)) continue;
    log.error("the key to what is kept encrypted is lost: put back the file secret-keys and restart, or set it again", {
      value: valueWords(value),
      apps: usersOf(world, value).join(", "),
    });
  }
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | null = null;
  return () => {
    done ??= work();
    return done;
  };
}

/** null: not a matter of the machine it runs on, so a bug. */
function startFailure(error: unknown, config: HubConfig): string | null {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const address = `${config.host}:${config.port}`;
  switch (code) {
    case "EADDRINUSE":
      return `Port ${config.port} on ${config.host} is in use by another program. Stop that one, or give this hub another address with --listen HOST:PORT.`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `This machine has no address ${config.host}. Give one that it has with --listen HOST:PORT; 0.0.0.0 means all.`;
    case "EACCES":
    case "EPERM":
      return config.port > 0 &&
        config.port < 1_024 &&
        error instanceof Error &&
        "syscall" in error &&
        error.syscall === "listen"
        ? `This user may not listen on ${address}. Take a port above 1023 with --listen HOST:PORT.`
        : `The data folder ${config.dataDir} cannot be written by this user. Change its owner, or give another one with --data DIR.`;
    case "EROFS":
    case "ENOENT":
    case "ENOTDIR":
    case "EEXIST":
      return `The data folder ${config.dataDir} cannot be used (${code}). Give another one with --data DIR.`;
    case "ENOSPC":
      return `The disk that holds ${config.dataDir} is full. Free some space and start again; nothing was lost.`;
  }
  if (error instanceof UserKeyError) return error.message;
  if (error instanceof StoreError) return `The database in ${config.dataDir} failed: ${error.message}. Check the disk.`;
  return null;
}

function logAdminToken(log: Log, { outcome, file }: AdminToken): void {
  switch (outcome) {
    case "made":
      log.info("made an admin token", { file });
      return;
    case "adopted":
      log.info("took over the admin token in the file", { file });
      return;
    case "kept":
      return;
    case "missing":
      log.warn("the admin token's file is gone; the token stays valid; --new-admin-token makes a new one", { file });
      return;
    case "differs":
      log.warn("the file holds no admin token that is valid here; --new-admin-token makes a new one", { file });
      return;
  }
}

const setUpLine = (link: string): string =>
  `There is no user yet. To make the first one, within a day and before the next start: ${link}`;

/** The code stands behind the "#", which browsers keep to themselves. */
function setUpLink(http: HttpServer, url: string): string | null {
  const code = http.beginSetUp();
  return code === null ? null : `${localUrl(url)}/setup#${code}`;
}

const localUrl = (url: string): string => url.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]");

/** Users with a second factor cannot log in with its codes any more: the operator should hear it from the hub first. */
function warnOfLostFactors(log: Log, { outcome, file }: UserKey, store: Store): void {
  if (outcome === "kept" || !store.users().some(({ secondFactor }) => secondFactor.kind === "on")) return;
  log.warn(
    "the key of second factors was gone and is made anew: put the file back, or users log in with a recovery code, or an admin resets them (skerry user totp reset NAME)",
    { file },
  );
}

function welcome({ url, adminToken, pins, ...hub }: RunningHub, config: HubConfig): string {
  const [pin] = pins();
  const local = localUrl(url);
  const lines = [
    `Skerry hub ${SKERRY_VERSION} at ${url}, data in ${config.dataDir}.`,
    adminToken.outcome === "made"
      ? `An admin token was made: it is in ${adminToken.file} and nowhere else.`
      : `The admin token is in ${adminToken.file}.`,
    ...(hub.setUpLink === null ? [] : [setUpLine(hub.setUpLink)]),
    "Next, in another terminal:",
    `  export SKERRY_HUB=${local}${pin === undefined ? "" : ` SKERRY_PIN=${pin}`} SKERRY_TOKEN=$(cat ${adminToken.file})`,
    "  skerry token create     # then, on each node, what it shows",
    "  skerry apply -f compose.yaml --wait",
    ...(isLoopback(config.host) ? ["Only this machine reaches it so; for nodes elsewhere: --listen 0.0.0.0:7443"] : []),
    "Ctrl-C stops the hub; what runs on the nodes runs on.",
    "",
  ];
  return lines.join("\n");
}

function untilSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve(signal));
  });
}

const lineLog = (level: LogLevel): Log =>
  jsonLog(
    (line) => process.stdout.write(`${line}\n`),
    () => systemClock.wallMs(),
    level,
  );

/** On a terminal: what a person should know, as sentences; requests are not among it. */
function wordsLog(level: LogLevel): Log {
  const write = (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
    const said = Object.entries(fields).map(([name, value]) => `${name} ${String(value)}`);
    process.stderr.write(`${[message, ...said].join(", ")}\n`);
  };
  const quiet = (): void => {};
  return {
    debug: level === "debug" ? write : quiet,
    info: level === "debug" ? write : quiet,
    warn: level === "error" ? quiet : write,
    error: write,
  };
}
