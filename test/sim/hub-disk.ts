// Copies of the hub's simulated disk: an old backup, and an empty volume.
import { createMemoryDisk, type MemoryDisk } from "@skerry/hub/store/memory.ts";

/** `epochsLater`: only a planted bug opens another epoch by itself. */
export function copyHubDisk(disk: MemoryDisk, epochsLater = 0): MemoryDisk {
  const { installation, epoch } = disk.content;
  const copy = createMemoryDisk({ installation, epoch });
  Object.assign(copy.content, structuredClone(disk.content), { epoch: epoch + epochsLater });
  return copy;
}

export function emptyHubDisk({ content }: MemoryDisk): MemoryDisk {
  // Set up anew, it makes an installation of its own; at worst under the same name.
  return createMemoryDisk({ installation: content.installation, epoch: content.epoch });
}
