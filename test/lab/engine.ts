// A real Docker engine with everything of its own: containerd, data, sockets, control groups and, where there is one, a
// network namespace. It can be stopped, killed, frozen and cut off from power like the one on a far-out machine.
// It must never read or change anything of an engine that this machine already has.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EngineApi } from "./api.ts";
import { Process } from "./process.ts";
import {
  killAll,
  removeBridgesOf,
  removeControlGroups,
  removeEmptyPluginFolder,
  removeFolder,
  removeShimSockets,
  unmountBelow,
} from "./remains.ts";
import { until } from "./wait.ts";

/** About two seconds on an idle machine, many times that when three start at once on two busy cores. */
const READY_WITHIN_MS = 60_000;
/** What the engine gives its containers when it is stopped; busybox as PID 1 ignores the polite signal. */
const SHUTDOWN_GRACE_SECONDS = 3;
const SHUTDOWN_WITHIN_MS = 30_000;

export interface EngineOptions {
  /** Unique on this machine: names its control group. */
  readonly tag: string;
  readonly name: string;
  /** Short: sockets live here, and a socket's path may have 108 characters. Lost in a power cut, like /run. */
  readonly runDir: string;
  /** On a real disk: images, containers, volumes, logs. */
  readonly dataDir: string;
  readonly netns?: string | undefined;
  readonly liveRestore?: boolean;
  /** Registries that are asked without TLS, as networks or host:port. */
  readonly insecureRegistries?: readonly string[];
  /**
   * null: it has a network namespace of its own. Else the bridge that was made for its containers in the machine's network: there it must
   * not write the firewall, nor be told "none", upon which it deletes docker0, whoever's that is.
   */
  readonly bridge: string | null;
}

export class Engine implements AsyncDisposable {
  readonly name: string;
  readonly api: EngineApi;
  readonly socketPath: string;
  readonly #options: EngineOptions;
  #liveRestore: boolean;
  #dockerd: Process | null = null;
  #containerd: Process | null = null;

  constructor(options: EngineOptions) {
    this.name = options.name;
    this.#options = options;
    this.#liveRestore = options.liveRestore ?? false;
    this.socketPath = join(options.runDir, "docker.sock");
    this.api = new EngineApi(this.socketPath);
  }

  get running(): boolean {
    return this.#dockerd?.running ?? false;
  }

  /** The daemon's pid, for figures and signals; an error when it is not running. */
  get pid(): number {
    if (this.#dockerd === null || !this.#dockerd.running) throw new Error(`the engine ${this.name} is not running`);
    return this.#dockerd.pid;
  }

  get lastWords(): string {
    return this.#dockerd?.lastWords() ?? "";
  }

  /** Starts it and returns when it answers. */
  async start(): Promise<void> {
    if (this.running) return;
    await this.#startContainerd();
    await this.#startDockerd();
  }

  /** As `systemctl stop docker`: containers are stopped too, unless it is set to live-restore. */
  async stop(): Promise<void> {
    await this.#dockerd?.stop(SHUTDOWN_WITHIN_MS);
    this.#dockerd = null;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** The daemon alone dies; containers run on, and the next start decides about them (see live-restore). */
  async kill(): Promise<void> {
    await this.#dockerd?.kill();
    this.#dockerd = null;
  }

  /** The daemon hangs: calls are accepted by the kernel and never answered. */
  async pause(): Promise<void> {
    await this.#dockerd?.pause();
  }

  resume(): void {
    this.#dockerd?.resume();
  }

  /** Everything of this machine dies at once, as when the plug is pulled: daemons, shims and containers. Data stays. */
  async powerCut(): Promise<void> {
    const { tag, runDir, dataDir } = this.#options;
    await Promise.all([this.#dockerd?.kill(), this.#containerd?.kill()]);
    this.#dockerd = null;
    this.#containerd = null;
    await killAll([`${runDir}/`, `/${tag}/`]);
    await removeShimSockets(this.#containerdState);
    await unmountBelow(runDir);
    await unmountBelow(dataDir);
    await rm(runDir, { recursive: true, force: true });
    await removeControlGroups(tag);
    await removeEmptyPluginFolder();
    await removeBridgesOf(this.#dataRoot);
  }

  async reboot(): Promise<void> {
    await this.powerCut();
    await this.start();
  }

  /** From the next start on. */
  setLiveRestore(on: boolean): void {
    this.#liveRestore = on;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing in a test's container is worth its stop grace.
    await this.powerCut();
    await removeFolder(this.#options.dataDir);
  }

  get #dataRoot(): string {
    return join(this.#options.dataDir, "docker");
  }

  get #containerdState(): string {
    return join(this.#options.runDir, "ctd");
  }

  get #containerdSocket(): string {
    return join(this.#options.runDir, "ctd.sock");
  }

  // A containerd of its own: dockerd would otherwise use the machine's, with the machine's containers in it.
  async #startContainerd(): Promise<void> {
    if (this.#containerd?.running) return;
    const { runDir, dataDir, netns, name } = this.#options;
    await mkdir(runDir, { recursive: true });
    await mkdir(dataDir, { recursive: true });
    const config = join(runDir, "containerd.toml");
    await writeFile(
      config,
      containerdConfig(join(dataDir, "containerd"), this.#containerdState, this.#containerdSocket),
    );
    this.#containerd = new Process({
      name: `containerd ${name}`,
      command: ["containerd", "--config", config],
      netns,
      logFile: join(dataDir, "containerd.log"),
    });
  }

  async #startDockerd(): Promise<void> {
    const { runDir, dataDir, netns, name, tag } = this.#options;
    const config = join(runDir, "daemon.json");
    await writeFile(config, JSON.stringify(this.#daemonConfig()));
    const pidFile = join(runDir, "docker.pid");
    // After a kill the old file names a dead process, or by bad luck a living one that is something else.
    await rm(pidFile, { force: true });
    const dockerd = new Process({
      name: `dockerd ${name}`,
      command: [
        "dockerd",
        `--config-file=${config}`,
        `--data-root=${this.#dataRoot}`,
        `--exec-root=${join(runDir, "exec")}`,
        `--pidfile=${pidFile}`,
        `--host=unix://${this.socketPath}`,
        `--containerd=${this.#containerdSocket}`,
        `--cgroup-parent=/${tag}`,
      ],
      netns,
      logFile: join(dataDir, "dockerd.log"),
    });
    this.#dockerd = dockerd;
    await this.#ready(dockerd);
  }

  async #ready(dockerd: Process): Promise<void> {
    const answers = async (): Promise<boolean> => {
      if (!dockerd.running) return true;
      return this.api.ping();
    };
    await until(`the engine ${this.name} answers`, answers, READY_WITHIN_MS).catch((error: Error) => {
      throw new Error(`${error.message}\n${dockerd.lastWords()}`);
    });
    if (!dockerd.running) throw new Error(`the engine ${this.name} ended while starting:\n${dockerd.lastWords()}`);
  }

  #daemonConfig(): Record<string, unknown> {
    return {
      "live-restore": this.#liveRestore,
      "exec-opts": ["native.cgroupdriver=cgroupfs"],
      "log-level": "warn",
      "shutdown-timeout": SHUTDOWN_GRACE_SECONDS,
      "insecure-registries": this.#options.insecureRegistries ?? [],
      // In the machine's own network: no rules in its firewall. Ports are published by a proxy.
      ...(this.#options.bridge === null ? {} : { iptables: false, "ip-masq": false, bridge: this.#options.bridge }),
    };
  }
}

/** Plugins that would write outside the given folders, or that dockerd never uses, are left out. */
function containerdConfig(root: string, state: string, socket: string): string {
  const disabled = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.internal.v1.restart"];
  return `version = 2
root = ${JSON.stringify(root)}
state = ${JSON.stringify(state)}
disabled_plugins = ${JSON.stringify(disabled)}
[grpc]
  address = ${JSON.stringify(socket)}
[ttrpc]
  address = ${JSON.stringify(`${socket}.ttrpc`)}
[debug]
  level = "warn"
`;
}
