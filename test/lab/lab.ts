// The whole lab in one line: `await using lab = await startLab({ nodes: 3 })`. A bridge for the hub, a namespace and a real
// engine for each node, images loaded, and everything gone again at the end: in reverse order, also on Ctrl-C and on errors.
// Every name carries the lab's tag (this process's id and a letter). What a killed run left behind is swept at the next start.
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Engine } from "./engine.ts";
import { BASE, type Image, type ImageRecipe, image } from "./images.ts";
import { Network, type NodeNetwork, networkImpossible, networkTags, plainBridge, removeNetworkOf } from "./network.ts";
import { Process, type ProcessOptions } from "./process.ts";
import { type Login, Registry } from "./registry.ts";
import {
  killAll,
  noteEngineKey,
  removeBridgesOf,
  removeControlGroups,
  removeEmptyPluginFolder,
  removeEngineKey,
  removeFolder,
  removeShimSockets,
  startOf,
  unmountBelow,
} from "./remains.ts";
import { smallDisk } from "./smalldisk.ts";

const LABS = join(import.meta.dirname, "..", "..", ".cache", "lab");
const RUN_PREFIX = "/tmp/skerry-";
/** Inherited by everything that a lab starts, so that it can be found even when its command line says nothing. */
const TAG_VARIABLE = "SKERRY_LAB";

export interface LabOptions {
  /** 3 unless said. One, when namespaces are not possible here. */
  readonly nodes?: number;
  /** false: as on a machine that lets nobody make namespaces. */
  readonly namespaces?: boolean;
  readonly liveRestore?: boolean;
  /** Made (or found in the cache) and loaded into every engine. The base image is always there. */
  readonly images?: readonly ImageRecipe[];
  /** In megabytes, of the disk that a node's engine has of its own; null: the machine's. It does not survive a power cut. */
  readonly disk?: (number: number) => number | null;
  /** Told what is being done, for the demo. */
  readonly say?: (text: string) => void;
  /** false: the caller handles SIGINT and SIGTERM and disposes the lab itself. */
  readonly handleSignals?: boolean;
}

export interface LabNode {
  readonly name: string;
  readonly engine: Engine;
  /** null when the lab has no namespaces: then it cannot be cut off. */
  readonly network: NodeNetwork | null;
  /** Where others reach it. */
  readonly address: string;
  /** For the agent's own state. Survives a power cut of the engine. */
  readonly folder: string;
}

export interface Lab extends AsyncDisposable {
  readonly tag: string;
  /** Where the hub listens so that every node reaches it. */
  readonly hubAddress: string;
  readonly nodes: readonly LabNode[];
  /** The n-th node, from 1, as their names count. */
  node(number: number): LabNode;
  /** On disk, removed at the end: the hub's data, logs, files of the test. */
  readonly folder: string;
  /** Short, for sockets. */
  readonly runDir: string;
  readonly images: readonly Image[];
  /** Why there are no namespaces, or null when there are. */
  readonly limited: string | null;
  /** A program of the test: stopped with the lab, its log in the lab's folder. */
  spawn(options: Omit<ProcessOptions, "logFile">): Process;
  /** A registry that every node reaches and trusts. `login`: whom alone it answers. */
  registry(login?: Login): Promise<Registry>;
  /** Stopped with the lab, before what was there earlier. */
  use<T extends AsyncDisposable>(resource: T): T;
}

/** Labs that are not disposed yet, for signals. */
const open = new Set<Lab>();

export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const say = options.say ?? (() => undefined);
  await sweep();
  const tag = await takeTag();
  const folder = join(LABS, tag);
  const runDir = `${RUN_PREFIX}${tag}`;
  const stack = new AsyncDisposableStack();
  try {
    stack.defer(() => rm(runDir, { recursive: true, force: true }));
    await writeFile(join(runDir, "owner"), `${process.pid} ${await startOf(process.pid)}`);
    await noteEngineKey(runDir);
    stack.defer(() => removeEngineKey(runDir));
    await mkdir(folder, { recursive: true });
    stack.defer(() => removeFolder(folder));
    return await build({ tag, folder, runDir, stack, say, options });
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

interface Site {
  readonly tag: string;
  readonly folder: string;
  readonly runDir: string;
  readonly stack: AsyncDisposableStack;
  readonly say: (text: string) => void;
  readonly options: LabOptions;
}

async function build(site: Site): Promise<Lab> {
  const { tag, folder, runDir, stack, say, options } = site;
  const limited = options.namespaces === false ? "not wanted" : await networkImpossible();
  if (limited !== null) say(`No network namespaces here (${limited}): going on with one node.`);
  const network = limited === null ? stack.use(await Network.start(tag)) : null;
  const bridge = network === null ? stack.use(await plainBridge(tag)).name : null;
  const hubAddress = network?.hubAddress ?? "127.0.0.1";
  // Registries are on the hub's side; an engine trusts loopback without being told.
  const insecureRegistries = network === null ? [] : [network.subnet];

  const count = network === null ? 1 : (options.nodes ?? 3);
  const recipes = [BASE, ...(options.images ?? []).filter((recipe) => recipe.name !== BASE.name)];
  const making = Promise.all(recipes.map(image));
  const nodes: LabNode[] = [];
  for (let number = 1; number <= count; number++)
    nodes.push(await makeNode(site, network, bridge, `n${number}`, insecureRegistries));
  const images = await making;
  await Promise.all(
    nodes.map(async (node) => {
      await node.engine.start();
      for (const each of images) await node.engine.api.load(each.archive);
    }),
  );

  const lab: Lab = {
    tag,
    hubAddress,
    nodes,
    folder,
    runDir,
    images,
    limited,
    node: (number) => {
      const node = nodes[number - 1];
      if (node === undefined) throw new Error(`this lab has ${nodes.length} nodes, and no n${number}`);
      return node;
    },
    spawn: (wanted) => {
      const logFile = join(folder, `${wanted.name.replaceAll(/[^a-z0-9]+/gi, "-")}.log`);
      return stack.use(new Process({ ...wanted, logFile, env: { [TAG_VARIABLE]: tag, ...wanted.env } }));
    },
    registry: async (login) => {
      const own = join(folder, `registry-${performance.now()}`);
      return stack.use(await Registry.start({ address: hubAddress, folder: own, login: login ?? null }));
    },
    use: (resource) => stack.use(resource),
    [Symbol.asyncDispose]: async () => {
      open.delete(lab);
      await stack.disposeAsync();
    },
  };
  open.add(lab);
  watchEnd(options.handleSignals ?? true);
  return lab;
}

async function makeNode(
  { tag, folder, runDir, stack, options }: Site,
  network: Network | null,
  bridge: string | null,
  name: string,
  insecureRegistries: readonly string[],
): Promise<LabNode> {
  const wire = network === null ? null : stack.use(await network.node(name));
  const nodeFolder = join(folder, name);
  await mkdir(nodeFolder, { recursive: true });
  const dataDir = join(folder, `${name}-engine`);
  const megabytes = options.disk?.(Number(name.slice(1))) ?? null;
  if (megabytes !== null) stack.use(await smallDisk(join(folder, `${name}.disk`), dataDir, megabytes));
  const engine = stack.use(
    new Engine({
      tag: `skerry-${tag}-${name}`,
      name,
      runDir: join(runDir, name),
      dataDir,
      netns: wire?.netns,
      bridge,
      liveRestore: options.liveRestore ?? false,
      insecureRegistries,
    }),
  );
  return { name, engine, network: wire, address: wire?.address ?? "127.0.0.1", folder: nodeFolder };
}

// --- ends that nobody planned --------------------------------------------------------------------------------------

const watched = new Set<"signals" | "errors">();

function watchEnd(signals: boolean): void {
  if (signals && !watched.has("signals")) {
    watched.add("signals");
    for (const [signal, code] of [["SIGINT", 130] as const, ["SIGTERM", 143] as const, ["SIGHUP", 129] as const]) {
      process.once(signal, () => void closeAll().finally(() => process.exit(code)));
    }
  }
  // vitest reports errors outside tests itself, and lets the tests dispose their labs.
  if (process.env["VITEST"] === undefined && !watched.has("errors")) {
    watched.add("errors");
    process.once("uncaughtException", (error) => {
      console.error(error);
      void closeAll().finally(() => process.exit(1));
    });
  }
}

/** Disposes every open lab of this process, the newest first. */
export async function closeAll(): Promise<void> {
  for (const lab of [...open].reverse()) await lab[Symbol.asyncDispose]();
}

// --- what a killed run left behind ---------------------------------------------------------------------------------

/** Removes labs whose process is gone. Those of living processes, of other checkouts too, are left alone. */
export async function sweep(): Promise<readonly string[]> {
  const tags = new Set([...(await tagsIn("/tmp", "skerry-")), ...(await tagsIn(LABS, "")), ...(await networkTags())]);
  const dead: string[] = [];
  for (const tag of [...tags].sort()) if (!(await isAlive(tag))) dead.push(tag);
  for (const tag of dead) await removeLab(tag);
  return dead;
}

async function removeLab(tag: string): Promise<void> {
  const runDir = `${RUN_PREFIX}${tag}`;
  const folder = join(LABS, tag);
  await killAll([`${runDir}/`, `/skerry-${tag}-`, `${TAG_VARIABLE}=${tag}`]);
  for (const name of await readdir(runDir).catch(() => [])) {
    await removeShimSockets(join(runDir, name, "ctd"));
    await removeControlGroups(`skerry-${tag}-${name}`);
    await removeBridgesOf(join(folder, `${name}-engine`, "docker"));
  }
  await unmountBelow(runDir);
  await removeNetworkOf(tag);
  await removeFolder(folder);
  await removeEngineKey(runDir);
  // Last: while it is there, an interrupted sweep is taken up again.
  await removeFolder(runDir);
  await removeEmptyPluginFolder();
}

async function isAlive(tag: string): Promise<boolean> {
  const pid = Number.parseInt(tag, 10);
  const start = await startOf(pid);
  if (start === null) return false;
  const owner = await readFile(`${RUN_PREFIX}${tag}/owner`, "utf8").catch(() => null);
  // Without the file the lab is just being made, or half removed: the pid has to do.
  return owner === null || owner.trim() === `${pid} ${start}`;
}

async function tagsIn(folder: string, prefix: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  return names
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((tag) => /^\d+[a-z]$/.test(tag));
}

/**
 * Makes the folder for sockets, and with it takes a tag that no other lab has. A process may have several labs, at once or
 * one after the other.
 */
async function takeTag(): Promise<string> {
  for (const letter of "abcdefghijklmnopqrstuvwxyz") {
    const tag = `${process.pid}${letter}`;
    try {
      // Fails when it exists: two labs that start together do not get the same, and nobody else has laid it out for us.
      await mkdir(`${RUN_PREFIX}${tag}`, { mode: 0o700 });
      return tag;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
  }
  throw new Error("this process has 26 labs already: dispose some");
}
