// The simulated network: what TCP makes of a bad link. Within a connection frames arrive in order or not at all; but a direction may
// stall, either end may vanish without a word, and what was sent on a connection given up long ago may still arrive late.
// Each node has one link to the hub with two directions of their own.
import type { Connection, ConnectionHandlers } from "@skerry/shared/protocol/connection.ts";
import type { Chance } from "./chance.ts";
import type { Process } from "./host.ts";
import type { Due, Scheduler } from "./scheduler.ts";
import type { Trace } from "./trace.ts";

export type Direction = "up" | "down";

export interface Link {
  readonly name: string;
  /** up: node to hub; down: hub to node. */
  setOpen(direction: Direction, open: boolean): void;
  isOpen(direction: Direction): boolean;
  setLatencyMs(least: number, most: number): void;
  /** A router on the way forgot every connection (NAT table lost): whoever sends next is reset, the other side hears nothing. */
  forget(): void;
  /** RST to both ends of every connection, in the middle of whatever was on its way. */
  reset(): void;
}

export interface Network {
  link(name: string): Link;
  /** `accept` runs as `process` for each connection until it dies. */
  listen(process: Process, accept: (connection: Connection, link: string) => void): void;
  /** Rejects when refused; never settles by itself while the link is cut. */
  dial(process: Process, link: string): Promise<Connection>;
  /** For calls beside the websocket: `answer` runs as the hub's process; rejects when there is none or the answer is lost. */
  call<T>(process: Process, link: string, answer: () => T | Promise<T>): Promise<T>;
  /** Frames delivered and bytes in them, for checking that a resting system is quiet. */
  delivered(): { readonly frames: number; readonly bytes: number };
}

interface Options {
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly trace: Trace;
  /** Sees every frame as it is handed to the system. */
  readonly onSend: (link: string, direction: Direction, text: string) => void;
  /** Sees every close() of either side. */
  readonly onClose: (link: string, code: number, reason: string) => void;
}

/** What a kernel takes from a process before it says that its buffers are full. */
const SOCKET_BUFFER_BYTES = 65_536;
/** Linux gives up on unacknowledged data after some 15 minutes (tcp_retries2); many are set lower. */
const GIVE_UP_MS = { least: 60_000, most: 924_000 } as const;
/** The pause between two retransmissions grows to two minutes: after a cut, held data comes at the next one. */
const LONGEST_RETRANSMISSION_MS = 60_000;
const ABNORMAL = 1006;

interface MutableLink extends Link {
  open: Record<Direction, boolean>;
  latency: { least: number; most: number };
  readonly wires: Set<Wire>;
  readonly waiting: Set<() => void>;
}

interface Wire {
  readonly node: End;
  readonly hub: End;
  forgotten: boolean;
}

type Item =
  | { readonly kind: "frame"; readonly text: string }
  | { readonly kind: "end"; readonly code: number; readonly reason: string };

/** One end of a connection, with the queue of what it sent. */
interface End {
  readonly process: Process;
  readonly direction: Direction;
  readonly queue: { readonly item: Item; readonly readyMs: number }[];
  handlers: ConnectionHandlers | null;
  early: Item[];
  /** open; closing: close() was said here; closed: onClose was called; gone: its process is dead. */
  state: "open" | "closing" | "closed" | "gone";
  blockedSinceMs: number | null;
  pump: Due | null;
  giveUp: Due | null;
}

export function createNetwork(options: Options): Network {
  const { scheduler, chance } = options;
  const links = new Map<string, MutableLink>();
  const counted = { frames: 0, bytes: 0 };
  let server: { process: Process; accept: (connection: Connection, link: string) => void } | null = null;
  const linkOf = (name: string): MutableLink => {
    const link = links.get(name) ?? createLink(name, options);
    links.set(name, link);
    return link;
  };
  /** Resolves once a packet can pass in both directions; SYN and requests are sent again with growing pauses. */
  const reach = async (link: MutableLink): Promise<void> => {
    while (!(link.open.up && link.open.down)) {
      await new Promise<void>((resolve) => link.waiting.add(resolve));
      await pause(scheduler, chance.between(0, 3_000));
    }
    await pause(scheduler, latencyOf(link, chance) + latencyOf(link, chance));
  };
  return {
    link: linkOf,
    listen(process, accept) {
      server = { process, accept };
      process.onDeath(() => {
        if (server?.process === process) server = null;
      });
    },
    dial(process, name) {
      return new Promise((resolve, reject) => {
        const link = linkOf(name);
        void reach(link).then(() => {
          const to = server;
          if (!process.alive()) return;
          if (to === null) return process.step(() => reject(new Error("connection refused")));
          const carry = connect(options, link, process, to.process, counted);
          to.process.step(() => to.accept(connectionOf(carry, carry.wire.hub), name));
          process.step(() => resolve(connectionOf(carry, carry.wire.node)));
        });
      });
    },
    call(process, name, answer) {
      return new Promise((resolve, reject) => {
        const link = linkOf(name);
        const fail = (why: string): void => process.step(() => reject(new Error(why)));
        void reach(link).then(() => {
          const to = server;
          if (to === null) return fail("connection refused");
          to.process.onDeath(() => fail("connection reset"));
          to.process.step(() => {
            Promise.resolve()
              .then(answer)
              .then(
                (value) => void reach(link).then(() => process.step(() => resolve(value))),
                (error: unknown) => void reach(link).then(() => process.step(() => reject(error))),
              );
          });
        });
      });
    },
    delivered: () => ({ ...counted }),
  };
}

const latencyOf = (link: MutableLink, chance: Chance): number => chance.between(link.latency.least, link.latency.most);

function pause(scheduler: Scheduler, ms: number): Promise<void> {
  return new Promise((resolve) => {
    scheduler.after(ms, resolve);
  });
}

function createLink(name: string, { trace, scheduler }: Options): MutableLink {
  const link: MutableLink = {
    name,
    open: { up: true, down: true },
    latency: { least: 1, most: 5 },
    wires: new Set(),
    waiting: new Set(),
    isOpen: (direction) => link.open[direction],
    setOpen(direction, open) {
      if (link.open[direction] === open) return;
      link.open[direction] = open;
      trace.note(name, `link ${direction} ${open ? "open" : "cut"}`);
      if (!open) return;
      for (const resume of [...link.waiting]) {
        link.waiting.delete(resume);
        scheduler.after(0, resume);
      }
    },
    setLatencyMs(least, most) {
      link.latency = { least, most };
    },
    forget() {
      trace.note(name, "link forgets its connections");
      for (const wire of link.wires) wire.forgotten = true;
    },
    reset() {
      trace.note(name, "link resets its connections");
      for (const wire of [...link.wires]) {
        for (const end of [wire.node, wire.hub]) {
          end.queue.length = 0;
          finish(end, ABNORMAL, "connection reset");
        }
        link.wires.delete(wire);
      }
    },
  };
  return link;
}

function connect(
  options: Options,
  link: MutableLink,
  nodeProcess: Process,
  hubProcess: Process,
  counted: { frames: number; bytes: number },
): Carry {
  const end = (process: Process, direction: Direction): End => ({
    process,
    direction,
    queue: [],
    handlers: null,
    early: [],
    state: "open",
    blockedSinceMs: null,
    pump: null,
    giveUp: null,
  });
  const wire: Wire = { node: end(nodeProcess, "up"), hub: end(hubProcess, "down"), forgotten: false };
  link.wires.add(wire);
  const carry: Carry = { options, link, wire, counted };
  for (const one of [wire.node, wire.hub]) {
    one.process.onDeath((powerCut) => {
      if (one.state === "closed") return;
      one.state = "gone";
      if (powerCut) one.queue.length = 0;
      // The kernel of a machine that goes on says goodbye for a process that was killed.
      else send(carry, one, { kind: "end", code: ABNORMAL, reason: "connection reset" });
    });
  }
  return carry;
}

interface Carry {
  readonly options: Options;
  readonly link: MutableLink;
  readonly wire: Wire;
  readonly counted: { frames: number; bytes: number };
}

function connectionOf(carry: Carry, end: End): Connection {
  const { scheduler, chance } = carry.options;
  return {
    send(text) {
      if (end.state !== "open" || !end.process.alive()) return;
      carry.options.onSend(carry.link.name, end.direction, text);
      send(carry, end, { kind: "frame", text });
    },
    bufferedBytes() {
      const bytes = end.queue.reduce((sum, { item }) => sum + (item.kind === "frame" ? item.text.length : 0), 0);
      return Math.max(0, bytes - SOCKET_BUFFER_BYTES);
    },
    close(code, reason) {
      if (end.state !== "open" || !end.process.alive()) return;
      end.state = "closing";
      carry.options.onClose(carry.link.name, code, reason);
      send(carry, end, { kind: "end", code, reason });
      // A websocket library waits for the other side's goodbye, but not for ever; until then frames may still come in.
      scheduler.after(chance.between(1, 2_000), () => finish(end, code, reason));
    },
    listen(handlers) {
      end.handlers = handlers;
      const early = end.early;
      end.early = [];
      for (const item of early) deliver(carry, end, item);
    },
  };
}

function send(carry: Carry, end: End, item: Item): void {
  const { options, link } = carry;
  const latest = end.queue.at(-1)?.readyMs ?? 0;
  const readyMs = Math.max(latest, options.scheduler.nowMs() + latencyOf(link, options.chance));
  end.queue.push({ item, readyMs });
  schedulePump(carry, end);
}

function schedulePump(carry: Carry, end: End): void {
  const head = end.queue[0];
  if (head === undefined || end.pump !== null || end.blockedSinceMs !== null) return;
  const { scheduler } = carry.options;
  end.pump = scheduler.after(head.readyMs - scheduler.nowMs(), () => {
    end.pump = null;
    pump(carry, end);
  });
}

function pump(carry: Carry, end: End): void {
  const { options, link, wire } = carry;
  const head = end.queue[0];
  if (head === undefined || end.pump !== null) return;
  if (!link.open[end.direction]) return stall(carry, end);
  const wasBlocked = end.blockedSinceMs;
  end.blockedSinceMs = null;
  end.giveUp?.cancel();
  end.giveUp = null;
  if (wasBlocked !== null) {
    // Held data comes with the next retransmission.
    const late = Math.min(LONGEST_RETRANSMISSION_MS, options.scheduler.nowMs() - wasBlocked);
    end.pump = options.scheduler.after(options.chance.between(0, late), () => {
      end.pump = null;
      pump(carry, end);
    });
    return;
  }
  end.queue.shift();
  const other = end === wire.node ? wire.hub : wire.node;
  if (wire.forgotten || other.state === "gone") answerWithReset(carry, end);
  else deliver(carry, other, head.item);
  schedulePump(carry, end);
}

/** Waits for the link; the kernel of a sender gives up at last. */
function stall(carry: Carry, end: End): void {
  const { options, link } = carry;
  if (end.blockedSinceMs === null) {
    end.blockedSinceMs = options.scheduler.nowMs();
    end.giveUp = options.scheduler.after(options.chance.between(GIVE_UP_MS.least, GIVE_UP_MS.most), () => {
      end.queue.length = 0;
      finish(end, ABNORMAL, "timed out");
    });
  }
  link.waiting.add(() => pump(carry, end));
}

function answerWithReset(carry: Carry, end: End): void {
  const { options, link } = carry;
  if (!link.open[end.direction === "up" ? "down" : "up"]) return;
  end.queue.length = 0;
  options.scheduler.after(latencyOf(link, options.chance), () => finish(end, ABNORMAL, "connection reset"));
}

function deliver(carry: Carry, to: End, item: Item): void {
  if (to.state === "closed" || to.state === "gone") return;
  if (to.handlers === null) {
    to.early.push(item);
    return;
  }
  if (item.kind === "end") return finish(to, item.code, item.reason);
  carry.counted.frames += 1;
  carry.counted.bytes += item.text.length;
  to.process.step(() => {
    if (to.state === "open" || to.state === "closing") to.handlers?.onFrame(item.text);
  });
}

function finish(end: End, code: number, reason: string): void {
  if (end.state === "closed" || end.state === "gone") return;
  if (end.handlers === null) {
    end.early.push({ kind: "end", code, reason });
    return;
  }
  end.process.step(() => {
    if (end.state === "closed" || end.state === "gone") return;
    end.state = "closed";
    end.handlers?.onClose(code, reason);
  });
}
