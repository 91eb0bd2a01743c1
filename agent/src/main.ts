// `skerry agent`: builds the real clock, disk, engine and network, joins if this machine has not, and runs the agent until a signal.
// Containers run on when it ends. Mistakes of the person who starts it are said in one message with the next step, never as a stack.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { readJoinToken } from "@skerry/shared/protocol/join-token.ts";
import type { Clock } from "@skerry/shared/runtime/clock.ts";
import { jsonLog, type Log, plainLog } from "@skerry/shared/runtime/log.ts";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { SKERRY_VERSION } from "@skerry/shared/runtime/version.ts";
import { type Agent, createAgent } from "./agent.ts";
import { bootClock } from "./boot-clock.ts";
import { AGENT_USAGE, type AgentConfig, holdsToken, readCommand } from "./config.ts";
import type { ControlAnswer } from "./control/answer.ts";
import { safeModeOff, takeSafeModeOrder } from "./control/safe-mode-order.ts";
import { startControl } from "./control/server.ts";
import { dockerEngine } from "./engine/docker.ts";
import { type Engine, EngineError } from "./engine/engine.ts";
import { type HostPaths, hostPaths } from "./engine/host-paths.ts";
import { labelKey } from "./engine/labels.ts";
import { clockSynchronised } from "./facts/figures.ts";
import { modelByInventory, printInventory } from "./facts/inventory.ts";
import { type NodeFactsReader, nodeFacts } from "./facts/node-facts.ts";
import { commitIfPossible, type Identity, LedgerError } from "./ledger/ledger.ts";
import type { OpenedLedger } from "./ledger/opened.ts";
import { openSqliteLedger } from "./ledger/sqlite.ts";
import { addressProblem, hubSockets, type OpenHubSocket } from "./link/hub-socket.ts";
import { fitToken } from "./link/hub-trust.ts";
import { askHub, forgetJoining, type JoinRequest, join } from "./link/join.ts";
import { leaseFile } from "./link/lease-file.ts";
import { dialWebSocket } from "./link/ws-dial.ts";
import type { Ask } from "./prober/prober.ts";
import { pullGuard } from "./registry/pull-guard.ts";
import type { LogParts } from "./streams/logs.ts";
import { createStreams, listenLocally, type Streams } from "./streams/streams.ts";
import { answerEdges } from "./times/edges.ts";
import { changeTimes } from "./times/times.ts";
import { Values } from "./values/values.ts";

const EXIT = { done: 0, failed: 1, usage: 2 } as const;
const BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id";

/** Ends the start with a message for the person, and this exit code. */
class StartError extends Error {
  override name = "StartError";
  readonly code: number;
  constructor(message: string, code: number = EXIT.failed, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

interface Machine {
  readonly config: AgentConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly engine: Engine;
  readonly facts: NodeFactsReader;
  readonly open: OpenHubSocket;
}

async function main(args: readonly string[]): Promise<number> {
  // Takes the place of the words that `ps` shows.
  if (holdsToken(args)) process.title = "skerry agent";
  const command = readCommand(args, process.env);
  if (!command.ok) {
    process.stderr.write(`skerry agent: ${command.error}. See: skerry agent --help\n`);
    return EXIT.usage;
  }
  switch (command.value.kind) {
    case "help":
      process.stdout.write(AGENT_USAGE);
      return EXIT.done;
    case "inventory":
      await printInventory((text) => process.stdout.write(text));
      return EXIT.done;
    case "windows":
      await answerEdges(process.stdin, (text) => process.stdout.write(text));
      return EXIT.done;
    case "status": {
      const { statusCommand } = await import("./control/status-command.ts");
      return await statusCommand(command.value.dataDir, command.value.json, {
        out: (text) => process.stdout.write(text),
        error: (text) => process.stderr.write(text),
        wallMs: () => bootClock().wallMs(),
      });
    }
    case "logs": {
      const { logsCommand } = await import("./control/logs-command.ts");
      endQuietly();
      return await logsCommand(command.value.dataDir, command.value, {
        out: (text) => process.stdout.write(text),
        error: (text) => process.stderr.write(text),
        wallMs: () => bootClock().wallMs(),
      });
    }
    case "safe-mode-off":
      return await safeModeOff(command.value.dataDir, {
        out: (text) => process.stdout.write(text),
        error: (text) => process.stderr.write(text),
      });
    case "run":
      return await runOrSayWhyNot(command.value.config);
  }
}

async function runOrSayWhyNot(config: AgentConfig): Promise<number> {
  try {
    await run(config);
    return EXIT.done;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    process.stderr.write(`skerry agent: ${error.message}\n`);
    return error.code;
  }
}

async function run(config: AgentConfig): Promise<void> {
  const machine = buildMachine(config);
  const { log } = machine;
  const { ledger, rebuilt } = openLedger(config.dataDir);
  if (rebuilt !== null) log.warn("ledger started empty; containers are adopted from their labels", { reason: rebuilt });
  let answer: () => ControlAnswer = () => joining(config, null, null);
  const control = await startControl(config.dataDir, () => answer());
  let looks: LogParts | null = null;
  const local = await listenLocally(config.dataDir, () => looks);
  try {
    await haveIdentity(machine, ledger, (message, nextTryInMs) => {
      answer = () => joining(config, message, nextTryInMs);
    });
    const { identity } = ledger.content();
    if (identity === null) throw new Error("bug: joined, and without an identity");
    looks = { clock: machine.clock, engine: machine.engine, key: labelKey(identity) };
    const paths = await hostPaths([config.dataDir, config.runDir, config.dockerSocket].map((path) => resolve(path)));
    const streams = createStreams({ ...looks, log, open: machine.open }, () => ledger.content().identity ?? identity);
    const agent = buildAgent(machine, ledger, rebuilt, streams, paths);
    answer = () => ({ state: "joined", ...agent.status() });
    stopOnSignal(agent, log);
    await agent.run();
  } finally {
    await local.stop();
    await control.stop();
    ledger.close();
  }
  log.info("agent stopped; containers run on");
}

function buildMachine(config: AgentConfig): Machine {
  const clock = bootClock();
  const log = (process.stderr.isTTY ? plainLog : jsonLog)(
    (line) => process.stderr.write(`${line}\n`),
    () => clock.wallMs(),
    config.logLevel,
  );
  const engine = dockerEngine({ socketPath: config.dockerSocket, clock, guard: pullGuard });
  const { dataDir, metered } = config;
  const facts = nodeFacts({
    ...{ clock, log, engine, dataDir, metered },
    version: SKERRY_VERSION,
    slowModel: modelByInventory,
  });
  return { config, clock, log, engine, facts, open: hubSockets() };
}

function buildAgent(
  { config, clock, log, engine, facts, open }: Machine,
  ledger: OpenedLedger["ledger"],
  lost: string | null,
  streams: Streams,
  paths: HostPaths,
): Agent {
  const { identity } = ledger.content();
  return createAgent({
    ...{ clock, log, ledger, engine, facts },
    random: systemRandom,
    ledgerLost: lost,
    dial: (hub) => dialWebSocket(open, hub),
    times: changeTimes({
      ...{ clock, log, dataDir: config.dataDir },
      // Not from the last figures: after a boot there are none for a while, and a clock that was never set opens no window.
      synchronised: () => clockSynchronised(),
    }),
    streams,
    hostPaths: paths,
    ...(identity === null ? {} : { values: valuesOf({ config, clock, log }, ledger, identity) }),
    ask: lazyAsk(engine),
    leases: leaseFile(config.runDir, identity?.node ?? "", log),
    bootId: bootId(),
    safeModeOff: () => takeSafeModeOrder(config.dataDir),
    runId: systemRandom.hex(8),
    version: SKERRY_VERSION,
    config: { metered: config.metered },
  });
}

function valuesOf(
  { config, clock, log }: Pick<Machine, "config" | "clock" | "log">,
  ledger: OpenedLedger["ledger"],
  identity: Identity,
): Values {
  const now = (): Identity => ledger.content().identity ?? identity;
  const { dataDir, runDir } = config;
  return new Values({
    ...{ clock, log, dataDir, runDir },
    identity: now,
    keepBoxKeys: (formerBoxKeys) =>
      commitIfPossible(ledger, log, [{ kind: "identity", identity: { ...now(), formerBoxKeys } }]),
  });
}

/** A node on which nothing is probed does not hold the code for it. */
function lazyAsk(engine: Engine): Ask {
  let loaded: Promise<Ask> | null = null;
  return async (target, probe, signal) => {
    loaded ??= import("./prober/ask.ts").then(({ asksThrough }) => asksThrough(engine));
    return await (await loaded)(target, probe, signal);
  };
}

function openLedger(dataDir: string): OpenedLedger {
  try {
    return openSqliteLedger({ folder: dataDir });
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    throw new StartError(error.message, EXIT.failed, { cause: error });
  }
}

/** Joins when this machine has not; takes a new address of the hub, and the pin of a new token, when they are given. */
async function haveIdentity(
  machine: Machine,
  ledger: OpenedLedger["ledger"],
  onWaiting: (message: string, nextTryInMs: number) => void,
): Promise<void> {
  const { config, log } = machine;
  const known = ledger.content().identity;
  if (known === null) {
    const identity = await joinHub(machine, onWaiting);
    keepIdentity(ledger, identity);
    forgetJoining(config.dataDir);
    log.info("joined", { node: identity.node, name: identity.name, installation: identity.installation });
    return;
  }
  const given = tokenIfThere(config);
  const token = readJoinToken(given);
  if (token === null && given !== "")
    log.warn("what was given as a token is no join token: the node goes on without it");
  const identity = fitToken({ ...known, hubUrl: config.hubUrl ?? known.hubUrl }, token);
  if (identity.hubUrl !== known.hubUrl) {
    log.info("the hub has a new address", { before: known.hubUrl, now: identity.hubUrl });
  }
  if (token !== null && !identity.tokens.includes(token.id))
    log.warn("the join token is of another hub than the address, and is not taken", { hub: identity.hubUrl });
  if (identity.pins !== known.pins)
    log.info("the hub's key is taken from the new join token", { pins: identity.pins.join(",") });
  if (JSON.stringify(identity) !== JSON.stringify(known)) keepIdentity(ledger, identity);
}

/** A machine that has joined runs on without the file. */
function tokenIfThere(config: AgentConfig): string {
  try {
    return tokenOf(config) ?? "";
  } catch (error) {
    if (error instanceof StartError) return "";
    throw error;
  }
}

async function joinHub(
  { config, clock, log, engine, facts, open }: Machine,
  onWaiting: (message: string, nextTryInMs: number) => void,
): Promise<Identity> {
  const { hubUrl, name, labels, dataDir } = config;
  const token = tokenOf(config);
  if (hubUrl === null || token === null) {
    throw new StartError(
      `this machine has not joined a hub yet (nothing in ${dataDir}): run "skerry agent --hub URL --token TOKEN"; on the hub, "skerry token create" makes a token`,
      EXIT.usage,
    );
  }
  const tokenText = readJoinToken(token);
  if (tokenText === null) {
    throw new StartError(
      'this is no join token: it looks like "skj1.…" and comes from "skerry token create" on the hub; take all of it',
      EXIT.usage,
    );
  }
  const problem = addressProblem({ hubUrl, pins: tokenText.pin === null ? [] : [tokenText.pin] });
  if (problem !== null) throw new StartError(problem, EXIT.usage);
  await needEngine(engine);
  log.info("joining", { hub: hubUrl, name });
  const request: JoinRequest = { hubUrl, token, tokenText, name, labels, facts: await facts.read() };
  const parts = { clock, random: systemRandom, log, folder: dataDir, onWaiting };
  const outcome = await join({ ...parts, ask: (asked, privateKey) => askHub(open, asked, privateKey) }, request);
  if (outcome.kind === "refused") throw new StartError(outcome.message);
  return outcome.identity;
}

function tokenOf({ token, tokenFile }: AgentConfig): string | null {
  if (token !== null || tokenFile === null) return token;
  try {
    return readFileSync(tokenFile, "utf8").trim() || null;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new StartError(`cannot read the token file: ${why}`, EXIT.usage, { cause: error });
  }
}

/** Only before joining, while somebody is watching: an agent that has joined waits for its engine. */
async function needEngine(engine: Engine): Promise<void> {
  try {
    await engine.ping();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw new StartError(error.message, EXIT.failed, { cause: error });
  }
}

function keepIdentity(ledger: OpenedLedger["ledger"], identity: Identity): void {
  try {
    ledger.commit([{ kind: "identity", identity }]);
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    throw new StartError(error.message, EXIT.failed, { cause: error });
  }
}

function joining({ hubUrl }: AgentConfig, waitingFor: string | null, nextTryInMs: number | null): ControlAnswer {
  return { state: "joining", version: SKERRY_VERSION, hubUrl: hubUrl ?? "", waitingFor, nextTryInMs };
}

function bootId(): string {
  try {
    return readFileSync(BOOT_ID_FILE, "utf8").trim();
  } catch {
    // Not Linux: each start counts as a boot, which is the careful side for leases and back-off.
    return systemRandom.hex(16);
  }
}

/** Ctrl-C, and a reader that has seen enough (`skerry agent logs APP | head`), end a look and are no failure. */
function endQuietly(): void {
  process.on("SIGINT", () => process.exit(EXIT.done));
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT.done);
    throw error;
  });
}

function stopOnSignal(agent: Agent, log: Log): void {
  let asked = false;
  const stop = (signal: string): void => {
    if (asked) process.exit(EXIT.failed);
    asked = true;
    log.info("stopping; containers run on", { signal });
    void agent.stop();
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stop(signal));
}

// No top-level await: the bundle is CommonJS. What is not expected ends the process, as there.
void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
