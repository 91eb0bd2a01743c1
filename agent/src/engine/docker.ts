// Docker's engine behind our Engine, by dockerode over its unix socket. It asks and translates; it decides nothing and retries nothing.
// No call may run for ever: an engine that hangs accepts connections and answers none of them.
import { type Stats, statSync } from "node:fs";
import { Readable } from "node:stream";
import type { AppNetwork, AppVolume } from "@skerry/shared/model/app.ts";
import { imageName } from "@skerry/shared/model/image-name.ts";
import type { RegistryLogin } from "@skerry/shared/model/registry-login.ts";
import { type Clock, withDeadline } from "@skerry/shared/runtime/clock.ts";
import type { EngineInside, PullGuard } from "../registry/pull-guard.ts";
import { createCall, endpoint, networkBody, takesEndpointMac, volumeBody } from "./create-request.ts";
import { type CallKind, oneLine, toEngineError } from "./docker-errors.ts";
import { engineMoment, framedLines, plainLines } from "./docker-logs.ts";
import {
  archInDockerWords,
  attachmentTo,
  containerDetails,
  containerSummary,
  engineEvent,
  fieldsOf,
  insecureRegistries,
  layerIds,
  listOf,
  number,
  text,
  textMap,
} from "./docker-read.ts";
import { PullTally, readBeginning, readJsonLines, readTail } from "./docker-stream.ts";
import { type DockerClient, dockerClient } from "./dockerode.ts";
import { endProcessOf } from "./end-process.ts";
import {
  type CreateRequest,
  type Engine,
  EngineError,
  type EngineEvent,
  type EngineFacts,
  type ExecAnswer,
  type LogLine,
  type LogOptions,
  type PullProgress,
} from "./engine.ts";
import { notGivenOut, plainly, pullFailure } from "./engine-words.ts";
import { processAgeMs } from "./process-age.ts";

/** A healthy engine answers in milliseconds, one on a slow SD card under load within seconds. */
const PING_DEADLINE_MS = 5_000;
const READ_DEADLINE_MS = 20_000;
/** Creating copies an image's volumes and writes to a slow card. */
const CHANGE_DEADLINE_MS = 60_000;
/** A start may wait for iptables' lock and for a device. */
const START_DEADLINE_MS = 120_000;
/** What the engine needs to stop a container beyond the grace that it gives the process. */
const STOP_MARGIN_MS = 30_000;
/** Docker's own, for a container that names none. */
const DEFAULT_STOP_GRACE_S = 10;
/** A pull may take hours on a thin link; it is given up only when nothing moves. Longer than a registry's own time-outs. */
const PULL_STALL_MS = 180_000;
/** One call an image, and a node that never removed any has hundreds. */
const LAYERS_DEADLINE_MS = 60_000;
/** Progress is shown to people and sent in reports: more often is waste. */
const PULL_PROGRESS_PERIOD_MS = 1_000;

/** Of a command run inside a container: enough of its output to see what it complains of. */
const MAX_EXEC_OUTPUT_BYTES = 1_024;
/** Whoever asks has a shorter deadline of his own. */
const EXEC_DEADLINE_MS = 3_600_000;

/** 1.41 is Docker 20.10, Debian 11's and the oldest with what we need; 1.47 the newest that this code was written against. */
const OLDEST_API_MINOR = 41;
const NEWEST_API_MINOR = 47;

/** Only these reach us: a health check makes three `exec_*` events at each run, and an idle agent must not wake for them. */
const WATCHED_ACTIONS = [
  ...[
    "create",
    "start",
    "die",
    "stop",
    "kill",
    "oom",
    "pause",
    "unpause",
    "rename",
    "update",
    "destroy",
    "health_status",
  ],
  ...["connect", "disconnect", "remove", "delete", "untag", "tag", "load", "import", "pull", "reload"],
];

export interface DockerOptions {
  readonly socketPath: string;
  readonly clock: Clock;
  /** Without it what is pulled may fill the disk. */
  readonly guard?: PullGuard;
}

export function dockerEngine(options: DockerOptions): Engine {
  return new DockerEngine(options);
}

interface Session {
  readonly docker: DockerClient;
  readonly apiMinor: number;
}

class DockerEngine implements Engine {
  readonly #socketPath: string;
  readonly #clock: Clock;
  readonly #guard: PullGuard | null;
  /** Agreed with the engine at the first call, and again after it was away: it may be another version then. */
  #session: Promise<Session> | null = null;

  constructor({ socketPath, clock, guard }: DockerOptions) {
    this.#guard = guard ?? null;
    this.#socketPath = socketPath;
    this.#clock = clock;
  }

  async ping(): Promise<void> {
    await this.#call("ping", "read", PING_DEADLINE_MS, ({ docker }, abortSignal) => docker.ping({ abortSignal }));
  }

  async facts(): Promise<EngineFacts> {
    return await this.#call("read the engine's facts", "read", READ_DEADLINE_MS, async (session, abortSignal) => {
      const info = fieldsOf(await session.docker.info({ abortSignal }), "info");
      const warnings = Array.isArray(info["Warnings"]) ? info["Warnings"].map((one) => oneLine(text(one))) : [];
      return {
        instance: await this.#instance(session, abortSignal),
        version: text(info["ServerVersion"]),
        apiVersion: `1.${session.apiMinor}`,
        arch: archInDockerWords(text(info["Architecture"])),
        cores: number(info["NCPU"]),
        memoryBytes: number(info["MemTotal"]),
        dataRoot: text(info["DockerRootDir"]),
        warnings,
      };
    });
  }

  async listContainers() {
    return await this.#call("list containers", "read", READ_DEADLINE_MS, async ({ docker }, abortSignal) => {
      const answer: unknown = await docker.listContainers({ all: true, abortSignal });
      return listOf(answer, "list containers").map(containerSummary);
    });
  }

  async inspectContainer(id: string) {
    return await this.#call(`inspect ${short(id)}`, "read", READ_DEADLINE_MS, async ({ docker }, abortSignal) => {
      const answer: unknown = await docker.getContainer(id).inspect({ abortSignal });
      return containerDetails(answer, (pid, startedAt) => this.#runningForMs(pid, startedAt));
    });
  }

  async inspectImage(reference: string) {
    try {
      return await this.#call(
        `inspect image ${reference}`,
        "read",
        READ_DEADLINE_MS,
        async ({ docker }, abortSignal) => {
          const answer = fieldsOf(await docker.getImage(reference).inspect({ abortSignal }), "inspect image");
          return { id: text(answer["Id"]), arch: text(answer["Architecture"]) };
        },
      );
    } catch (error) {
      if (error instanceof EngineError && error.kind === "not-found") return null;
      throw error;
    }
  }

  async pullImage(
    reference: string,
    platform: string | null,
    login: RegistryLogin | null,
    progress: (now: PullProgress) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const what = `pull ${reference}`;
    const stop = new AbortController();
    let why = "was cancelled";
    let tooBig: string | null = null;
    const cancel = (): void => stop.abort();
    const stalled = (): void => {
      why = `made no progress for ${PULL_STALL_MS / 1_000} s`;
      stop.abort();
    };
    let stallTimer = this.#clock.setTimer(PULL_STALL_MS, stalled);
    signal.addEventListener("abort", cancel, { once: true });
    if (signal.aborted) stop.abort();
    const moved = (): void => {
      stallTimer.cancel();
      stallTimer = this.#clock.setTimer(PULL_STALL_MS, stalled);
    };
    try {
      const inside = this.#guard === null ? null : await this.#inside();
      tooBig = inside === null ? null : await this.#refusal(reference, platform, login, inside, stop.signal);
      if (tooBig !== null) throw new EngineError("retry", tooBig, { pullFailure: "too-big" });
      const fits = inside === null ? () => null : this.#guard?.during(reference, inside);
      await this.#pull(reference, platform, login, progress, stop.signal, (totalBytes) => {
        moved();
        tooBig ??= fits?.(totalBytes) ?? null;
        if (tooBig !== null) stop.abort();
      });
    } catch (error) {
      if (tooBig !== null) throw new EngineError("retry", tooBig, { cause: error, pullFailure: "too-big" });
      if (stop.signal.aborted)
        throw new EngineError("retry", `${what} ${why}`, { cause: error, pullFailure: "unreachable" });
      throw withCredentialWords(reference, login, this.#failed(what, "pull", error));
    } finally {
      stallTimer.cancel();
      signal.removeEventListener("abort", cancel);
    }
  }

  async createContainer(request: CreateRequest): Promise<string> {
    const what = `create ${request.name}`;
    return await this.#call(what, "create", CHANGE_DEADLINE_MS, async (session, abortSignal) => {
      const call = createCall(request, session.apiMinor);
      if (!call.ok) throw new EngineError("invalid", `${what}: ${call.error}`);
      const { query: _query, body: _body } = call.value;
      const { id } = await session.docker.createContainer({ _query, _body, abortSignal });
      if (typeof id !== "string") throw new EngineError("unreachable", `${what}: the engine's answer lacks an id`);
      for (const one of call.value.connectLater) {
        await this.#connectOrRemove(session, id, one.network, endpoint(one, session.apiMinor), abortSignal);
      }
      return id;
    });
  }

  async startContainer(id: string): Promise<void> {
    await this.#call(`start ${short(id)}`, "start", START_DEADLINE_MS, ({ docker }, abortSignal) =>
      unlessUnchanged(docker.getContainer(id).start({ abortSignal })),
    );
  }

  async stopContainer(id: string, graceMs: number | null): Promise<void> {
    const graceS = graceMs === null ? await this.#ownGraceS(id) : Math.ceil(graceMs / 1_000);
    const deadlineMs = graceS * 1_000 + STOP_MARGIN_MS;
    await this.#call(`stop ${short(id)}`, "change", deadlineMs, ({ docker }, abortSignal) =>
      unlessUnchanged(docker.getContainer(id).stop({ t: graceS, abortSignal })),
    );
  }

  async exec(containerId: string, command: readonly string[], signal: AbortSignal): Promise<ExecAnswer> {
    const what = `run ${command[0] ?? "nothing"} in ${short(containerId)}`;
    return await this.#call(what, "change", EXEC_DEADLINE_MS, async ({ docker }, deadline) => {
      const abortSignal = AbortSignal.any([signal, deadline]);
      const made = { Cmd: command, AttachStdout: true, AttachStderr: true } as const;
      const run = await docker.getContainer(containerId).exec({ ...made, abortSignal });
      try {
        const stream = asReadable(await run.start({ Detach: false, Tty: false, abortSignal }));
        const output = await readBeginning(stream, MAX_EXEC_OUTPUT_BYTES);
        const ended = fieldsOf(await run.inspect({ abortSignal }), "inspect a command");
        return { exitCode: number(ended["ExitCode"]), output };
      } catch (error) {
        if (!signal.aborted) throw error;
        if (await this.#endCommand(run, containerId)) return { exitCode: null, output: "" };
        throw new EngineError("retry", `${what} was given up`, { cause: error });
      }
    });
  }

  /** Whether it still ran. The engine has no call that ends a command, and one that hangs must not pile up with the next. */
  async #endCommand(
    run: { inspect(options: { abortSignal: AbortSignal }): Promise<unknown> },
    containerId: string,
  ): Promise<boolean> {
    try {
      return await withDeadline(this.#clock, "end a command", PING_DEADLINE_MS, async (abortSignal) => {
        const { Running, Pid } = fieldsOf(await run.inspect({ abortSignal }), "inspect a command");
        if (Running === true) endProcessOf(containerId, number(Pid));
        return Running === true;
      });
    } catch {
      // It could not be asked about: then it goes on until it ends by itself or with its container.
      return false;
    }
  }

  async tail(containerId: string, lines: number, maxBytes: number): Promise<readonly string[]> {
    try {
      return await this.#tail(containerId, lines, maxBytes);
    } catch (error) {
      // Drivers that keep nothing here ("none", those that send it elsewhere).
      if (error instanceof EngineError && error.message.includes("does not support reading")) return [];
      throw error;
    }
  }

  async #tail(containerId: string, lines: number, maxBytes: number): Promise<readonly string[]> {
    const what = `read the last lines of ${short(containerId)}`;
    return await this.#call(what, "read", READ_DEADLINE_MS, async ({ docker }, abortSignal) => {
      const onTerminal = await isOnTerminal(docker, containerId, abortSignal);
      const answer = await new Promise<unknown>((resolve, reject) => {
        const call = {
          path: `/containers/${containerId}/logs?`,
          method: "GET",
          options: { stdout: true, stderr: true, tail: String(lines) },
          isStream: true,
          statusCodes: { 200: true, 404: "no such container", 500: "server error", 501: "cannot be read" },
        } as const;
        docker.modem.dial({ ...call, abortSignal }, (error, stream) => (error ? reject(error) : resolve(stream)));
      });
      return await readTail(asReadable(answer), { onTerminal, lines, maxBytes });
    });
  }

  async removeContainer(id: string, force: boolean): Promise<void> {
    await this.#call(`remove ${short(id)}`, "change", CHANGE_DEADLINE_MS, async ({ docker }, abortSignal) => {
      // v: false keeps anonymous volumes: data is never removed by the way.
      await docker.getContainer(id).remove({ force, v: false, abortSignal });
    });
  }

  async renameContainer(id: string, name: string): Promise<void> {
    await this.#call(`rename ${short(id)} to ${name}`, "change", CHANGE_DEADLINE_MS, ({ docker }, abortSignal) =>
      docker.getContainer(id).rename({ name, abortSignal }),
    );
  }

  async connectNetwork(
    network: string,
    containerId: string,
    attachment: { aliases: readonly string[]; ipv4Address: string | null; ipv6Address: string | null },
  ): Promise<void> {
    const what = `connect ${short(containerId)} to network ${network}`;
    await this.#call(what, "change", CHANGE_DEADLINE_MS, async ({ docker, apiMinor }, abortSignal) => {
      const none = { network, macAddress: null, linkLocalIps: [], priority: null };
      const EndpointConfig = endpoint({ ...none, ...attachment, aliases: [...attachment.aliases] }, apiMinor);
      await docker.getNetwork(network).connect({ Container: containerId, EndpointConfig, abortSignal });
    });
  }

  async changeAliases(
    network: string,
    containerId: string,
    { aliases, pinned }: { aliases: readonly string[]; pinned: boolean },
  ): Promise<void> {
    const what = `change the aliases of ${short(containerId)} on network ${network}`;
    await this.#call(what, "change", CHANGE_DEADLINE_MS, async ({ docker, apiMinor }, abortSignal) => {
      const attached = attachmentTo(network, await docker.getContainer(containerId).inspect({ abortSignal }));
      const plain = { Aliases: aliases, IPAMConfig: attached?.asked ?? {} };
      const connect = async (EndpointConfig: object): Promise<void> => {
        await docker.getNetwork(network).connect({ Container: containerId, EndpointConfig, abortSignal });
      };
      if (attached === null) return await connect(plain);
      // Nothing may come between these calls: meanwhile nobody reaches it.
      await docker.getNetwork(network).disconnect({ Container: containerId, Force: false, abortSignal });
      if (!pinned) return await connect(plain);
      const mac = takesEndpointMac(apiMinor) && attached.macAddress !== "" ? { MacAddress: attached.macAddress } : {};
      try {
        await connect({ ...plain, IPAMConfig: { ...attached.asked, ...attached.present }, ...mac });
      } catch (error) {
        // The network takes no wishes, and then the one that the engine chooses most often is the same.
        if (toEngineError(what, "change", this.#socketPath, error).kind === "unreachable") throw error;
        await connect(plain);
      }
    });
  }

  async listNetworks() {
    return await this.#call("list networks", "read", READ_DEADLINE_MS, async ({ docker }, abortSignal) => {
      const answer: unknown = await docker.listNetworks({ abortSignal });
      return listOf(answer, "list networks").map((one) => ({
        id: text(one["Id"]),
        name: text(one["Name"]),
        labels: textMap(one["Labels"]),
      }));
    });
  }

  async createNetwork(network: AppNetwork, labels: Readonly<Record<string, string>>): Promise<void> {
    const what = `create network ${network.engineName}`;
    await this.#call(what, "create", CHANGE_DEADLINE_MS, ({ docker }, abortSignal) =>
      docker.createNetwork({ _query: {}, _body: networkBody(network, labels), abortSignal }),
    );
  }

  async removeNetwork(id: string): Promise<void> {
    await this.#call(`remove network ${short(id)}`, "change", CHANGE_DEADLINE_MS, ({ docker }, abortSignal) =>
      docker.getNetwork(id).remove({ abortSignal }),
    );
  }

  async listVolumes() {
    return await this.#call("list volumes", "read", READ_DEADLINE_MS, async ({ docker }, abortSignal) => {
      const answer = fieldsOf(await docker.listVolumes({ abortSignal }), "list volumes");
      return listOf(answer["Volumes"], "list volumes").map((one) => ({
        name: text(one["Name"]),
        labels: textMap(one["Labels"]),
      }));
    });
  }

  async createVolume(volume: AppVolume, labels: Readonly<Record<string, string>>): Promise<void> {
    const what = `create volume ${volume.engineName}`;
    await this.#call(what, "create", CHANGE_DEADLINE_MS, ({ docker }, abortSignal) =>
      docker.createVolume({ _query: {}, _body: volumeBody(volume, labels), abortSignal }),
    );
  }

  watch(onEvent: (event: EngineEvent) => void, onEnd: (reason: string) => void): { close(): void } {
    const stop = new AbortController();
    const run = async (): Promise<string> => {
      const filters = { event: WATCHED_ACTIONS };
      const { docker } = await this.#agreed();
      // The wait for the answer's head has no deadline of its own: the periodic look goes on without events.
      const stream = await docker.getEvents({ filters, abortSignal: stop.signal });
      await readJsonLines(asReadable(stream), (line) => {
        const event = engineEvent(line);
        if (event !== null && !stop.signal.aborted) onEvent(event);
      });
      return "the engine ended the stream of events";
    };
    run()
      .catch((error: unknown) => this.#failed("watch events", "read", error).message)
      .then((reason) => {
        this.#session = null;
        if (!stop.signal.aborted) onEnd(reason);
      });
    return { close: () => stop.abort() };
  }

  async *logs(id: string, options: LogOptions, signal: AbortSignal): AsyncGenerator<LogLine> {
    const what = `read the log of ${short(id)}`;
    const onTerminal = await this.#call(what, "read", READ_DEADLINE_MS, ({ docker }, abortSignal) =>
      isOnTerminal(docker, id, abortSignal),
    );
    try {
      const { docker } = await this.#agreed();
      const stream = asReadable(await logStream(docker, id, options, signal));
      yield* onTerminal ? plainLines(stream) : framedLines(stream);
    } catch (error) {
      if (!signal.aborted) throw this.#failed(what, "read", error);
    }
  }

  /** One call with a deadline. Whatever goes wrong comes out as an EngineError. */
  async #call<T>(
    what: string,
    kind: CallKind,
    deadlineMs: number,
    work: (session: Session, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    try {
      return await withDeadline(this.#clock, what, deadlineMs, async (signal) => work(await this.#agreed(), signal));
    } catch (error) {
      throw this.#failed(what, kind, error);
    }
  }

  #failed(what: string, kind: CallKind, error: unknown): EngineError {
    const failed = toEngineError(what, kind, this.#socketPath, error);
    if (failed.kind === "unreachable") this.#session = null;
    return failed;
  }

  #agreed(): Promise<Session> {
    this.#session ??= this.#agree();
    return this.#session;
  }

  async #agree(): Promise<Session> {
    try {
      return await withDeadline(this.#clock, "agree on an API version", PING_DEADLINE_MS, async (abortSignal) => {
        const unversioned = dockerClient(this.#socketPath, null);
        const answer = fieldsOf(await unversioned.version({ abortSignal }), "version");
        const apiMinor = agreedMinor(
          text(answer["ApiVersion"]),
          text(answer["MinAPIVersion"]),
          text(answer["Version"]),
        );
        return { docker: dockerClient(this.#socketPath, `v1.${apiMinor}`), apiMinor };
      });
    } catch (error) {
      this.#session = null;
      throw toEngineError("agree on an API version", "read", this.#socketPath, error);
    }
  }

  async #pull(
    reference: string,
    platform: string | null,
    login: RegistryLogin | null,
    progress: (now: PullProgress) => void,
    signal: AbortSignal,
    moved: (totalBytes: number) => void,
  ): Promise<void> {
    const { docker } = await this.#agreed();
    const _query = { ...imageQuery(reference), ...(platform === null ? {} : { platform }) };
    const authconfig =
      login === null
        ? {}
        : { authconfig: { username: login.user, password: login.password, serveraddress: registryOf(reference) } };
    const stream = await docker.createImage({ _query, _body: {}, ...authconfig, abortSignal: signal });
    const tally = new PullTally();
    let failure: string | null = null;
    let shownAtMs = Number.NEGATIVE_INFINITY;
    await readJsonLines(asReadable(stream), (line) => {
      failure ??= tally.add(line);
      moved(tally.now().totalBytes);
      const nowMs = this.#clock.monotonicMs();
      if (nowMs - shownAtMs < PULL_PROGRESS_PERIOD_MS) return;
      shownAtMs = nowMs;
      progress(tally.now());
    });
    if (failure !== null) {
      const words = plainly(`pull ${reference}`, oneLine(failure));
      throw new EngineError("retry", words, { pullFailure: pullFailure(failure) });
    }
    progress(tally.now());
  }

  async #refusal(
    reference: string,
    platform: string | null,
    login: RegistryLogin | null,
    inside: EngineInside,
    signal: AbortSignal,
  ): Promise<string | null> {
    return (await this.#guard?.before(reference, platform, login, inside, signal)) ?? null;
  }

  async #inside(): Promise<EngineInside> {
    return await this.#call("read the engine's facts", "read", READ_DEADLINE_MS, async ({ docker }, abortSignal) => {
      const info = fieldsOf(await docker.info({ abortSignal }), "info");
      return {
        dataRoot: text(info["DockerRootDir"]),
        platform: `${text(info["OSType"]) || "linux"}/${archInDockerWords(text(info["Architecture"]))}`,
        insecure: insecureRegistries(info),
        layers: () => this.#layersThere(),
      };
    });
  }

  async #layersThere(): Promise<ReadonlySet<string>> {
    return await this.#call("list images", "read", LAYERS_DEADLINE_MS, async ({ docker }, abortSignal) => {
      const layers = new Set<string>();
      for (const image of listOf(await docker.listImages({ abortSignal }), "list images")) {
        for (const layer of layerIds(await docker.getImage(text(image["Id"])).inspect({ abortSignal })))
          layers.add(layer);
      }
      return layers;
    });
  }

  async #connectOrRemove(
    { docker }: Session,
    id: string,
    network: string,
    EndpointConfig: object,
    abortSignal: AbortSignal,
  ): Promise<void> {
    try {
      await docker.getNetwork(network).connect({ Container: id, EndpointConfig, abortSignal });
    } catch (error) {
      // A container on half of its networks must not be taken for a finished one. If this fails too, the next look finds it.
      await docker
        .getContainer(id)
        .remove({ force: true, v: false, abortSignal })
        .catch(() => undefined);
      const failed = toEngineError(`connect to network ${network}`, "create", this.#socketPath, error);
      // The create call's own "not found" means the image.
      throw failed.kind === "not-found" ? new EngineError("conflict", failed.message, { cause: error }) : failed;
    }
  }

  async #ownGraceS(id: string): Promise<number> {
    return await this.#call(`inspect ${short(id)}`, "read", READ_DEADLINE_MS, async ({ docker }, abortSignal) => {
      const answer = fieldsOf(await docker.getContainer(id).inspect({ abortSignal }), "inspect");
      const own = fieldsOf(answer["Config"], "inspect")["StopTimeout"];
      // 0 is a wish (kill at once), absent is the engine's default.
      return typeof own === "number" ? own : DEFAULT_STOP_GRACE_S;
    });
  }

  /**
   * The engine has no start stamp of its own. Its default bridge gets a new id at each start, and its socket a new inode, unless
   * systemd holds the socket or live-restore the bridge; where both stay, a restart is not seen, and did not touch containers.
   */
  async #instance({ docker }: Session, abortSignal: AbortSignal): Promise<string | null> {
    const filters = { driver: ["bridge"], type: ["builtin"] };
    const networks = listOf(await docker.listNetworks({ filters, abortSignal }), "list networks");
    const bridge = networks.map((one) => text(one["Id"]).slice(0, 12)).join("+");
    const socket = fileStats(this.#socketPath);
    return `${bridge}/${socket === null ? "" : `${socket.ino}-${Math.round(socket.ctimeMs)}`}`;
  }

  #runningForMs(pid: number, startedAt: string): number {
    // Where the process cannot be seen, two readings of the wall clock are all there is.
    return processAgeMs(pid) ?? Math.max(0, this.#clock.wallMs() - Date.parse(startedAt));
  }
}

/** Always as a stream, also when it is not followed: a log may be larger than this machine's memory. */
function logStream(docker: DockerClient, id: string, options: LogOptions, abortSignal: AbortSignal): Promise<unknown> {
  const { follow, tail, since } = options;
  return new Promise((resolve, reject) => {
    docker.modem.dial(
      {
        path: `/containers/${id}/logs?`,
        method: "GET",
        isStream: true,
        abortSignal,
        statusCodes: { 200: true, 404: "no such container", 500: "server error" },
        options: {
          ...{ stdout: true, stderr: true, timestamps: true, follow, tail: tail === null ? "all" : String(tail) },
          ...(since === null ? {} : { since: engineMoment(since) }),
        },
      },
      (error, stream) => (error === null || error === undefined ? resolve(stream) : reject(error)),
    );
  });
}

/** The engine's and our own range of API versions must overlap. */
export function agreedMinor(newest: string, oldest: string, engineVersion: string): number {
  const engineNewest = minorOf(newest);
  const engineOldest = minorOf(oldest) ?? 0;
  if (engineNewest === null) throw new EngineError("unreachable", "the engine does not say which API it speaks");
  if (engineNewest < OLDEST_API_MINOR) {
    throw new EngineError(
      "unreachable",
      `this engine (${engineVersion}, API ${newest}) is too old: Skerry needs API 1.${OLDEST_API_MINOR}, Docker 20.10 or newer. Upgrade Docker`,
    );
  }
  const minor = Math.min(engineNewest, NEWEST_API_MINOR);
  if (minor < engineOldest) {
    throw new EngineError(
      "unreachable",
      `this engine (${engineVersion}) takes API ${oldest} or newer, and this agent speaks up to 1.${NEWEST_API_MINOR}. Upgrade Skerry`,
    );
  }
  return minor;
}

function minorOf(version: string): number | null {
  const match = /^1\.(\d{1,4})$/.exec(version);
  return match === null ? null : Number(match[1]);
}

/** "host:5000/shop/web:1@sha256:…" → what the engine's pull call wants; without a tag it would pull all of them. */
export function imageQuery(reference: string): { fromImage: string; tag: string } {
  const [named = "", digest] = reference.split("@");
  const colon = named.lastIndexOf(":");
  const hasTag = colon > named.lastIndexOf("/");
  const fromImage = hasTag ? named.slice(0, colon) : named;
  return { fromImage, tag: digest ?? (hasTag ? named.slice(colon + 1) : "latest") };
}

const registryOf = (reference: string): string => imageName(reference)?.registry ?? "";

/** A registry that does not give an image out: which one it was, and whether it was shown a credential. */
function withCredentialWords(reference: string, login: RegistryLogin | null, error: EngineError): EngineError {
  if (error.pullFailure !== "unauthorised") return error;
  const words = notGivenOut(registryOf(reference), login !== null, error.message);
  return new EngineError(error.kind, words, { cause: error, pullFailure: "unauthorised" });
}

/** 304: already started, or already stopped. The library makes it an error; it is what was asked for. */
async function unlessUnchanged(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (error instanceof Error && "statusCode" in error && error.statusCode === 304) return;
    throw error;
  }
}

/** Then its output comes without frames. */
async function isOnTerminal(docker: DockerClient, id: string, abortSignal: AbortSignal): Promise<boolean> {
  const answer = fieldsOf(await docker.getContainer(id).inspect({ abortSignal }), "inspect");
  return fieldsOf(answer["Config"], "inspect")["Tty"] === true;
}

function asReadable(stream: unknown): Readable {
  if (stream instanceof Readable) return stream;
  throw new EngineError("unreachable", "the engine's answer is no stream");
}

const short = (id: string): string => (/^[0-9a-f]{64}$/.test(id) ? id.slice(0, 12) : id);

/** null: it cannot be seen. Synchronous, on a file system in memory: node:fs/promises would cost half a megabyte for this one call. */
function fileStats(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}
