// Host paths as they really are: links are followed, so that a granted folder leads nowhere else. The agent's own folders and the engine's
// socket are named, for no grant covers them.
import { realpath } from "node:fs";
import { dirname, join } from "node:path";

export interface HostPaths {
  /** What this path leads to; of one that is not there yet, with what is there of it followed. Rejects when it cannot be looked at. */
  real(path: string): Promise<string>;
  /** Beside those of every machine. Plain, and followed. */
  readonly closed: readonly string[];
}

export async function hostPaths(own: readonly string[]): Promise<HostPaths> {
  return { real, closed: [...new Set([...own, ...(await Promise.all(own.map(real)))])] };
}

/** Not the form of `fs/promises`, which weighs, and is not loaded at the agent's start; nor one that blocks: a path may be on a dead share. */
const followed = (path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    realpath(path, (error, found) => (error === null ? resolve(found) : reject(error)));
  });

async function real(path: string): Promise<string> {
  try {
    return await followed(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const above = dirname(path);
    if (code !== "ENOENT" || above === path) throw error;
    return join(await real(above), path.slice(above.length));
  }
}
