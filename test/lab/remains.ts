// Finds and removes what belongs to one lab: processes, mounts, control groups, folders. It is used when a lab ends and when
// a lab of an earlier run was killed before it could end. Everything carries the lab's tag in its name, and nothing
// without that tag is ever touched.
import { readdirSync, readFileSync } from "node:fs";
import { readdir, readFile, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { tryRun } from "./command.ts";
import { until } from "./wait.ts";

/** Killing is immediate; a process in an uninterruptible read of a disk takes a moment. */
const GONE_WITHIN_MS = 10_000;

/** Processes whose command line, control group or environment names one of the tags. */
export async function processesOf(tags: readonly string[]): Promise<readonly number[]> {
  const found: number[] = [];
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    // Synchronous: these files are the kernel's memory, and there are thousands of them.
    const texts = ["cmdline", "cgroup", "environ"].map((what) => readProcSilently(`/proc/${pid}/${what}`));
    const named = tags.some((tag) => texts.some((text) => text.includes(tag)));
    // One that has ended and waits to be reaped holds nothing any more.
    if (named && !isZombie(pid)) found.push(pid);
  }
  return found;
}

/** Kills until none is left: a shim that dies leaves children, and a daemon may have been starting one just now. */
export async function killAll(tags: readonly string[]): Promise<void> {
  await until(
    `all processes of ${tags.join(", ")} are gone`,
    async () => {
      const left = await processesOf(tags);
      for (const pid of left) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It ended between the look and the kill.
        }
      }
      return left.length === 0;
    },
    GONE_WITHIN_MS,
  );
}

/** Unmounts everything at or below a folder, the deepest first. */
export async function unmountBelow(folder: string): Promise<void> {
  const mounts = (await readSilently("/proc/self/mountinfo"))
    .split("\n")
    .map((line) => unescapeMount(line.split(" ")[4] ?? ""));
  const ours = mounts.filter((path) => path === folder || path.startsWith(`${folder}/`));
  // Later mounts may lie over earlier ones.
  for (const path of ours.reverse()) await tryRun("umount", ["-l", path]);
}

/** Removes the control groups named by a tag, in every hierarchy (v1 has one for each controller). */
export async function removeControlGroups(tag: string): Promise<void> {
  const root = "/sys/fs/cgroup";
  const hierarchies = ["", ...(await foldersIn(root))];
  for (const hierarchy of hierarchies) {
    const base = join(root, hierarchy);
    for (const name of await foldersIn(base)) {
      if (name === tag) await removeGroup(join(base, name));
    }
  }
}

async function removeGroup(path: string): Promise<void> {
  for (const child of await foldersIn(path)) await removeGroup(join(path, child));
  await rmdir(path).catch(() => undefined);
}

/** containerd keeps each shim's socket in one folder for the whole machine; a killed shim leaves its own there. */
export async function removeShimSockets(containerdState: string): Promise<void> {
  const tasks = join(containerdState, "io.containerd.runtime.v2.task", "moby");
  for (const id of await foldersIn(tasks)) {
    const address = (await readSilently(join(tasks, id, "address"))).trim().replace(/^unix:\/\//, "");
    if (address.startsWith("/run/containerd/s/")) await rm(address, { force: true });
  }
  // Only when empty, that is when no other containerd uses them.
  await rmdir("/run/containerd/s").catch(() => undefined);
  await rmdir("/run/containerd").catch(() => undefined);
}

/**
 * An engine without a network of its own puts the bridges of its container networks into the machine's. They are named after
 * the network's id, which the engine's own database holds: only bridges that are found there are removed.
 */
export async function removeBridgesOf(dataRoot: string): Promise<void> {
  const database = await readFile(join(dataRoot, "network", "files", "local-kv.db"), "latin1").catch(() => "");
  for (const link of await readdir("/sys/class/net")) {
    const id = /^br-([0-9a-f]{12})$/.exec(link)?.[1];
    if (id !== undefined && database.includes(id)) await tryRun("ip", ["link", "del", link]);
  }
}

/** Every engine makes the folder that the machine's plugins would be in. */
export async function removeEmptyPluginFolder(): Promise<void> {
  await rmdir("/run/docker/plugins").catch(() => undefined);
  await rmdir("/run/docker").catch(() => undefined);
}

const ENGINE_KEY = "/etc/docker/key.json";
/** In a lab's folder: says that the key was not there before, and whether its folder was. */
const KEY_MARK = "engine-key";

/** Engine 20.10 (Debian 12) makes a key for the whole machine, and cannot be told not to. To be called before the first one starts. */
export async function noteEngineKey(runDir: string): Promise<void> {
  if (await exists(ENGINE_KEY)) return;
  await writeFile(join(runDir, KEY_MARK), (await exists(dirname(ENGINE_KEY))) ? "folder was there" : "no folder");
}

/** Removes the key if it came with this lab. */
export async function removeEngineKey(runDir: string): Promise<void> {
  const mark = await readSilently(join(runDir, KEY_MARK));
  if (mark === "") return;
  await rm(ENGINE_KEY, { force: true });
  if (mark === "no folder") await rmdir(dirname(ENGINE_KEY)).catch(() => undefined);
}

export async function removeFolder(folder: string): Promise<void> {
  await unmountBelow(folder);
  await rm(folder, { recursive: true, force: true });
}

/** A pid alone is reused; together with its start it names one process for good. */
export async function startOf(pid: number): Promise<string | null> {
  const text = await readSilently(`/proc/${pid}/stat`);
  // The name in parentheses may hold spaces; the start is the 20th field after it.
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? null;
}

function isZombie(pid: number): boolean {
  const text = readProcSilently(`/proc/${pid}/stat`);
  return text === "" || text.slice(text.lastIndexOf(")") + 2).startsWith("Z");
}

async function foldersIn(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function readProcSilently(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

async function readSilently(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}

function unescapeMount(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
