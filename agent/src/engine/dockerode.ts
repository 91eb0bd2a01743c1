// The part of dockerode 5 that we call, typed as it is: the published types are of version 4 and know neither `abortSignal` on
// most calls nor `_query` and `_body`. Answers are `unknown`: docker-read checks them. Nothing else may import dockerode.
import Docker from "dockerode";

interface Abortable {
  readonly abortSignal: AbortSignal;
}
/** Without these two dockerode repeats the whole body, environment included, in the URL. */
interface QueryAndBody extends Abortable {
  readonly _query: Readonly<Record<string, string>>;
  readonly _body: object;
}

/** Goes in a header of this one call, X-Registry-Auth; the engine keeps nothing of it. */
interface AuthConfig {
  readonly username: string;
  readonly password: string;
  readonly serveraddress: string;
}

interface ContainerCalls {
  inspect(options: Abortable): Promise<unknown>;
  start(options: Abortable): Promise<unknown>;
  stop(options: Abortable & { readonly t: number }): Promise<unknown>;
  remove(options: Abortable & { readonly force: boolean; readonly v: false }): Promise<unknown>;
  rename(options: Abortable & { readonly name: string }): Promise<unknown>;
  exec(
    options: Abortable & { readonly Cmd: readonly string[]; readonly AttachStdout: true; readonly AttachStderr: true },
  ): Promise<ExecCalls>;
}

interface ExecCalls {
  /** Resolves to the stream of its output. */
  start(options: Abortable & { readonly Detach: false; readonly Tty: false }): Promise<unknown>;
  inspect(options: Abortable): Promise<unknown>;
}

interface NetworkCalls {
  connect(options: Abortable & { readonly Container: string; readonly EndpointConfig: object }): Promise<unknown>;
  disconnect(options: Abortable & { readonly Container: string; readonly Force: boolean }): Promise<unknown>;
  remove(options: Abortable): Promise<unknown>;
}

/** The library's own transport: its call for logs holds the whole of a log in memory unless it is followed. */
interface Modem {
  dial(
    options: Abortable & {
      readonly path: string;
      readonly method: "GET";
      readonly isStream: true;
      readonly statusCodes: Readonly<Record<number, true | string>>;
      readonly options: Readonly<Record<string, string | boolean>>;
    },
    done: (error: unknown, stream: unknown) => void,
  ): void;
}

export interface DockerClient {
  readonly modem: Modem;
  ping(options: Abortable): Promise<unknown>;
  version(options: Abortable): Promise<unknown>;
  info(options: Abortable): Promise<unknown>;
  listContainers(options: Abortable & { readonly all: true }): Promise<unknown>;
  listImages(options: Abortable): Promise<unknown>;
  listNetworks(options: Abortable & { readonly filters?: object }): Promise<unknown>;
  listVolumes(options: Abortable): Promise<unknown>;
  getContainer(id: string): ContainerCalls;
  getNetwork(id: string): NetworkCalls;
  getImage(reference: string): { inspect(options: Abortable): Promise<unknown> };
  createContainer(options: QueryAndBody): Promise<{ readonly id: unknown }>;
  createNetwork(options: QueryAndBody): Promise<unknown>;
  createVolume(options: QueryAndBody): Promise<unknown>;
  /** Resolves to the stream of the answer. */
  createImage(options: QueryAndBody & { readonly authconfig?: AuthConfig }): Promise<unknown>;
  getEvents(options: Abortable & { readonly filters: object }): Promise<unknown>;
}

/** `version`: "v1.41", or null for the calls that come before one is agreed. */
export function dockerClient(socketPath: string, version: string | null): DockerClient {
  // Named one by one, so that DOCKER_HOST and its like in the environment cannot point the agent elsewhere.
  const fixed = { socketPath, host: undefined, port: undefined, protocol: "http" as const, timeout: undefined };
  const docker: unknown = new Docker(version === null ? fixed : { ...fixed, version });
  // The shape stated above, from dockerode's own source; see the head of this file.
  return docker as DockerClient;
}
