// Copies of the hub's simulated disk: an old backup, and an empty volume.
import { createMemoryDisk, type MemoryDisk } from "@skerry/hub/store/memory.ts";

export function copyHubDisk(disk: MemoryDisk): MemoryDisk {
  const { installation, epoch } = disk.content;
  const copy = createMemoryDisk({ installation, epoch });
  Object.assign(copy.content, structuredClone(disk.content));
  return copy;
}

export function emptyHubDisk({ content }: MemoryDisk): MemoryDisk {
  // Set up anew, it makes an installation of its own; at worst under the same name.
  return createMemoryDisk({ installation: content.installation, epoch: content.epoch });
}
