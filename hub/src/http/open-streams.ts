// Streams that stay open: each is let in once, and must not outlive what let it in. They are looked at when a token or a role changes, and
// every quarter of a minute for what ends by the clock or by a label.
import type { Timer } from "@skerry/shared/runtime/clock.ts";
import type { FastifyRequest } from "fastify";
import type { Change } from "../core/change.ts";
import type { HttpDeps } from "./deps.ts";
import type { Door } from "./door.ts";

/** The beat of the streams themselves: nobody sees it sooner. */
export const LOOK_MS = 15_000;

export interface OpenStreams {
  /** `end` is called once, when the request would no longer be let in. Returns what forgets it. */
  add(request: FastifyRequest, end: () => void): () => void;
  stop(): void;
}

const LETTING_IN: ReadonlySet<Change["kind"]> = new Set<Change["kind"]>([
  "api-token-removed",
  "role-set",
  "role-removed",
  "user-set",
  "user-removed",
  "session-removed",
]);

export function createOpenStreams(
  { loop, clock, log }: Pick<HttpDeps, "loop" | "clock" | "log">,
  door: Pick<Door, "stillOpen">,
): OpenStreams {
  const open = new Map<FastifyRequest, () => void>();
  let timer: Timer | null = null;
  const look = (): void => {
    timer = null;
    for (const [request, end] of [...open]) if (!isLetIn(request)) close(request, end);
    lookLater();
  };
  const isLetIn = (request: FastifyRequest): boolean => {
    try {
      return door.stillOpen(request);
    } catch (error) {
      // A store that cannot be read: the stream itself finds out what is wrong.
      log.error("whether a stream may stay open could not be read", { error: String(error) });
      return true;
    }
  };
  const close = (request: FastifyRequest, end: () => void): void => {
    open.delete(request);
    end();
  };
  const lookIn = (delayMs: number): void => {
    timer?.cancel();
    timer = clock.setTimer(delayMs, look);
  };
  const lookLater = (): void => {
    if (timer === null && open.size > 0) lookIn(LOOK_MS);
  };
  // Not inside the commit: the World has moved, and others still hear of it.
  const stopListening = loop.onCommitted((changes) => {
    if (open.size > 0 && changes.some(({ kind }) => LETTING_IN.has(kind))) lookIn(0);
  });
  return {
    add(request, end) {
      open.set(request, end);
      lookLater();
      return () => open.delete(request);
    },
    stop() {
      stopListening();
      timer?.cancel();
      open.clear();
    },
  };
}
