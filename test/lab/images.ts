// Images made on the spot, because no registry may be reachable: from Debian's busybox, and from any Debian package.
// Made once and kept as archives in .cache/images, so that a second run takes no time. The same recipe gives the same image
// id on every engine. Nothing is written outside .cache, and Debian packages are unpacked there, never installed.
import { createHash } from "node:crypto";
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { run, withSystemPath } from "./command.ts";
import { exists } from "./remains.ts";

const CACHE = join(import.meta.dirname, "..", "..", ".cache", "images");
/** Raised when the way an archive is made changes, so that old ones are not used. */
const RECIPE_VERSION = 2;
/** apt may have to read its lists first, over a slow line. */
const PACKAGES_WITHIN_MS = 300_000;

export interface ImageRecipe {
  /** With a tag: "skerry-test/web:1". */
  readonly name: string;
  /** Debian packages whose programs (and the libraries these need) go in. */
  readonly packages?: readonly string[];
  /** Programs to take from the packages, as absolute paths. */
  readonly programs?: readonly string[];
  /** Text files by absolute path; what starts with "#!" is made executable. */
  readonly files?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly env?: readonly string[];
  readonly user?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Further fields of the image's configuration: Healthcheck, ExposedPorts, Volumes, StopSignal. */
  readonly config?: Readonly<Record<string, unknown>>;
}

export interface Image {
  readonly name: string;
  /** "sha256:…", the same on every engine. */
  readonly id: string;
  /** An archive for `docker load`. */
  readonly archive: string;
}

/** busybox and a shell: sleep, httpd, wget, nc and the rest. It ignores SIGTERM as PID 1: use `init` or a short stop grace. */
export const BASE: ImageRecipe = { name: "skerry-test/base:1", command: ["sh", "-c", "while :; do sleep 3600; done"] };

/** Makes the image, or finds it in the cache. */
export async function image(recipe: ImageRecipe): Promise<Image> {
  const busybox = await busyboxPath();
  const key = createHash("sha256")
    .update(JSON.stringify([RECIPE_VERSION, recipe]))
    .update(await readFile(busybox))
    .digest("hex")
    .slice(0, 16);
  const archive = join(CACHE, `${key}.tar`);
  if (!(await exists(archive))) await make(recipe, busybox, archive);
  const { config } = await manifestOf(archive);
  return { name: recipe.name, id: `sha256:${config.replace(/\.json$/, "")}`, archive };
}

/** What `docker load` and a registry read first: the names of the configuration and of the layers inside the archive. */
export async function manifestOf(archive: string): Promise<{ config: string; layers: readonly string[] }> {
  const text = await run("tar", ["-xOf", archive, "manifest.json"]);
  // Written by `make` below.
  const [manifest] = JSON.parse(text) as { Config: string; Layers: string[] }[];
  if (manifest === undefined) throw new Error(`${archive} has an empty manifest: delete .cache/images and try again`);
  return { config: manifest.Config, layers: manifest.Layers };
}

async function make(recipe: ImageRecipe, busybox: string, archive: string): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const work = await mkdtemp(join(CACHE, "making-"));
  try {
    const root = join(work, "root");
    await baseFiles(root, busybox);
    if (recipe.packages !== undefined) await packageFiles(recipe, join(work, "packages"), root);
    for (const [path, text] of Object.entries(recipe.files ?? {})) await file(join(root, path), text);
    await pack(recipe, root, join(work, "archive"), join(work, "archive.tar"));
    // Two runs may make the same image: the last one wins, whole.
    await rename(join(work, "archive.tar"), archive);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Debian's statically linked busybox, unpacked here: the machine's own may be linked with libraries that no image has. */
async function busyboxPath(): Promise<string> {
  const path = join(CACHE, "busybox", "bin", "busybox");
  if (await exists(path)) return path;
  await mkdir(CACHE, { recursive: true });
  const work = await mkdtemp(join(CACHE, "busybox-"));
  try {
    await unpackPackages(["busybox-static"], work, join(work, "root"), false);
    // Newer packages have it in /usr/bin.
    const found = (await exists(join(work, "root", "bin", "busybox"))) ? "bin" : "usr/bin";
    await mkdir(dirname(path), { recursive: true });
    await rename(join(work, "root", found, "busybox"), path);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return path;
}

async function baseFiles(root: string, busybox: string): Promise<void> {
  for (const folder of ["bin", "dev", "etc", "proc", "sys", "tmp", "var", "root", "data", "www"]) {
    await mkdir(join(root, folder), { recursive: true });
  }
  await chmod(join(root, "tmp"), 0o1777);
  await copyFile(busybox, join(root, "bin", "busybox"));
  const applets = (await run(busybox, ["--list"])).split("\n").filter((name) => name !== "" && name !== "busybox");
  for (const name of applets) await symlink("busybox", join(root, "bin", name));
  await file(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n");
  await file(join(root, "etc/group"), "root:x:0:\nnogroup:x:65534:\n");
  await file(join(root, "etc/nsswitch.conf"), "hosts: files dns\n");
}

/** Unpacks the packages and all they depend on apart, and takes only the programs and the libraries these load. */
async function packageFiles(recipe: ImageRecipe, work: string, root: string): Promise<void> {
  const from = join(work, "root");
  await mkdir(from, { recursive: true });
  await unpackPackages(recipe.packages ?? [], work, from, true);
  for (const program of recipe.programs ?? []) {
    await copyInto(from, root, program);
    for (const library of await librariesOf(from, program)) await copyInto(from, root, library);
    await copyLoader(from, root, program);
  }
}

/**
 * Downloads Debian packages, with what they depend on when `closure`, and unpacks them below `into`. `work` is scratch.
 * apt is told of an empty system, so that it does not leave out what this machine happens to have.
 */
export async function unpackPackages(
  packages: readonly string[],
  work: string,
  into: string,
  closure: boolean,
): Promise<void> {
  const archives = join(work, "archives");
  await mkdir(join(archives, "partial"), { recursive: true });
  await mkdir(into, { recursive: true });
  await mkdir(CACHE, { recursive: true });
  await writeFile(join(work, "status"), "");
  const options = [
    `Dir::State::status=${join(work, "status")}`,
    `Dir::Cache::archives=${archives}/`,
    "APT::Sandbox::User=root",
    "Debug::NoLocking=1",
  ].flatMap((option) => ["-o", option]);
  // One at a time: two labs that start together would refuse each other apt's own locks.
  const get = (words: readonly string[]): Promise<string> =>
    run("flock", [join(CACHE, "apt.lock"), "apt-get", ...words], {
      cwd: archives,
      deadlineMs: PACKAGES_WITHIN_MS,
      env: withSystemPath({ LC_ALL: "C" }),
    });
  const fetchAll = (): Promise<string> =>
    closure
      ? get([...options, "-y", "-qq", "--no-install-recommends", "--download-only", "install", ...packages])
      : get(["-qq", "-o", "APT::Sandbox::User=root", "download", ...packages]);
  try {
    await fetchAll();
  } catch {
    // Most often the package lists are missing or older than the archive.
    await get(["-qq", "update"]);
    await fetchAll();
  }
  const files = (await readdir(archives)).filter((name) => name.endsWith(".deb")).sort();
  for (const name of files) await run("dpkg-deb", ["-x", join(archives, name), into]);
}

async function librariesOf(from: string, program: string): Promise<readonly string[]> {
  const text = await run("chroot", [from, await loaderIn(from), "--list", program]);
  const found = text.split("\n").flatMap((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1] ?? []);
  // Names are looked up by libraries that no program is linked with.
  const libc = found.find((path) => path.endsWith("/libc.so.6"));
  const quiet =
    libc === undefined ? [] : ["libnss_files.so.2", "libnss_dns.so.2"].map((name) => join(dirname(libc), name));
  const present: string[] = [];
  for (const path of quiet) if (await exists(join(from, path))) present.push(path);
  return [...found.filter((path) => !LOADER.test(path)), ...present];
}

const LOADER = /\/ld-linux[^/]*\.so\.\d$/;

/** Where the loader was unpacked. Since Debian 13 that is not where programs ask for it. */
async function loaderIn(from: string): Promise<string> {
  for (const folder of ["/lib64", "/lib", "/usr/lib64", "/usr/lib"]) {
    const names = await readdir(join(from, folder)).catch(() => []);
    const loader = names.find((name) => LOADER.test(`/${name}`));
    if (loader !== undefined) return `${folder}/${loader}`;
  }
  throw new Error("the unpacked packages hold no dynamic loader");
}

/** The kernel takes the loader from the path that is written into the program. */
async function copyLoader(from: string, root: string, program: string): Promise<void> {
  const text = await readFile(join(root, program), "latin1");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a NUL ends the path in the file
  const asked = /\/lib[^\x00\n]*\/ld-linux[^\x00\n]*\.so\.\d/.exec(text)?.[0];
  if (asked === undefined) throw new Error(`${program} names no dynamic loader`);
  await mkdir(dirname(join(root, asked)), { recursive: true });
  await copyFile(await followed(from, await loaderIn(from)), join(root, asked));
}

/** Copies the file itself, under the name it is asked by. */
async function copyInto(from: string, root: string, path: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await copyFile(await followed(from, path), join(root, path));
}

/** Where a file really is. A link that starts at the root means the root of the unpacked packages, not this machine's. */
async function followed(from: string, path: string): Promise<string> {
  const here = join(from, path);
  const target = await readlink(here).catch(() => null);
  if (target === null) return here;
  return followed(from, target.startsWith("/") ? target : join(dirname(path), target));
}

async function pack(recipe: ImageRecipe, root: string, work: string, archive: string): Promise<void> {
  await mkdir(work, { recursive: true });
  await tar(root, join(work, "layer.tar"));
  const diffId = createHash("sha256")
    .update(await readFile(join(work, "layer.tar")))
    .digest("hex");
  const config = JSON.stringify({
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    // A fixed date, so that the same content has the same id.
    created: "2020-01-01T00:00:00Z",
    config: {
      Env: ["PATH=/bin:/usr/bin:/usr/sbin:/sbin", ...(recipe.env ?? [])],
      Cmd: recipe.command,
      Entrypoint: recipe.entrypoint,
      User: recipe.user,
      Labels: recipe.labels,
      WorkingDir: "/",
      ...recipe.config,
    },
    rootfs: { type: "layers", diff_ids: [`sha256:${diffId}`] },
    history: [{ created: "2020-01-01T00:00:00Z", created_by: `recipe ${recipe.name}` }],
  });
  const configName = `${createHash("sha256").update(config).digest("hex")}.json`;
  await writeFile(join(work, configName), config);
  const manifest = [{ Config: configName, RepoTags: [recipe.name], Layers: ["layer.tar"] }];
  await writeFile(join(work, "manifest.json"), JSON.stringify(manifest));
  await tar(work, archive);
}

async function tar(folder: string, into: string): Promise<void> {
  const same = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"];
  await run("tar", [...same, "-cf", into, "-C", folder, ...(await readdir(folder)).sort()]);
}

async function file(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  await chmod(path, text.startsWith("#!") ? 0o755 : 0o644);
}
