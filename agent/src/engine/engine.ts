// Engine: the few things an agent asks of a container engine, in typed fields of our own. dockerode and the simulated engine both
// implement it and pass the same contract suite. Every call has a deadline; nothing here decides anything.
import type { AppNetwork, AppVolume } from "@skerry/shared/model/app.ts";
import type { ContainerSpec } from "@skerry/shared/model/container.ts";
import type { RegistryLogin } from "@skerry/shared/model/registry-login.ts";
import type { Pull, PullFailure } from "@skerry/shared/model/report.ts";

/** Why a call failed, grouped by what the caller must do. */
export type EngineErrorKind =
  /** The object is not there (404). For stop and remove that is success. */
  | "not-found"
  /** Name or port taken, removal under way, already in that state (409, or 500 with such words). Look again. */
  | "conflict"
  /** The engine refuses this request and always will (400: bad field). Do not retry until the spec changes. */
  | "invalid"
  /** Trying again later may work: registry, network, disk, unknown 5xx. */
  | "retry"
  /** The engine did not answer, or not in time. The outcome is unknown. */
  | "unreachable";

export class EngineError extends Error {
  override name = "EngineError";
  readonly kind: EngineErrorKind;
  /** Set by a pull that failed; null for everything else. */
  readonly pullFailure: PullFailure | null;
  constructor(kind: EngineErrorKind, message: string, options?: { cause?: unknown; pullFailure?: PullFailure }) {
    super(message, options);
    this.kind = kind;
    this.pullFailure = options?.pullFailure ?? null;
  }
}

export interface EngineFacts {
  /** Changes when the engine was restarted; null when the engine cannot say. */
  readonly instance: string | null;
  readonly version: string;
  readonly apiVersion: string;
  readonly arch: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly dataRoot: string;
  readonly warnings: readonly string[];
}

export type ContainerStatus = "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead";

/** One line of the full look: cheap, one call for all containers, ours and others'. */
export interface ContainerSummary {
  readonly id: string;
  readonly name: string;
  readonly status: ContainerStatus;
  readonly labels: Readonly<Record<string, string>>;
  readonly imageId: string;
  /** Engine names of the networks it is attached to. */
  readonly networks: readonly string[];
  /** Opaque, in the order of `networks`: another one after it was connected anew. Empty texts while it does not run. */
  readonly endpoints: readonly string[];
  readonly publishedPorts: readonly {
    readonly port: number;
    readonly protocol: "tcp" | "udp" | "sctp";
    readonly hostIp: string;
  }[];
  /** "none": no health check. */
  readonly health: "none" | "starting" | "healthy" | "unhealthy";
}

/** The details of one of ours, asked for only when its summary changed. */
export interface ContainerDetails {
  readonly id: string;
  readonly name: string;
  readonly status: ContainerStatus;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly error: string;
  /** How long it ran or has been running, by the engine's own two stamps (never compared with our clock). null: never started. */
  readonly ranMs: number | null;
  /** The engine's stamp, opaque: differs when it was started again. */
  readonly startedAt: string;
  readonly pid: number;
  readonly health: "none" | "starting" | "healthy" | "unhealthy";
  readonly healthOutput: string;
  /** Its own IP addresses while it runs, in the order of its networks' names. None on the host's network. */
  readonly addresses: readonly string[];
  /** By the engine's name of each network that it is attached to: the names under which others on it find this container. */
  readonly aliases: Readonly<Record<string, readonly string[]>>;
  /** The short list of facts that outside edits change (`docker update`, …): to compare with the ones recorded at creation. */
  readonly limits: {
    readonly memoryBytes: number;
    readonly nanoCpus: number;
    readonly cpuShares: number;
    readonly pidsLimit: number | null;
    readonly restartPolicy: string;
  };
}

export interface ImageDetails {
  readonly id: string;
  readonly arch: string;
}

/** What wakes the reconciler. Only ours and those that hold our names matter, but the loop looks at everything anyway. */
export interface EngineEvent {
  readonly kind: "container" | "network" | "volume" | "image" | "daemon";
  readonly action: string;
  readonly id: string;
}

/** Totals grow as the engine learns of layers. */
export type PullProgress = Readonly<Omit<Pull, "forMs">>;

export interface ExecAnswer {
  /** null: it was still running when it was given up. */
  readonly exitCode: number | null;
  /** The beginning of what it wrote; "" of one that was given up. */
  readonly output: string;
}

export interface CreateRequest {
  readonly name: string;
  readonly spec: ContainerSpec;
  /** Ours, put over the spec's own labels. */
  readonly labels: Readonly<Record<string, string>>;
  /** Added to the spec's environment (fencing token). */
  readonly environment: Readonly<Record<string, string>>;
}

export interface LogLine {
  readonly stream: "stdout" | "stderr";
  /** The engine's stamp, in UTC; those of one container compare as text. */
  readonly at: string;
  /** Without its line break; control characters are in it. */
  readonly text: string;
  /** true: the line goes on in the next piece. */
  readonly more: boolean;
}

export interface LogOptions {
  /** Goes on until the container ends. */
  readonly follow: boolean;
  /** So many from the end; null: all. */
  readonly tail: number | null;
  /** Not before this stamp of the engine's clock; null: all. */
  readonly since: string | null;
}

/** All calls reject with EngineError only. */
export interface Engine {
  /** Cheap; the liveness check. */
  ping(): Promise<void>;
  facts(): Promise<EngineFacts>;
  /** All containers, also stopped and foreign ones. */
  listContainers(): Promise<readonly ContainerSummary[]>;
  inspectContainer(id: string): Promise<ContainerDetails>;
  /** null: not there locally. Never asks a registry. */
  inspectImage(reference: string): Promise<ImageDetails | null>;
  /** `login`: what its registry is shown; null: nothing. The engine keeps nothing of it. */
  pullImage(
    reference: string,
    platform: string | null,
    login: RegistryLogin | null,
    progress: (now: PullProgress) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** Returns the new id. `conflict` when the name is taken. */
  createContainer(request: CreateRequest): Promise<string>;
  startContainer(id: string): Promise<void>;
  /** Sends the stop signal, waits `graceMs`, kills. null: the container's own. Resolves when it has stopped or was not running. */
  stopContainer(id: string, graceMs: number | null): Promise<void>;
  /**
   * Runs a command inside a running container to its end. When `signal` says stop, it is ended if it still runs; rejects as `retry` when
   * the engine does not say within seconds whether it does.
   */
  exec(containerId: string, command: readonly string[], signal: AbortSignal): Promise<ExecAnswer>;
  /** The last lines that it wrote, oldest first, also when it has ended. Empty where its logging driver cannot be read. */
  tail(containerId: string, lines: number, maxBytes: number): Promise<readonly string[]>;
  /** Never removes volumes. */
  removeContainer(id: string, force: boolean): Promise<void>;
  renameContainer(id: string, name: string): Promise<void>;
  connectNetwork(
    network: string,
    containerId: string,
    attachment: { aliases: readonly string[]; ipv4Address: string | null; ipv6Address: string | null },
  ): Promise<void>;
  /**
   * Attaches it anew under these aliases and no others; not attached, it is connected. With the address that it had its open connections
   * only stand still for a moment, with another one they break. `pinned`: asks for the present one where the network takes such wishes,
   * and so at each later start too, when another container may have it: for one that is about to go. Otherwise the engine chooses: the
   * lowest free one. Ended half-way, it is detached.
   */
  changeAliases(
    network: string,
    containerId: string,
    change: { aliases: readonly string[]; pinned: boolean },
  ): Promise<void>;
  listNetworks(): Promise<
    readonly { readonly id: string; readonly name: string; readonly labels: Readonly<Record<string, string>> }[]
  >;
  createNetwork(network: AppNetwork, labels: Readonly<Record<string, string>>): Promise<void>;
  removeNetwork(id: string): Promise<void>;
  /** Names and labels of all volumes. There is no call that removes one. */
  listVolumes(): Promise<readonly { readonly name: string; readonly labels: Readonly<Record<string, string>> }[]>;
  createVolume(volume: AppVolume, labels: Readonly<Record<string, string>>): Promise<void>;
  /** Subscribes; `onEnd` is called once when the stream breaks. Returns the way to end it. */
  watch(onEvent: (event: EngineEvent) => void, onEnd: (reason: string) => void): { close(): void };
  /** What the container wrote, oldest first. Read as fast as it is asked for, and no faster; ends early when `signal` is aborted. */
  logs(id: string, options: LogOptions, signal: AbortSignal): AsyncIterable<LogLine>;
}
