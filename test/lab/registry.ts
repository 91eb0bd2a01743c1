// A real image registry on a free port, for pulls that must go over a wire: slow, cut off or refused by a fault proxy in
// front of it. Debian's docker-registry, from PATH or unpacked into .cache, never installed and never a service.
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { run, withSystemPath } from "./command.ts";
import { type Image, manifestOf, unpackPackages } from "./images.ts";
import { Process } from "./process.ts";
import { exists } from "./remains.ts";
import { until } from "./wait.ts";

const CACHE = join(import.meta.dirname, "..", "..", ".cache");
const READY_WITHIN_MS = 20_000;
const REQUEST_WITHIN_MS = 30_000;
const DOCKER = "application/vnd.docker";

export interface RegistryOptions {
  /** The address to listen on: the bridge's, so that every node reaches it. */
  readonly address: string;
  readonly folder: string;
  /** Whom alone it answers, by HTTP's basic authentication; none: everybody. */
  readonly login?: Login | null;
}
export interface Login {
  readonly user: string;
  readonly password: string;
}

export class Registry implements AsyncDisposable {
  /** As in an image's name: 10.213.5.1:40123. */
  readonly host: string;
  readonly #process: Process;
  readonly #users: string;
  #login: Login | null;

  private constructor(host: string, process: Process, users: string, login: Login | null) {
    this.host = host;
    this.#process = process;
    this.#users = users;
    this.#login = login;
  }

  static async start(options: RegistryOptions): Promise<Registry> {
    await mkdir(options.folder, { recursive: true });
    const host = `${options.address}:${await freePort(options.address)}`;
    const config = join(options.folder, "config.json");
    const users = join(options.folder, "users");
    const login = options.login ?? null;
    if (login !== null) await writeFile(users, await usersLine(login));
    // JSON is YAML.
    const settings = {
      version: 0.1,
      log: { level: "warn" },
      storage: { filesystem: { rootdirectory: join(options.folder, "store") }, delete: { enabled: true } },
      http: { addr: host },
      ...(login === null ? {} : { auth: { htpasswd: { realm: "lab", path: users } } }),
    };
    await writeFile(config, JSON.stringify(settings));
    const process = new Process({ name: "registry", command: [await registryProgram(), "serve", config] });
    const registry = new Registry(host, process, users, login);
    try {
      await until("the registry answers", async () => (await registry.#call("GET", "/v2/")).ok, READY_WITHIN_MS);
      return registry;
    } catch (error) {
      const words = process.lastWords();
      await process.stop();
      throw new Error(`${error instanceof Error ? error.message : String(error)}\n${words}`);
    }
  }

  /** From its next request on it answers this one alone. Only of a registry that began with a login. */
  async changeLogin(login: Login): Promise<void> {
    await writeFile(this.#users, await usersLine(login));
    this.#login = login;
    await until("the registry takes the new login", async () => (await this.#call("GET", "/v2/")).ok, READY_WITHIN_MS);
  }

  /** Uploads an image under a name such as "shop/web:1"; returns the full reference to pull, and its digest. */
  async push(image: Image, name: string): Promise<{ reference: string; digest: string }> {
    const [repository, tag] = split(name);
    const { config, layers } = await manifestOf(image.archive);
    const work = await mkdtemp(join(CACHE, "push-"));
    try {
      await run("tar", ["-xf", image.archive, "-C", work]);
      const configBlob = await this.#blob(repository, await readFile(join(work, config)));
      const layerBlobs = [];
      for (const layer of layers)
        layerBlobs.push(await this.#blob(repository, gzipSync(await readFile(join(work, layer)))));
      const manifest = JSON.stringify({
        schemaVersion: 2,
        mediaType: `${DOCKER}.distribution.manifest.v2+json`,
        config: { mediaType: `${DOCKER}.container.image.v1+json`, ...configBlob },
        layers: layerBlobs.map((blob) => ({ mediaType: `${DOCKER}.image.rootfs.diff.tar.gzip`, ...blob })),
      });
      const type = `${DOCKER}.distribution.manifest.v2+json`;
      await this.#done("PUT", `/v2/${repository}/manifests/${tag}`, manifest, type);
      return { reference: `${this.host}/${repository}:${tag}`, digest: digestOf(Buffer.from(manifest)) };
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop();
  }

  async #blob(repository: string, content: Buffer): Promise<{ digest: string; size: number }> {
    const digest = digestOf(content);
    const started = await this.#done("POST", `/v2/${repository}/blobs/uploads/`);
    const location = new URL(started.headers.get("location") ?? "", `http://${this.host}`);
    location.searchParams.set("digest", digest);
    await this.#done("PUT", location.pathname + location.search, content, "application/octet-stream");
    return { digest, size: content.length };
  }

  async #done(method: string, path: string, body?: string | Buffer, type?: string): Promise<Response> {
    const response = await this.#call(method, path, body, type);
    if (!response.ok)
      throw new Error(`the registry refused ${method} ${path}: ${response.status} ${await response.text()}`);
    return response;
  }

  #call(method: string, path: string, body?: string | Buffer, type?: string): Promise<Response> {
    const shown = this.#login === null ? null : Buffer.from(`${this.#login.user}:${this.#login.password}`);
    return fetch(`http://${this.host}${path}`, {
      method,
      signal: AbortSignal.timeout(REQUEST_WITHIN_MS),
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : new Uint8Array(body) }),
      headers: {
        ...(type === undefined ? {} : { "content-type": type }),
        ...(shown === null ? {} : { authorization: `Basic ${shown.toString("base64")}` }),
      },
    });
  }
}

/** As htpasswd writes it: the registry takes bcrypt alone, which perl has from the C library. The password goes by the environment. */
async function usersLine({ user, password }: Login): Promise<string> {
  const salt = randomBytes(11).toString("hex");
  const env = withSystemPath({ LAB_PASSWORD: password });
  const hash = await run("perl", ["-e", "print crypt($ENV{LAB_PASSWORD}, '$2b$05$' . $ARGV[0])", salt], { env });
  if (!hash.startsWith("$2b$05$")) throw new Error("perl's crypt makes no bcrypt here");
  return `${user}:${hash}\n`;
}

/** A port that was free a moment ago on that address. */
export async function freePort(address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, address, () => {
      const bound = server.address();
      server.close(() => {
        if (bound === null || typeof bound === "string") reject(new Error(`no port on ${address}`));
        else resolve(bound.port);
      });
    });
  });
}

async function registryProgram(): Promise<string> {
  for (const folder of ["/usr/bin", "/usr/local/bin"]) {
    if (await exists(join(folder, "docker-registry"))) return join(folder, "docker-registry");
  }
  const program = join(CACHE, "registry", "usr", "bin", "docker-registry");
  if (await exists(program)) return program;
  await mkdir(CACHE, { recursive: true });
  const work = await mkdtemp(join(CACHE, "registry-"));
  try {
    await unpackPackages(["docker-registry"], work, join(work, "root"), false);
    await rename(join(work, "root"), dirname(dirname(dirname(program)))).catch(async (error: unknown) => {
      // Another run has put it there meanwhile.
      if (!(await exists(program))) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return program;
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

function split(name: string): [repository: string, tag: string] {
  const at = name.lastIndexOf(":");
  return at === -1 ? [name, "latest"] : [name.slice(0, at), name.slice(at + 1)];
}
