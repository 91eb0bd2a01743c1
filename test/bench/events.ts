// Listens to an engine's own events and notes when each arrived: the bench's stopwatch. Polling would cost the very cores that are measured.
import { request } from "node:http";

export interface Seen {
  readonly action: string;
  readonly name: string;
  /** Of performance.now(). */
  readonly atMs: number;
}

export class EngineEvents implements AsyncDisposable {
  readonly #seen: Seen[] = [];
  readonly #waiting = new Set<() => void>();
  #close: () => void = () => undefined;

  static async start(socketPath: string): Promise<EngineEvents> {
    const events = new EngineEvents();
    const filters = encodeURIComponent(JSON.stringify({ type: ["container"] }));
    await new Promise<void>((resolve, reject) => {
      const call = request({ socketPath, path: `/v1.41/events?filters=${filters}` }, (response) => {
        let rest = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          const lines = (rest + chunk).split("\n");
          rest = lines.pop() ?? "";
          for (const line of lines) if (line.trim() !== "") events.#note(line);
        });
        response.on("error", () => undefined);
        resolve();
      });
      call.on("error", reject);
      events.#close = () => call.destroy();
      call.end();
    });
    return events;
  }

  /** When `count` containers whose name matches have had `action` since `sinceMs`: the arrival of the last of them. */
  async when(action: string, name: RegExp, count: number, sinceMs: number, withinMs: number): Promise<number> {
    const matching = (): readonly Seen[] => {
      const found = this.#seen.filter((each) => each.action === action && name.test(each.name) && each.atMs >= sinceMs);
      return [...new Map(found.map((each) => [each.name, each])).values()];
    };
    const endMs = performance.now() + withinMs;
    for (;;) {
      const found = matching();
      if (found.length >= count) return Math.max(...found.slice(0, count).map((each) => each.atMs));
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) throw new Error(`only ${found.length} of ${count} "${action}" of ${name} within ${withinMs} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
  }

  #note(line: string): void {
    // The engine's own format.
    const event = JSON.parse(line) as { Action: string; Actor: { Attributes: { name?: string } } };
    this.#seen.push({ action: event.Action, name: event.Actor.Attributes.name ?? "", atMs: performance.now() });
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}
