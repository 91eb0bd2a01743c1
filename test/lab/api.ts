// A small client for the Docker Engine API over its unix socket: the tests' own eyes on an engine.
// It is apart from the agent's client on purpose: a test that looked through the code under test would share its mistakes.
import { createReadStream } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";

/** An engine on a busy machine answers within a second or two; longer means that it hangs. */
const DEADLINE_MS = 30_000;
/** Loading an image unpacks it to disk. */
const LOAD_DEADLINE_MS = 120_000;
/** The oldest API that Skerry supports: what the tests use must exist there. */
const API = "/v1.41";

export interface ContainerView {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly Image: string;
  readonly State: string;
  readonly Status: string;
  readonly Labels: Readonly<Record<string, string>>;
}

/** What of `inspect` the tests look at. */
export interface ContainerDetails {
  readonly Id: string;
  readonly Name: string;
  readonly Image: string;
  readonly RestartCount: number;
  readonly State: {
    readonly Status: string;
    readonly Running: boolean;
    readonly Pid: number;
    readonly ExitCode: number;
    readonly OOMKilled: boolean;
    readonly StartedAt: string;
    readonly FinishedAt: string;
    readonly Health?: { readonly Status: string };
  };
  readonly Config: {
    readonly Image: string;
    readonly Env: readonly string[] | null;
    readonly Cmd: readonly string[] | null;
    readonly Labels: Readonly<Record<string, string>>;
  };
  readonly HostConfig: Readonly<Record<string, unknown>>;
  readonly NetworkSettings: {
    readonly Networks: Readonly<
      Record<string, { readonly IPAddress: string; readonly Aliases: readonly string[] | null }>
    >;
    readonly Ports: Readonly<Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>>;
  };
  readonly Mounts: readonly { readonly Type: string; readonly Name?: string; readonly Destination: string }[];
}

/** Changes with every restart, and with nothing else: equal fingerprints mean that nothing touched the container. */
export interface Fingerprint {
  readonly id: string;
  readonly startedAt: string;
  readonly restartCount: number;
  readonly pid: number;
}

export interface RunRequest {
  readonly name?: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly env?: readonly string[];
  /** Further fields of the engine's create request. */
  readonly host?: Readonly<Record<string, unknown>>;
  readonly config?: Readonly<Record<string, unknown>>;
}

export class EngineError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = "EngineError";
    this.status = status;
  }
}

export class EngineApi {
  readonly socketPath: string;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
  }

  /** Any call. The answer is the engine's JSON (T is the caller's claim about its shape), or its text when it is not JSON. */
  async call<T = unknown>(method: string, path: string, body?: unknown, deadlineMs: number = DEADLINE_MS): Promise<T> {
    const response = await this.#send(method, API + path, deadlineMs, (request) => {
      if (body !== undefined) request.setHeader("content-type", "application/json");
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
    const text = (await read(response)).toString("utf8");
    this.#check(method, path, response, text);
    return (isJson(response, text) ? JSON.parse(text) : text) as T;
  }

  /** Pulls from a registry; fails with the engine's own words. */
  async pull(reference: string): Promise<void> {
    const at = reference.lastIndexOf(":");
    const query = `fromImage=${encodeURIComponent(reference.slice(0, at))}&tag=${reference.slice(at + 1)}`;
    const response = await this.#send("POST", `${API}/images/create?${query}`, LOAD_DEADLINE_MS, (request) =>
      request.end(),
    );
    const text = (await read(response)).toString("utf8");
    this.#check("POST", "/images/create", response, text);
    if (text.includes('"error"')) throw new EngineError(500, `pulling ${reference} failed: ${text.trim()}`);
  }

  async ping(deadlineMs = 2_000): Promise<boolean> {
    const response = await this.#send("GET", "/_ping", deadlineMs, (request) => request.end());
    await read(response);
    return response.statusCode === 200;
  }

  containers(all = true): Promise<readonly ContainerView[]> {
    return this.call("GET", `/containers/json?all=${all}`);
  }

  inspect(container: string): Promise<ContainerDetails> {
    return this.call("GET", `/containers/${container}/json`);
  }

  /** null instead of an error when there is no such container. */
  async find(container: string): Promise<ContainerDetails | null> {
    try {
      return await this.inspect(container);
    } catch (error) {
      if (error instanceof EngineError && error.status === 404) return null;
      throw error;
    }
  }

  async fingerprint(container: string): Promise<Fingerprint> {
    const { Id, State, RestartCount } = await this.inspect(container);
    return { id: Id, startedAt: State.StartedAt, restartCount: RestartCount, pid: State.Pid };
  }

  /** Creates and starts; returns the id. */
  async run(wanted: RunRequest): Promise<string> {
    const query = wanted.name === undefined ? "" : `?name=${wanted.name}`;
    const { Id } = await this.call<{ Id: string }>("POST", `/containers/create${query}`, {
      Image: wanted.image,
      Cmd: wanted.command,
      Labels: wanted.labels,
      Env: wanted.env,
      HostConfig: wanted.host,
      ...wanted.config,
    });
    await this.call("POST", `/containers/${Id}/start`);
    return Id;
  }

  async start(container: string): Promise<void> {
    await this.call("POST", `/containers/${container}/start`);
  }

  async kill(container: string, signal = "KILL"): Promise<void> {
    await this.call("POST", `/containers/${container}/kill?signal=${signal}`);
  }

  /** That it has now, by the kernel's count. */
  async processes(container: string): Promise<number> {
    const { pids_stats: pids } = await this.call<{ readonly pids_stats: { readonly current?: number } }>(
      "GET",
      `/containers/${container}/stats?stream=false&one-shot=true`,
    );
    return pids.current ?? 0;
  }

  async stop(container: string, graceSeconds = 0): Promise<void> {
    await this.call("POST", `/containers/${container}/stop?t=${graceSeconds}`);
  }

  async remove(container: string): Promise<void> {
    await this.call("DELETE", `/containers/${container}?force=true&v=false`);
  }

  async rename(container: string, name: string): Promise<void> {
    await this.call("POST", `/containers/${container}/rename?name=${name}`);
  }

  /** Runs a command inside and waits for its end. stdout and stderr come back as one text. */
  async exec(container: string, command: readonly string[]): Promise<{ code: number; output: string }> {
    const wanted = { Cmd: command, AttachStdout: true, AttachStderr: true };
    const { Id } = await this.call<{ Id: string }>("POST", `/containers/${container}/exec`, wanted);
    const output = await this.#frames("POST", `/exec/${Id}/start`, { Detach: false, Tty: false });
    const { ExitCode } = await this.call<{ ExitCode: number }>("GET", `/exec/${Id}/json`);
    return { code: ExitCode, output };
  }

  logs(container: string): Promise<string> {
    return this.#frames("GET", `/containers/${container}/logs?stdout=true&stderr=true`);
  }

  async images(): Promise<readonly { readonly Id: string; readonly RepoTags: readonly string[] | null }[]> {
    return this.call("GET", "/images/json");
  }

  /** `docker load` of an image archive. */
  async load(archive: string): Promise<void> {
    const response = await this.#send("POST", `${API}/images/load?quiet=true`, LOAD_DEADLINE_MS, (request) => {
      request.setHeader("content-type", "application/x-tar");
      createReadStream(archive)
        .on("error", (error) => request.destroy(error))
        .pipe(request);
    });
    const text = (await read(response)).toString("utf8");
    this.#check("POST", "/images/load", response, text);
    // The engine answers 200 first and reports a failure in the stream.
    if (text.includes('"error"')) throw new EngineError(500, `loading ${archive} failed: ${text.trim()}`);
  }

  networks(): Promise<
    readonly { readonly Id: string; readonly Name: string; readonly Labels: Record<string, string> | null }[]
  > {
    return this.call("GET", "/networks");
  }

  async volumes(): Promise<readonly { readonly Name: string; readonly Labels: Record<string, string> | null }[]> {
    const { Volumes } = await this.call<{ Volumes: { Name: string; Labels: Record<string, string> | null }[] | null }>(
      "GET",
      "/volumes",
    );
    return Volumes ?? [];
  }

  async #frames(method: string, path: string, body?: unknown): Promise<string> {
    const response = await this.#send(method, API + path, DEADLINE_MS, (request) => {
      if (body !== undefined) request.setHeader("content-type", "application/json");
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
    const raw = await read(response);
    this.#check(method, path, response, raw.toString("utf8"));
    return unframe(raw);
  }

  #check(method: string, path: string, response: IncomingMessage, text: string): void {
    const status = response.statusCode ?? 0;
    if (status < 400) return;
    const message = isJson(response, text) ? String((JSON.parse(text) as { message?: unknown }).message) : text.trim();
    throw new EngineError(status, `${method} ${path}: ${status} ${message}`);
  }

  #send(
    method: string,
    path: string,
    deadlineMs: number,
    write: (request: ReturnType<typeof httpRequest>) => void,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      // A connection of its own for each call: one that an engine restart broke must not be used again.
      const request = httpRequest({ socketPath: this.socketPath, method, path, agent: false });
      const timer = setTimeout(() => {
        request.destroy(new Error(`${method} ${path}: no answer from the engine within ${deadlineMs / 1000} s`));
      }, deadlineMs);
      request.once("close", () => clearTimeout(timer));
      request.once("error", reject);
      request.once("response", resolve);
      write(request);
    });
  }
}

function isJson(response: IncomingMessage, text: string): boolean {
  return (response.headers["content-type"] ?? "").startsWith("application/json") && text.trim() !== "";
}

async function read(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  // An IncomingMessage without an encoding yields buffers.
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Output without a terminal comes in frames: one byte of stream, three of nothing, four of length. */
function unframe(raw: Buffer): string {
  const parts: Buffer[] = [];
  let at = 0;
  while (at + 8 <= raw.length) {
    const length = raw.readUInt32BE(at + 4);
    parts.push(raw.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts).toString("utf8");
}
