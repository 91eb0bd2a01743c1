// What /metrics tells Prometheus. Gauges are read from the World when asked, so that nothing is counted twice or forgotten.
// Labels are closed sets: never a name of an app or node, whose number is not ours to bound.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { World } from "../core/world.ts";
import type { HttpDeps } from "./deps.ts";
import { health } from "./health.ts";

export interface Metrics {
  readonly registry: Registry;
  request(method: string, route: string, status: number, seconds: number): void;
  text(): Promise<string>;
}

/** Reads take milliseconds; a commit waits for the disk, on an SD card up to a second. */
const BUCKETS_SECONDS = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 10];

export function createMetrics(deps: HttpDeps): Metrics {
  const registry = new Registry();
  const requests = new Histogram({
    name: "skerry_hub_request_seconds",
    help: "Time to answer a request, by route and status class.",
    labelNames: ["method", "route", "status"] as const,
    buckets: BUCKETS_SECONDS,
    registers: [registry],
  });
  addWorldGauges(registry, () => deps.loop.world);
  new Gauge({
    name: "skerry_hub_healthy",
    help: "1 when the hub takes changes, 0 when not.",
    registers: [registry],
    collect() {
      this.set(health(deps).status === "ok" ? 1 : 0);
    },
  });
  const changes = new Counter({
    name: "skerry_hub_changes_total",
    help: "Changes applied to the World, by kind.",
    labelNames: ["kind"] as const,
    registers: [registry],
  });
  deps.loop.onCommitted((applied) => {
    for (const change of applied) changes.inc({ kind: change.kind });
  });
  return {
    registry,
    request: (method, route, status, seconds) =>
      requests.observe({ method, route, status: `${Math.floor(status / 100)}xx` }, seconds),
    text: () => registry.metrics(),
  };
}

/** What stands beside the World: read when asked. */
export interface Surroundings {
  /** Agents with a link. */
  readonly connectedAgents: () => number;
  /** Words of nodes that wait for a commit. */
  readonly waitingInputs: () => number;
  readonly watchers: () => number;
  readonly logReaders: () => number;
  /** Nodes that somebody looks at. */
  readonly streamSockets: () => number;
}

export function addSurroundings({ registry }: Metrics, surroundings: Surroundings): void {
  const gauge = (name: string, help: string, value: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  };
  gauge("skerry_agents_connected", "Agents with a link to this hub.", surroundings.connectedAgents);
  gauge("skerry_hub_waiting_inputs", "Words of nodes that wait for a commit.", surroundings.waitingInputs);
  gauge("skerry_hub_watchers", "Clients of /v1/watch.", surroundings.watchers);
  gauge("skerry_hub_log_readers", "Clients that read the logs of an app.", surroundings.logReaders);
  gauge("skerry_hub_stream_sockets", "Nodes with a stream socket to this hub.", surroundings.streamSockets);
}

/** Sums of gauges that stand beside them, under names that only counters may have: Prometheus's own check refuses them. */
const MISNAMED = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

/** Of the process: memory, CPU, event loop. Once per process, so only main asks for them. */
export function addProcessMetrics({ registry }: Metrics): void {
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
}

function addWorldGauges(registry: Registry, world: () => World): void {
  const gauge = (name: string, help: string, value: (world: World) => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value(world()));
      },
    });
  };
  gauge("skerry_seq", "Number of the last durable commit.", (now) => now.seq);
  gauge("skerry_epoch", "Epoch of this installation.", (now) => now.epoch);
  gauge("skerry_apps", "Apps.", (now) => now.apps.size);
  gauge("skerry_workloads_placed", "Slots that have a node.", (now) => now.placements.size);
  gauge("skerry_workloads_unplaced", "Slots that no node can take.", (now) => now.unplaced.size);
  gauge("skerry_brake", "1 while replacing is suspended because most nodes vanished at once.", (now) =>
    now.brake === null ? 0 : 1,
  );
  new Gauge({
    name: "skerry_nodes",
    help: "Nodes, by reachability.",
    labelNames: ["reachability"] as const,
    registers: [registry],
    collect() {
      const counts = { ready: 0, unreachable: 0, awaited: 0 };
      for (const reachability of world().reachability.values()) counts[reachability.kind] += 1;
      for (const [kind, count] of Object.entries(counts)) this.set({ reachability: kind }, count);
    },
  });
  new Gauge({
    name: "skerry_workloads_seen",
    help: "Workloads as nodes last reported them, by state; those of silent nodes included.",
    labelNames: ["state"] as const,
    registers: [registry],
    collect() {
      this.reset();
      const counts = new Map<string, number>();
      for (const observation of world().observations.values()) {
        for (const seen of observation.workloads.values()) {
          const state = seen.status.state.kind;
          counts.set(state, (counts.get(state) ?? 0) + 1);
        }
      }
      for (const [state, count] of counts) this.set({ state }, count);
    },
  });
}
