// A whole installation on the lab: the real `skerry` program as a hub and as an agent on each node, started, stopped, killed and
// cut from power like the machines they stand for. Used by the demo, the end-to-end tests and the bench. It asks the hub
// through its public API only; what really runs is asked of the engines (`node.engine.api`).
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { request as plainRequest } from "node:http";
import { request } from "node:https";
import { dirname, join } from "node:path";
import { run, withSystemPath } from "./command.ts";
import { type Lab, type LabNode, type LabOptions, startLab } from "./lab.ts";
import type { Process, ProcessOptions } from "./process.ts";
import { freePort } from "./registry.ts";
import { until } from "./wait.ts";
import type { WrongClock } from "./wrongclock.ts";

export const SKERRY = join(import.meta.dirname, "..", "..", "dist", "skerry");
/** Node, better-sqlite3 and a migration on a busy machine. */
const HUB_UP_WITHIN_MS = 30_000;
const NODE_UP_WITHIN_MS = 60_000;
const API_DEADLINE_MS = 30_000;
const COMMAND_DEADLINE_MS = 180_000;

export interface FleetOptions extends LabOptions {
  /** What the nodes are called, in order; n1, n2, … unless said. */
  readonly names?: readonly string[];
  readonly labels?: (number: number) => Readonly<Record<string, string>>;
  /** Further words for every agent's command line. */
  readonly agentArguments?: readonly string[];
  /** Clocks that the agents see in place of the machine's, by the node's number. */
  readonly clocks?: (number: number, lab: Lab) => WrongClock | null;
}

export interface Answer {
  readonly status: number;
  // The caller knows the shape of what it asks for; a wrong guess fails its assertions.
  // biome-ignore lint/suspicious/noExplicitAny: the tests read many shapes, and check what they read
  readonly body: any;
}

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where a hub lives: a lab, or any folder and address. */
export interface HubSite {
  readonly folder: string;
  readonly hubAddress: string;
  spawn(options: Omit<ProcessOptions, "logFile">): Process;
}

export class FleetHub {
  readonly url: string;
  readonly dataDir: string;
  /** Further words of its command line. */
  readonly words: readonly string[];
  readonly #site: HubSite;
  readonly #listen: string;
  process: Process | null = null;

  constructor(site: HubSite, port: number, words: readonly string[] = []) {
    this.#site = site;
    this.words = words;
    this.#listen = `${site.hubAddress}:${port}`;
    this.url = `${words.includes("--plain") ? "http" : "https"}://${this.#listen}`;
    this.dataDir = join(site.folder, "hub");
  }

  async start(): Promise<void> {
    const hub = this.#site.spawn({
      name: "hub",
      command: [SKERRY, "hub", "--data", this.dataDir, "--listen", this.#listen, ...this.words],
    });
    this.process = hub;
    const up = async (): Promise<boolean> =>
      !hub.running || (await this.call("GET", "/healthz", undefined, null)).status === 200;
    await until("the hub answers", up, HUB_UP_WITHIN_MS).catch((error: Error) => {
      throw new Error(`${error.message}\n${hub.lastWords()}`);
    });
    if (!hub.running) throw new Error(`the hub ended while starting:\n${hub.lastWords()}`);
  }

  async stop(): Promise<void> {
    await this.process?.stop();
  }

  async kill(): Promise<void> {
    await this.process?.kill();
  }

  /** Takes its data away, as after a new install; `bringBack` undoes it. */
  async setAside(): Promise<void> {
    await rename(this.dataDir, `${this.dataDir}-aside`);
  }

  async bringBack(): Promise<void> {
    await rm(this.dataDir, { recursive: true, force: true });
    await rename(`${this.dataDir}-aside`, this.dataDir);
  }

  async token(): Promise<string> {
    return (await readFile(join(this.dataDir, "admin-token"), "utf8")).trim();
  }

  /** Of its key. */
  async pin(): Promise<string> {
    return (await readFile(join(this.dataDir, "hub-pin"), "utf8")).trim();
  }

  /** For the command line: where it is, that it is it, and who asks. */
  async env(): Promise<Record<string, string>> {
    const secure = this.url.startsWith("https:");
    return {
      SKERRY_HUB: this.url,
      SKERRY_TOKEN: await this.token(),
      ...(secure ? { SKERRY_PIN: await this.pin() } : {}),
    };
  }

  /** One API call as the admin; `token` null: as nobody. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    token?: string | null,
    more: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const bearer = token === undefined ? await this.token() : token;
    return new Promise((resolve, reject) => {
      const headers: Record<string, string> = { ...more };
      if (bearer !== null) headers["authorization"] = `Bearer ${bearer}`;
      if (body !== undefined) headers["content-type"] = "application/json";
      // Whether the key is the right one is asked by the tests of agents and the command line.
      const options = { method, headers, timeout: API_DEADLINE_MS, rejectUnauthorized: false };
      const ask = this.url.startsWith("https:") ? request : plainRequest;
      const call = ask(`${this.url}${path}`, options, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          const isJson = response.headers["content-type"]?.includes("json") ?? false;
          resolve({ status: response.statusCode ?? 0, body: isJson && text !== "" ? JSON.parse(text) : text });
        });
      });
      call.on("timeout", () => call.destroy(new Error(`${method} ${path} was not answered in time`)));
      call.on("error", reject);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

/** The kernel's boot id is this machine's own: a node that "was rebooted" sees another one in its place. */
const BOOT = 'mount --bind "$1" /proc/sys/kernel/random/boot_id && shift && exec "$@"';

export class FleetNode {
  readonly name: string;
  readonly site: LabNode;
  readonly dataDir: string;
  agent: Process | null = null;
  /** Where the agent looks for its engine; a test may put a proxy there before it starts the agent. */
  dockerSocket: string;
  readonly #clock: WrongClock | null;
  #booted: readonly string[] = [];
  readonly #lab: Lab;
  readonly #hub: FleetHub;
  readonly #words: readonly string[];

  constructor(
    lab: Lab,
    hub: FleetHub,
    site: LabNode,
    name: string,
    words: readonly string[],
    clock: WrongClock | null = null,
  ) {
    this.#clock = clock;
    this.#lab = lab;
    this.#hub = hub;
    this.site = site;
    this.dockerSocket = site.engine.socketPath;
    this.name = name;
    this.dataDir = join(site.folder, "agent");
    this.#words = words;
  }

  get engine(): LabNode["engine"] {
    return this.site.engine;
  }

  /** `token` is needed once: a node that has joined has a key of its own. */
  startAgent(token: string | null = null, more: readonly string[] = []): void {
    this.agent = this.#lab.spawn({
      name: `agent ${this.name}`,
      env: this.#clock?.environment ?? {},
      netns: this.site.network?.netns,
      command: [
        ...this.#booted,
        SKERRY,
        "agent",
        "--hub",
        this.#hub.url,
        ...(token === null ? [] : ["--token", token]),
        "--data",
        this.dataDir,
        "--docker",
        this.dockerSocket,
        // As /run: gone with the power, and with the lab.
        "--run-dir",
        dirname(this.engine.socketPath),
        "--name",
        this.name,
        ...this.#words,
        ...more,
      ],
    });
  }

  async stopAgent(): Promise<void> {
    await this.agent?.stop();
  }

  async killAgent(): Promise<void> {
    await this.agent?.kill();
  }

  /** Everything of this machine dies at once. Its disk stays, and the next boot has another boot id. */
  async powerCut(): Promise<void> {
    await this.killAgent();
    const bootId = join(this.site.folder, "boot-id");
    await writeFile(bootId, `${randomUUID()}\n`);
    this.#booted = ["unshare", "--mount", "sh", "-c", BOOT, "boot", bootId];
    await this.engine.powerCut();
  }

  async powerUp(): Promise<void> {
    await this.engine.start();
    this.startAgent();
  }

  /** As a corrupt card would: everything that SQLite wrote is gone. */
  async loseLedger(): Promise<void> {
    for (const name of await readdir(this.dataDir)) {
      if (name.includes(".db")) await rm(join(this.dataDir, name));
    }
  }

  /** What `skerry agent status --json` says on the node itself. */
  async status(): Promise<Answer["body"]> {
    return JSON.parse(await run(SKERRY, ["agent", "status", "--data", this.dataDir, "--json"]));
  }
}

export class Fleet implements AsyncDisposable {
  readonly #lab: Lab | null;
  readonly hub: FleetHub;
  readonly nodes: readonly FleetNode[];

  constructor(lab: Lab | null, hub: FleetHub, nodes: readonly FleetNode[]) {
    this.#lab = lab;
    this.hub = hub;
    this.nodes = nodes;
  }

  get lab(): Lab {
    if (this.#lab === null) throw new Error("this fleet has no lab: its nodes are simulated elsewhere");
    return this.#lab;
  }

  node(number: number): FleetNode {
    const node = this.nodes[number - 1];
    if (node === undefined) throw new Error(`this fleet has ${this.nodes.length} nodes, and no number ${number}`);
    return node;
  }

  /** Runs the command line program; fails with its own words unless `mayFail`. */
  async skerry(
    words: readonly string[],
    env: Readonly<Record<string, string>> = {},
    { mayFail = false }: { mayFail?: boolean } = {},
  ): Promise<Finished> {
    const finished = await skerryCommand(words, {
      ...(await this.hub.env()),
      ...env,
    });
    if (finished.code !== 0 && !mayFail) {
      throw new Error(`skerry ${words.join(" ")} ended with ${finished.code}: ${finished.stderr || finished.stdout}`);
    }
    return finished;
  }

  /** Applies a Compose file given as text. */
  async apply(app: string, compose: string, more: Readonly<Record<string, unknown>> = {}): Promise<Answer> {
    const answer = await this.hub.call("PUT", `/v1/apps/${app}`, { compose, ...more });
    if (answer.status !== 200) throw new Error(`apply ${app}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer;
  }

  async allReady(withinMs = NODE_UP_WITHIN_MS): Promise<void> {
    await until(
      "every node is ready and connected",
      async () => {
        const { body } = await this.hub.call("GET", "/v1/nodes?limit=100");
        const ready = body.items.filter(
          (node: { reachability: { kind: string; connected: boolean } }) =>
            node.reachability.kind === "ready" && node.reachability.connected,
        );
        return ready.length === this.nodes.length;
      },
      withinMs,
    ).catch((error: Error) => {
      const words = this.nodes.map((node) => `${node.name}: ${node.agent?.lastWords(5) ?? "no agent"}`);
      throw new Error(`${error.message}\n${words.join("\n")}`);
    });
  }

  /** Whether the hub shows every workload of the app as good. */
  async allGood(app: string): Promise<boolean> {
    const { body } = await this.hub.call("GET", `/v1/workloads?app=${app}&limit=500`);
    return body.items.length > 0 && body.items.every((item: { good: boolean }) => item.good);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab?.[Symbol.asyncDispose]();
  }
}

/** Starts the hub, makes one join token for all, and waits until every node is ready. */
export async function startFleet(options: FleetOptions = {}): Promise<Fleet> {
  const lab = await startLab(options);
  try {
    const hub = new FleetHub(lab, await freePort(lab.hubAddress));
    await hub.start();
    const labels = options.labels ?? (() => ({}));
    const nodes = lab.nodes.map((site, index) => {
      const words = Object.entries(labels(index + 1)).flatMap(([key, value]) => ["--label", `${key}=${value}`]);
      const all = [...words, ...(options.agentArguments ?? [])];
      const clock = options.clocks?.(index + 1, lab) ?? null;
      return new FleetNode(lab, hub, site, options.names?.[index] ?? site.name, all, clock);
    });
    const fleet = new Fleet(lab, hub, nodes);
    const token = await joinToken(fleet, nodes.length);
    for (const node of nodes) node.startAgent(token);
    await fleet.allReady();
    return fleet;
  } catch (error) {
    await lab[Symbol.asyncDispose]();
    throw error;
  }
}

export async function joinToken(fleet: Fleet, uses: number): Promise<string> {
  const { stdout } = await fleet.skerry(["token", "create", "--uses", String(uses), "--json"]);
  return JSON.parse(stdout).token;
}

/** The built program with these words; never throws for an exit code. */
export function skerryCommand(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  return new Promise((resolve) => {
    const settings = { env: withSystemPath(env), timeout: COMMAND_DEADLINE_MS, maxBuffer: 16 * 1024 * 1024 };
    execFile(SKERRY, [...words], settings, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, stdout, stderr });
    });
  });
}
