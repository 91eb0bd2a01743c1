// Holds: leases by which workloads put their own updates off. Each workload that may hold has a folder of its own on the node, mounted
// into its container; what it writes there is read with care, since anybody in the container may have written it. A lease counts from
// when this process first saw that content, by the monotonic clock: a jump of the wall clock prolongs nothing.
// `promises` is loaded at its first use: half a megabyte that a node without holds does not spend. Looking whether there are any must not use it.
import { constants, promises as files, readdir } from "node:fs";
import { dirname, join } from "node:path";
import type { Assignment, Workload } from "@skerry/shared/model/assignment.ts";
import type { Mount } from "@skerry/shared/model/container.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { HOLD_TARGET } from "@skerry/shared/model/plain.ts";
import type { Clock, Millis } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { HoldLease } from "../core/plan/scene.ts";

export { HOLD_TARGET };

/** The lease, in that folder. */
const FILE = "hold";
/** Enough for an owner and a reason; more is not read. */
const MAX_BYTES = 4_096;
const MAX_WORDS = 200;
/** Of a lease that names no length. */
const DEFAULT_TTL_MS = 600_000;
/** A lease is renewed; one that asks for more than a day is cut. */
const MAX_TTL_MS = 86_400_000;

interface Seen {
  /** Differs when the file was written again. */
  readonly stamp: string;
  readonly lease: HoldLease;
}

export class Holds {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #seen = new Map<WorkloadId, Seen>();
  #tidied: Assignment | null = null;

  constructor(folder: string, clock: Clock, log: Log) {
    this.#folder = folder;
    this.#clock = clock;
    this.#log = log;
  }

  /** Looks at the files of the workloads that may hold. A file that cannot be read is no lease. */
  async look(desired: Assignment | null): Promise<void> {
    const may = (desired?.workloads ?? []).filter(({ times }) => times.hold !== null);
    await Promise.all(may.map(({ id }) => this.#lookAt(id)));
    const ids = new Set(may.map(({ id }) => id));
    for (const id of this.#seen.keys()) if (!ids.has(id)) this.#seen.delete(id);
    if (desired !== null && desired !== this.#tidied) await this.#tidy(desired);
  }

  /** Leases that still run. */
  now(): ReadonlyMap<WorkloadId, HoldLease> {
    const now = this.#clock.monotonicMs();
    const live = [...this.#seen].filter(([, { lease }]) => lease.endsAtMs > now);
    return new Map(live.map(([id, { lease }]) => [id, lease]));
  }

  /** Makes its folder; null: it may not hold, or mounts something of its own there. */
  async mountFor({ id, times, spec }: Workload): Promise<Mount | null> {
    if (times.hold === null || spec.mounts.some(({ target }) => target === HOLD_TARGET)) return null;
    const source = this.#folderOf(id);
    await files.mkdir(source, { recursive: true, mode: 0o755 });
    // Whichever user the container runs as writes here; nobody on the node gets past the agent's own folder.
    await files.chmod(source, 0o777);
    return { kind: "bind", source, target: HOLD_TARGET, readOnly: false, propagation: null, createHostPath: false };
  }

  #folderOf(id: string): string {
    return join(this.#folder, ...id.split("/"));
  }

  async #lookAt(id: WorkloadId): Promise<void> {
    const found = await readLease(join(this.#folderOf(id), FILE));
    if (found === null) {
      this.#seen.delete(id);
      return;
    }
    if (this.#seen.get(id)?.stamp === found.stamp) return;
    this.#seen.set(id, { stamp: found.stamp, lease: leaseIn(found.text, this.#clock.monotonicMs()) });
  }

  /** Folders of workloads that are wanted no more go. */
  async #tidy(desired: Assignment): Promise<void> {
    this.#tidied = desired;
    const wanted = new Set<string>(desired.workloads.map(({ id }) => id));
    for (const id of await foldersIn(this.#folder)) {
      if (wanted.has(id)) continue;
      const path = this.#folderOf(id);
      try {
        await removeFlat(path);
        // Of its service and its app, when it was the last.
        for (const above of [dirname(path), dirname(dirname(path))]) await files.rmdir(above).catch(() => undefined);
      } catch (error) {
        this.#log.warn("could not tidy the folder of a hold", { workload: id, reason: String(error) });
      }
    }
  }
}

/** "app/service/slot" of each. */
async function foldersIn(folder: string): Promise<readonly string[]> {
  let level = [""];
  for (let depth = 0; depth < 3; depth += 1) {
    const lists = await Promise.all(
      level.map(async (path) =>
        (await namesIn(join(folder, path))).map((name) => (path === "" ? name : `${path}/${name}`)),
      ),
    );
    level = lists.flat();
  }
  return level;
}

/**
 * Its container may still run and write there, and put a link in the place of a folder at any moment: nothing below is entered. What
 * it has hidden in folders of its own stays, and so does the folder.
 */
async function removeFlat(folder: string): Promise<void> {
  for (const name of await files.readdir(folder)) {
    const path = join(folder, name);
    await files.unlink(path).catch(() => files.rmdir(path).catch(() => undefined));
  }
  await files.rmdir(folder);
}

function namesIn(folder: string): Promise<readonly string[]> {
  return new Promise((resolve) => {
    readdir(folder, { withFileTypes: true }, (error, entries) => {
      // Not there, or not to be read: nothing of it is tidied now.
      if (error !== null) return resolve([]);
      resolve(entries.filter((entry) => entry.isDirectory()).map(({ name }) => name));
    });
  });
}

/** Neither follows a link out of the folder, nor waits for a pipe, nor reads without end: a container wrote this. */
async function readLease(path: string): Promise<{ readonly stamp: string; readonly text: string } | null> {
  let file: Awaited<ReturnType<typeof files.open>>;
  try {
    file = await files.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return null;
  }
  try {
    const stat = await file.stat({ bigint: true });
    if (!stat.isFile()) return null;
    const buffer = Buffer.alloc(MAX_BYTES);
    const { bytesRead } = await file.read(buffer, 0, MAX_BYTES, 0);
    const text = buffer.toString("utf8", 0, bytesRead);
    return { stamp: `${stat.ino} ${stat.mtimeNs} ${text}`, text };
  } catch {
    return null;
  } finally {
    await file.close().catch(() => undefined);
  }
}

/** {"owner","reason","ttlSeconds"}, each of them optional; or plain text, which is the reason. */
function leaseIn(text: string, now: Millis): HoldLease {
  const said = fieldsIn(text);
  const asked = typeof said["ttlSeconds"] === "number" ? said["ttlSeconds"] * 1_000 : DEFAULT_TTL_MS;
  const ttlMs = Number.isFinite(asked) ? Math.min(Math.max(0, asked), MAX_TTL_MS) : DEFAULT_TTL_MS;
  return {
    owner: words(said["owner"]) || "the workload",
    reason: words(said["reason"]) || "it gave no reason",
    endsAtMs: now + ttlMs,
  };
}

function fieldsIn(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    // A JSON object's keys are strings.
    if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch {
    // Not JSON: plain text.
  }
  return { reason: text };
}

function words(value: unknown): string {
  if (typeof value !== "string") return "";
  // Control characters must not reach a terminal.
  return value
    .replace(/\p{Cc}+/gu, " ")
    .trim()
    .slice(0, MAX_WORDS);
}
