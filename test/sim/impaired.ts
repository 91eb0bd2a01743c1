// When a node's agent or engine could not do its part: dead, standing still, hanging, failing, slow. A fence holds as long as both do.
import { NO_FAULTS } from "./engine/client.ts";
import type { SimNode } from "./node.ts";
import type { Site } from "./site.ts";

export interface ImpairedWatch {
  readonly between: (node: string, fromMs: number, untilMs: number) => boolean;
}

/** Shorter than any restart of an agent. */
const PERIOD_MS = 200;

export function watchImpaired(site: Site): ImpairedWatch {
  const times = new Map<string, number[]>(site.nodes.map(({ name }) => [name, []]));
  const look = (): void => {
    for (const node of site.nodes) if (isImpaired(node)) times.get(node.name)?.push(site.scheduler.nowMs());
    if (site.rough()) site.scheduler.after(PERIOD_MS, look);
  };
  look();
  return {
    between: (node, fromMs, untilMs) => (times.get(node) ?? []).some((atMs) => atMs >= fromMs && atMs <= untilMs),
  };
}

function isImpaired({ agent, engine, host }: SimNode): boolean {
  const process = agent();
  if (process === null || process.isPaused() || !engine.isUp() || !host.powered()) return true;
  const { faults } = engine;
  return (
    faults.failure !== NO_FAULTS.failure ||
    faults.lostAnswer !== NO_FAULTS.lostAnswer ||
    faults.lostCall !== NO_FAULTS.lostCall ||
    faults.notFound !== NO_FAULTS.notFound ||
    faults.slowness !== NO_FAULTS.slowness
  );
}
