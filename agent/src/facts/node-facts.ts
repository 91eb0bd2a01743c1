// What this node is, collected once and looked at again seldom, and its figures on a slow timer. At rest this costs a few reads a
// minute. systeminformation starts shells and weighs megabytes: it is asked late, once, only for what /proc cannot tell, and in a
// process of its own (see inventory).
import { arch, availableParallelism, hostname, release } from "node:os";
import type { NodeFacts, NodeFigures } from "@skerry/shared/model/node.ts";
import type { Clock, Timer } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { FactsSource } from "../agent.ts";
import type { Readings } from "../core/conditions.ts";
import { type Engine, EngineError, type EngineFacts } from "../engine/engine.ts";
import { diskBytes, diskReading, memInfoBytes, readFigures, readText } from "./figures.ts";
import { memoryLimits, Supply } from "./power.ts";

const FIGURES_PERIOD_MS = 60_000;
/** An engine is upgraded without the agent noticing; until it answered once it is asked with every look at the figures. */
const ENGINE_FACTS_PERIOD_MS = 3_600_000;
/** The first minute after a start belongs to the workloads. */
const INVENTORY_AFTER_MS = 30_000;

export interface NodeFactsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly engine: Engine;
  /** Measured until the engine has said where it keeps its images. */
  readonly dataDir: string;
  readonly version: string;
  readonly metered: boolean;
  /** What the board or machine is called, when the slow way is needed for it; null: unknown. */
  readonly slowModel: () => Promise<string | null>;
}

export interface NodeFactsReader extends FactsSource {
  /** Looks once, for joining. */
  read(): Promise<NodeFacts>;
}

export function nodeFacts(options: NodeFactsOptions): NodeFactsReader {
  return new NodeFactsSource(options);
}

class NodeFactsSource implements NodeFactsReader {
  readonly #options: NodeFactsOptions;
  readonly #supply: Supply;
  #changed: () => void = () => undefined;
  #engine: EngineFacts | null = null;
  #engineAskedAtMs = Number.NEGATIVE_INFINITY;
  #model: string | null;
  #facts: NodeFacts | null = null;
  #figures: NodeFigures | null = null;
  #readings: Readings | null = null;
  #figuresTimer: Timer | null = null;
  #inventoryTimer: Timer | null = null;
  #stopped = false;

  constructor(options: NodeFactsOptions) {
    this.#options = options;
    this.#supply = new Supply({ clock: options.clock });
    this.#model = boardModel();
  }

  facts(): NodeFacts | null {
    return this.#facts;
  }

  figures(): NodeFigures | null {
    return this.#figures;
  }

  readings(): Readings | null {
    return this.#readings;
  }

  start(changed: () => void): void {
    this.#changed = changed;
    void this.#look();
    if (this.#model !== null) return;
    this.#inventoryTimer = this.#options.clock.setTimer(INVENTORY_AFTER_MS, () => void this.#inventory());
  }

  stop(): void {
    this.#stopped = true;
    this.#figuresTimer?.cancel();
    this.#inventoryTimer?.cancel();
  }

  async read(): Promise<NodeFacts> {
    await this.#askEngine();
    return this.#collect();
  }

  async #look(): Promise<void> {
    const { clock, dataDir } = this.#options;
    await this.#askEngine();
    if (this.#stopped) return;
    this.#facts = this.#collect();
    this.#figures = readFigures(this.#engine?.dataRoot || dataDir);
    this.#readings = await this.#read(this.#figures);
    if (this.#stopped) return;
    this.#figuresTimer = clock.setTimer(FIGURES_PERIOD_MS, () => void this.#look());
    this.#changed();
  }

  async #read({ temperatureC, clockSynchronised }: NodeFigures): Promise<Readings> {
    const { dataDir } = this.#options;
    const dataRoot = this.#engine?.dataRoot || null;
    const totalBytes = memInfoBytes("MemTotal");
    return {
      disks: [...(dataRoot === null ? [] : [diskReading("engine", dataRoot)]), diskReading("agent", dataDir)],
      memory: totalBytes === 0 ? null : { totalBytes, availableBytes: memInfoBytes("MemAvailable") },
      ...{ temperatureC, clockSynchronised },
      underVoltage: await this.#supply.underVoltage(this.#model),
      memoryLimits: memoryLimits(this.#engine?.warnings ?? null, readText("/proc/cmdline")),
    };
  }

  async #askEngine(): Promise<void> {
    const { clock, log, engine } = this.#options;
    const now = clock.monotonicMs();
    if (this.#engine !== null && now - this.#engineAskedAtMs < ENGINE_FACTS_PERIOD_MS) return;
    try {
      const first = this.#engine === null;
      this.#engine = await engine.facts();
      this.#engineAskedAtMs = now;
      if (first) this.#sayWarnings(this.#engine);
    } catch (error) {
      // The reconciler reports an engine that is away; here it is only asked again later.
      if (!(error instanceof EngineError)) throw error;
      log.debug("engine facts not read", { reason: error.message });
    }
  }

  #collect(): NodeFacts {
    const { dataDir, version, metered } = this.#options;
    const engine = this.#engine;
    return {
      hostname: hostname(),
      arch: engine?.arch || archWords(arch()),
      os: osName(),
      kernel: release(),
      model: this.#model,
      cores: engine?.cores || availableParallelism(),
      memoryBytes: engine?.memoryBytes || memInfoBytes("MemTotal"),
      diskBytes: diskBytes(engine?.dataRoot || dataDir).total,
      engineVersion: engine?.version ?? "",
      engineApiVersion: engine?.apiVersion ?? "",
      agentVersion: version,
      metered,
    };
  }

  #sayWarnings({ warnings }: EngineFacts): void {
    for (const warning of warnings) this.#options.log.warn("the engine warns", { warning });
  }

  async #inventory(): Promise<void> {
    this.#model = await this.#options.slowModel();
    if (this.#stopped || this.#facts === null || this.#model === null) return;
    this.#facts = this.#collect();
    this.#changed();
  }
}

/** A Pi says its name in the device tree, a PC in its firmware's tables. */
function boardModel(): string | null {
  const board = readText("/proc/device-tree/model") || readText("/sys/class/dmi/id/product_name");
  return board === null || board === "" ? null : board;
}

/** "Debian GNU/Linux 12 (bookworm)". */
function osName(): string {
  const match = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readText("/etc/os-release") ?? "");
  return match?.[1] || "Linux";
}

function archWords(machine: string): string {
  return machine === "x64" ? "amd64" : machine;
}
