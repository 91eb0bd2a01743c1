// PullGuard: keeps an image from filling the engine's disk. Before a pull it asks the registry for the sizes; where that does not tell,
// it watches the pull's own totals. It refuses only for want of room: everything else is the engine's to say.
import { statfsSync } from "node:fs";
import type { RegistryLogin } from "@skerry/shared/model/registry-login.ts";
import { misfit, type Room, sentBytes } from "../core/fit.ts";
import { layersOf } from "./registry.ts";

/** What the engine says of itself, asked once a pull. */
export interface EngineInside {
  readonly dataRoot: string;
  /** "linux/arm64". */
  readonly platform: string;
  /** Registries that it asks without TLS. */
  readonly insecure: readonly string[];
  /** Of all images that it has, unpacked. Asked only when an image does not fit without them. */
  readonly layers: () => Promise<ReadonlySet<string>>;
}

export interface PullGuard {
  /** Why it does not fit; null: it does, or nobody knows. */
  before(
    image: string,
    platform: string | null,
    login: RegistryLogin | null,
    inside: EngineInside,
    signal: AbortSignal,
  ): Promise<string | null>;
  /** To be told of the pull's totals, which grow as it goes. */
  during(image: string, inside: EngineInside): (totalBytes: number) => string | null;
}

export const pullGuard: PullGuard = {
  async before(image, platform, login, inside, signal) {
    const room = roomAt(inside.dataRoot);
    if (room === null) return null;
    const options = { platform: platform ?? inside.platform, insecure: inside.insecure, login, signal };
    const layers = await layersOf(image, options);
    if (layers === null || misfit(image, sentBytes(layers, new Set()), room) === null) return null;
    return misfit(image, sentBytes(layers, await inside.layers()), room);
  },
  during(image, { dataRoot }) {
    // Of the beginning: what the pull itself has written since is counted in its totals.
    const room = roomAt(dataRoot);
    return (totalBytes) => (room === null ? null : misfit(image, totalBytes, room));
  },
};

/** null: that folder is not on this machine, as with an engine elsewhere. */
function roomAt(path: string): Room | null {
  try {
    const { bsize, blocks, bavail } = statfsSync(path);
    return { freeBytes: bsize * bavail, totalBytes: bsize * blocks };
  } catch {
    return null;
  }
}
