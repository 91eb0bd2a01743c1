// A small disk of its own for a test: a file, a loop device, a file system, mounted at a folder. Taken down by what it was given, never
// by looking for what looks like it.
import { mkdir, rm, truncate, writeFile } from "node:fs/promises";
import { run, tryRun } from "./command.ts";

export interface SmallDisk extends AsyncDisposable {
  readonly folder: string;
}

/** Mounts an ext4 of `megabytes` at `folder`, which is made. `file` holds it, and is sparse. */
export async function smallDisk(file: string, folder: string, megabytes: number): Promise<SmallDisk> {
  await writeFile(file, "");
  await truncate(file, megabytes * 1_048_576);
  await run("mkfs.ext4", ["-q", "-F", "-m", "0", file]);
  await mkdir(folder, { recursive: true });
  const device = (await run("losetup", ["--find", "--show", file])).trim();
  try {
    await run("mount", [device, folder]);
  } catch (error) {
    await tryRun("losetup", ["--detach", device]);
    throw error;
  }
  return {
    folder,
    async [Symbol.asyncDispose]() {
      // Whoever still has a file open there keeps the device until it is closed; then the kernel lets it go.
      await tryRun("umount", ["-l", folder]);
      await tryRun("losetup", ["--detach", device]);
      await rm(file, { force: true });
    },
  };
}
