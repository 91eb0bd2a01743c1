// The hub of a simulated site: the real control loop, link server and in-memory store, started and killed on a simulated machine.
// The disk outlives the process; everything else is gone with it.
import { type ControlLoop, createControlLoop, type Origin } from "@skerry/hub/control-loop.ts";
import type { Command, CommandOutcome } from "@skerry/hub/core/command.ts";
import { DEFAULT_SETTINGS } from "@skerry/hub/core/decide.ts";
import type { Placement } from "@skerry/hub/core/world.ts";
import type { LinkServer } from "@skerry/hub/link/server.ts";
import { signingKey } from "@skerry/hub/signing-key.ts";
import { createMemoryDisk, type MemoryDisk, openMemoryStore } from "@skerry/hub/store/memory.ts";
import { type Store, StoreError } from "@skerry/hub/store/store.ts";
import type { InstallationId, SpecHash } from "@skerry/shared/model/ids.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import { createHost, type Host, type Process } from "./host.ts";
import { copyHubDisk } from "./hub-disk.ts";
import { startLinkServer } from "./hub-link.ts";
import { logTo } from "./log.ts";
import { bugCommand, bugStore } from "./mutants.ts";
import type { SitePart } from "./site.ts";

/** The hub's signing key: in a file of its own, so that an old database does not bring back an old one. */
export const SIGNING_KEY = signingKey(sha256Hex("the hub's signing key"), "", "kept");

/** Good for every machine of the site. */
export const JOIN_TOKEN = "sim-token";

export interface SimHub {
  readonly host: Host;
  disk: MemoryDisk;
  /** null while it is dead. */
  loop(): ControlLoop | null;
  store(): Store;
  process(): Process | null;
  start(): void;
  startedAtMs(): number;
  kill(): void;
  /** Stands still, while frames wait unread; and goes on. */
  pause(): void;
  resume(): void;
  /** When it last went on after standing still. */
  resumedAtMs(): number;
  /** As an update does: it says goodbye, writes down what it has, and ends. */
  stop(): void;
  powerCut(): void;
  setDiskFull(full: boolean): void;
  /** Kills it in the next commit: before anything is written, or after it is durable and before anybody hears. */
  crashAtCommit(when: "before" | "after"): void;
  /** Its disk as it was some time ago, if one was kept. */
  snapshot(): MemoryDisk | null;
  keepSnapshot(): void;
  /** Forgets a crash that was ordered and has not come. */
  calm(): void;
  /** null: refused, or the hub is not there. */
  submit(command: Command): CommandOutcome | null;
}

export function createHub(part: SitePart, rate: number): SimHub {
  const { scheduler, seed, trace, history, network } = part;
  const host = createHost({
    scheduler,
    seed,
    name: "hub",
    wrongClocks: part.wrongClocks,
    rate: part.planted("hub's clock runs fast") ? 4 : rate,
  });
  const installation = `i${part.chance("installation").random.hex(8)}` as InstallationId;
  let disk = createMemoryDisk({ installation, epoch: 1 });
  let running: { process: Process; loop: ControlLoop; server: LinkServer | null } | null = null;
  let crash: "before" | "after" | null = null;
  let full = false;
  let startedAtMs = Number.NEGATIVE_INFINITY;
  let resumedAtMs = Number.NEGATIVE_INFINITY;
  let snapshot: MemoryDisk | null = null;
  const die = (why: string): void => {
    if (running === null) return;
    trace.note("hub", why);
    const { process } = running;
    running = null;
    process.kill();
  };
  /** By itself: its supervisor starts it again. */
  const crashed = (why: string): void => {
    die(why);
    scheduler.after(3_000, () => hub.start());
  };
  const refuse = (): void => {
    if (full) throw new StoreError("full", "no space left on device");
  };
  const notePlaced = ({ workload, specHash, node }: Placement): void => {
    const heard = running?.loop.world.reachability.get(node)?.kind === "ready";
    history.placed.push({ atMs: scheduler.nowMs(), workload, specHash, heard });
  };
  const observedStore = (process: Process): Store => {
    const store = bugStore(part.planted, openMemoryStore(disk));
    return {
      ...store,
      commit(commit) {
        if (!process.alive()) throw gone();
        const when = crash;
        crash = null;
        if (when === "before") {
          crashed("hub crashes before its commit");
          throw gone();
        }
        const seq = store.commit(commit);
        history.commits.push({ atMs: scheduler.nowMs(), seq, commit });
        for (const change of commit.changes) if (change.kind === "placement-set") notePlaced(change.placement);
        trace.note("hub", `commit ${seq} ${commit.changes.map(({ kind }) => kind).join(" ")}`);
        if (when === "after") {
          crashed("hub crashes after its commit");
          throw gone();
        }
        return seq;
      },
      appendAudit(record, wallMs) {
        if (process.alive()) store.appendAudit(record, wallMs);
      },
      saveObserved(node, workloads) {
        if (process.alive()) store.saveObserved(node, workloads);
      },
      setSetting(name, value) {
        if (process.alive()) store.setSetting(name, value);
      },
    };
  };
  disk.refuse = refuse;
  const hub: SimHub = {
    host,
    get disk() {
      return disk;
    },
    set disk(other: MemoryDisk) {
      disk = other;
      disk.refuse = refuse;
    },
    loop: () => running?.loop ?? null,
    store: () => openMemoryStore(disk),
    process: () => running?.process ?? null,
    start() {
      if (running !== null || !host.powered()) return;
      trace.note("hub", "starts");
      startedAtMs = scheduler.nowMs();
      const process = host.spawn("hub", (error) => {
        if (part.crashed("hub", error)) crashed("hub crashed");
      });
      process.step(() => {
        const store = observedStore(process);
        const log = logTo(trace, "hub");
        const parts = { clock: process.clock, random: process.random, log, store };
        const loop = createControlLoop({ ...parts, settings: DEFAULT_SETTINGS });
        running = { process, loop, server: null };
        loop.start();
        if (store.tokens().length === 0) makeToken(loop);
        const server = startLinkServer(network, process, {
          ...parts,
          loop,
          sign: SIGNING_KEY.sign,
          planted: part.planted,
        });
        if (process.alive()) running = { process, loop, server };
      });
    },
    startedAtMs: () => startedAtMs,
    kill: () => die("hub is killed"),
    pause: () => running?.process.pause(),
    resume() {
      if (running?.process.isPaused() !== true) return;
      resumedAtMs = scheduler.nowMs();
      running.process.resume();
    },
    resumedAtMs: () => resumedAtMs,
    stop() {
      const now = running;
      if (now === null) return;
      now.process.step(() => {
        now.server?.stop();
        now.loop.stop();
      });
      scheduler.after(100, () => {
        if (running?.process === now.process) die("hub stops");
      });
    },
    powerCut() {
      die("hub loses its power");
      host.powerOff();
      disk.powerCut();
      host.boot();
    },
    setDiskFull(isFull) {
      trace.note("hub", `disk ${isFull ? "full" : "has room"}`);
      full = isFull;
    },
    crashAtCommit(when) {
      if (running !== null) crash = when;
    },
    calm() {
      crash = null;
    },
    snapshot: () => snapshot,
    keepSnapshot() {
      snapshot = copyHubDisk(disk);
    },
    submit(command) {
      history.asked.push({ atMs: scheduler.nowMs(), command });
      const now = running;
      if (now === null) return null;
      let outcome: CommandOutcome | null = null;
      now.process.step(() => {
        const result = now.loop.submit(bugCommand(part.planted, command), {
          actor: "admin",
          origin: ORIGIN,
          freshToken: null,
          idempotency: null,
        });
        if (!result.ok || !now.process.alive()) return;
        outcome = result.value.outcome;
        history.acked.push({ atMs: scheduler.nowMs(), command, outcome });
      });
      trace.note("operator", `${command.kind} ${outcome === null ? "refused" : "ok"}`);
      return outcome;
    },
  };
  return hub;
}

/** Nobody asks here where a command came from. */
export const ORIGIN: Origin = { credential: null, address: null, agent: null, what: null };

/** What a dead process still runs into. The code under test knows how to go on after it, and nothing that it then does has an effect. */
const gone = (): StoreError => new StoreError("broken", "the process is dead");

function makeToken(loop: ControlLoop): void {
  const secretHash = sha256Hex("sim secret") as SpecHash;
  loop.submit(
    { kind: "create-token", uses: 100, expiresInMs: 86_400_000, labels: {}, approval: false },
    { actor: "admin", origin: ORIGIN, freshToken: { id: JOIN_TOKEN, secretHash }, idempotency: null },
  );
}
