// Ends a process that an engine runs inside a container, and no other one: process numbers are used again, and an agent may see others
// than the engine does. Linux only; elsewhere, and where it cannot be sure, it does nothing.
import { readFileSync } from "node:fs";

/** Only when the kernel says that the process belongs to this container. */
export function endProcessOf(containerId: string, pid: number): void {
  if (!Number.isSafeInteger(pid) || pid <= 1 || !/^[0-9a-f]{64}$/.test(containerId)) return;
  try {
    if (!readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(containerId)) return;
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile, or it is not ours to end.
  }
}
