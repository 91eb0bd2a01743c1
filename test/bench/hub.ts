// hub: 1,000 simulated nodes × 20 workloads over real websockets from another process. Its memory, the time from applying a revision
// to every node having accepted it, and how long API calls take while the fleet is there.
import { readFile } from "node:fs/promises";
import type { FleetHub } from "../lab/fleet.ts";
import { until } from "../lab/wait.ts";
import { startCrowdedHub } from "./crowded-hub.ts";
import { type Bench, median, percentile, round } from "./figures.ts";

const NODES = 1_000;
export const SERVICES = 20;
const REVISIONS = 5;
const API_ROUNDS = 100;
const FANOUT_WITHIN_MS = 600_000;

export const hub: Bench = {
  name: "hub",
  says: `${NODES} simulated nodes × ${SERVICES} workloads over real websockets from another process`,
  async run(say) {
    const quick = process.argv.includes("--quick");
    await using crowded = await startCrowdedHub(quick ? 100 : NODES, say);
    const { fleet, server, nodes } = crowded;
    const fanouts: number[] = [];
    for (let revision = 1; revision <= REVISIONS + 1; revision++) {
      const startedAt = performance.now();
      await fleet.apply("crowd", composeFile(revision));
      await until(
        `every node has revision ${revision}`,
        () => crowded.withRevision(revision, SERVICES) === nodes,
        FANOUT_WITHIN_MS,
        10,
      );
      const seconds = (performance.now() - startedAt) / 1000;
      say(`revision ${revision} was accepted by all after ${round(seconds)} s`);
      // The first one is the placing of everything.
      if (revision > 1) fanouts.push(seconds);
    }
    await until("the hub shows all of it as good", () => fleet.allGood("crowd"), FANOUT_WITHIN_MS, 1_000);
    const times = await callApi(server);
    const calls = times.length;
    return {
      nodes,
      workloads: nodes * SERVICES,
      rss_mb: await rssMb(crowded.hubPid),
      fanout_s: round(median(fanouts)),
      api_p99_ms: round(percentile(times, 0.99), 1),
      api_p50_ms: round(percentile(times, 0.5), 1),
      api_calls: calls,
    };
  },
};

/** What people and scripts ask for most, one after the other while the fleet beats and reports. */
async function callApi(server: FleetHub): Promise<readonly number[]> {
  const times: number[] = [];
  const paths = [
    "/v1/apps",
    "/v1/nodes?limit=100",
    "/v1/workloads?limit=100",
    "/v1/nodes/crowd-0500",
    "/v1/events?limit=50",
  ];
  for (let round = 0; round < API_ROUNDS; round++) {
    for (const path of paths) {
      const startedAt = performance.now();
      const { status } = await server.call("GET", path);
      times.push(performance.now() - startedAt);
      if (status !== 200 && !path.includes("crowd-")) throw new Error(`GET ${path}: ${status}`);
    }
  }
  return times;
}

export function composeFile(revision: number): string {
  // All at once: what is measured is the fan-out, not the batches.
  const deploy = { mode: "global", update_config: { parallelism: 0 } };
  const service = { image: "shop/web:1", environment: { REVISION: String(revision) }, deploy };
  const names = Array.from({ length: SERVICES }, (_, index) => `s${index + 1}`);
  return JSON.stringify({ services: Object.fromEntries(names.map((name) => [name, service])) });
}

export async function rssMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024, 1);
}
