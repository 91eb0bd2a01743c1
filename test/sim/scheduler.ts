// Virtual time: one queue of things to come, run in order of their time and then of their making. Nothing here reads a real clock.
// Between two of them every promise chain runs to its end, so that a kill between two steps finds no code half way.

export interface Due {
  cancel(): void;
}

export interface Scheduler {
  /** True time of the simulated world in ms. No simulated process can read it. */
  nowMs(): number;
  after(delayMs: number, fire: () => void): Due;
  /** Runs everything due until `untilMs`, then stands there. */
  runUntil(untilMs: number): Promise<void>;
  /** How many things have been run: a seed that never rests shows by it. */
  steps(): number;
}

interface Entry {
  readonly atMs: number;
  readonly order: number;
  fire: (() => void) | null;
}

/** A seed with more steps than this is in a busy loop: the slowest honest seeds need about a tenth. */
export const MAX_STEPS = 3_000_000;

export function createScheduler(): Scheduler {
  const heap: Entry[] = [];
  let nowMs = 0;
  let order = 0;
  let steps = 0;
  return {
    nowMs: () => nowMs,
    steps: () => steps,
    after(delayMs, fire) {
      order += 1;
      const entry: Entry = { atMs: nowMs + Math.max(0, delayMs), order, fire };
      push(heap, entry);
      return {
        cancel() {
          entry.fire = null;
        },
      };
    },
    async runUntil(untilMs) {
      await settled();
      for (let next = heap[0]; next !== undefined && next.atMs <= untilMs; next = heap[0]) {
        pop(heap);
        if (next.fire === null) continue;
        nowMs = Math.max(nowMs, next.atMs);
        steps += 1;
        if (steps > MAX_STEPS) throw new Error(`more than ${MAX_STEPS} steps by ${nowMs} ms: something never rests`);
        next.fire();
        await settled();
      }
      nowMs = Math.max(nowMs, untilMs);
    },
  };
}

/** A macro-task begins only when no micro-task is left. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const before = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

function push(heap: Entry[], entry: Entry): void {
  let at = heap.length;
  heap.push(entry);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || !before(entry, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = entry;
}

function pop(heap: Entry[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = at * 2 + 1;
    const left = heap[child];
    if (left === undefined) break;
    const right = heap[child + 1];
    if (right !== undefined && before(right, left)) child += 1;
    const smallest = heap[child];
    if (smallest === undefined || !before(smallest, last)) break;
    heap[at] = smallest;
    at = child;
  }
  heap[at] = last;
}
