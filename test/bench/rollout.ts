// rollout: from `apply` of a new revision (the API call) to every copy running it, 3 and 30 copies on three engines, beside the engine's
// own floor (stop and start of as many containers); and one service on 1,000 simulated nodes, in four batches.
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { type Fleet, startFleet } from "../lab/fleet.ts";
import { BASE } from "../lab/images.ts";
import { until } from "../lab/wait.ts";
import { type CrowdedHub, startCrowdedHub } from "./crowded-hub.ts";
import { EngineEvents } from "./events.ts";
import { type Bench, median, round } from "./figures.ts";

const RUNS_OF_THREE = 5;
const RUNS_OF_THIRTY = 3;
const ENGINES = 3;
const PER_ENGINE = 10;
const WITHIN_MS = 180_000;
const FLEET_NODES = 1_000;
const FLEET_RUNS = 3;
/** Nothing is waited for but the work itself: all at once, and good as soon as it runs. */
const AT_ONCE = { parallelism: 0, monitor: "0s", order: "stop-first" };
/** In four batches. */
const QUARTERS = { parallelism: "25%", monitor: "0s", order: "stop-first" };

export const rollout: Bench = {
  name: "rollout",
  says: "a new revision on 3 and 30 copies on three engines, beside stop + start by hand; and on 1,000 simulated nodes",
  async run(say) {
    const real = await onEngines(say);
    return { ...real, ...(await onCrowd(say)) };
  },
};

async function onEngines(say: (text: string) => void) {
  await using fleet = await startFleet({ nodes: ENGINES });
  const events = await Promise.all(
    fleet.nodes.map(async (node) => fleet.lab.use(await EngineEvents.start(node.engine.socketPath))),
  );
  const figures: Record<string, number> = {};
  for (const [name, each, runs] of [
    ["3", 1, RUNS_OF_THREE],
    ["30", PER_ENGINE, RUNS_OF_THIRTY],
  ] as const) {
    const raw: number[] = [];
    const rolled: number[] = [];
    const app = `roll${name}`;
    await fleet.apply(app, composeFile(each, 0));
    await until("all copies are good", () => fleet.allGood(app), WITHIN_MS);
    // In turns, so that a slow minute of the machine hits both.
    for (let run = 1; run <= runs; run++) {
      raw.push(await byHand(fleet, events, `floor${name}x${run}`, each));
      rolled.push(await byApply(fleet, events, app, each, run));
      say(`${name} copies: stop + start ${round(raw.at(-1) ?? 0)} s, rollout ${round(rolled.at(-1) ?? 0)} s`);
    }
    await fleet.hub.call("DELETE", `/v1/apps/${app}`);
    figures[`raw${name}_s`] = round(median(raw));
    figures[`rollout${name}_s`] = round(median(rolled));
    figures[`ratio${name}`] = round(median(rolled) / median(raw), 2);
  }
  return figures;
}

const composeFile = (each: number, number: number): string =>
  JSON.stringify({
    services: {
      web: {
        image: BASE.name,
        environment: { NUMBER: String(number) },
        stop_grace_period: "0s",
        deploy: {
          replicas: ENGINES * each,
          placement: { max_replicas_per_node: each },
          update_config: AT_ONCE,
        },
      },
    },
  });

/** The floor: as many containers, each stopped and started once, all at once. */
async function byHand(fleet: Fleet, events: readonly EngineEvents[], tag: string, each: number): Promise<number> {
  const names = Array.from({ length: each }, (_, index) => `${tag}-${index}`);
  const all = fleet.nodes.flatMap(({ engine }) => names.map((name) => ({ api: engine.api, name })));
  await Promise.all(all.map(({ api, name }) => api.run({ name, image: BASE.name, host: {} })));
  const startedAt = performance.now();
  await Promise.all(
    all.map(async ({ api, name }) => {
      await api.call("POST", `/containers/${name}/stop?t=0`);
      await api.call("POST", `/containers/${name}/start`);
    }),
  );
  const seconds = await started(events, new RegExp(`^${tag}-`), each, startedAt);
  await Promise.all(all.map(({ api, name }) => api.remove(name)));
  return seconds;
}

async function byApply(
  fleet: Fleet,
  events: readonly EngineEvents[],
  app: string,
  each: number,
  number: number,
): Promise<number> {
  const startedAt = performance.now();
  await fleet.apply(app, composeFile(each, number));
  const seconds = await started(events, new RegExp(`^${app}-web-\\d+$`), each, startedAt);
  await until("the rollout is done", async () => (await isDone(fleet, app)) && (await fleet.allGood(app)), WITHIN_MS);
  return seconds;
}

async function isDone(fleet: Fleet, app: string): Promise<boolean> {
  const { body } = await fleet.hub.call("GET", `/v1/apps/${app}/rollout`);
  return body.state.kind === "done";
}

async function started(events: readonly EngineEvents[], name: RegExp, each: number, sinceMs: number): Promise<number> {
  const ends = await Promise.all(events.map((one) => one.when("start", name, each, sinceMs, WITHIN_MS)));
  return (Math.max(...ends) - sinceMs) / 1000;
}

async function onCrowd(say: (text: string) => void) {
  const quick = process.argv.includes("--quick");
  await using crowded = await startCrowdedHub(quick ? 100 : FLEET_NODES, say);
  const { fleet, nodes } = crowded;
  const taken: number[] = [];
  const cpu: number[] = [];
  const bytes: number[] = [];
  await fleet.apply("crowd", crowdFile(0));
  await until("the first revision is everywhere", () => isDone(fleet, "crowd"), WITHIN_MS, 20);
  for (let run = 1; run <= FLEET_RUNS; run++) {
    const before = await costs(crowded);
    const startedAt = performance.now();
    await fleet.apply("crowd", crowdFile(run));
    await until(`revision ${run} is everywhere`, () => isDone(fleet, "crowd"), WITHIN_MS, 20);
    taken.push((performance.now() - startedAt) / 1000);
    const after = await costs(crowded);
    cpu.push(after.cpuS - before.cpuS);
    bytes.push(after.bytes - before.bytes);
    say(`${nodes} nodes in four batches: ${round(taken.at(-1) ?? 0)} s, hub CPU ${round(cpu.at(-1) ?? 0)} s`);
  }
  return {
    nodes,
    fleet_s: round(median(taken)),
    hub_cpu_s: round(median(cpu)),
    bytes: Math.round(median(bytes)),
    bytes_per_node: Math.round(median(bytes) / nodes),
  };
}

const crowdFile = (number: number): string =>
  JSON.stringify({
    services: {
      web: {
        image: "shop/web:1",
        environment: { NUMBER: String(number) },
        deploy: { mode: "global", update_config: QUARTERS },
      },
    },
  });

/** Bytes: what went over the nodes' websockets in both directions, frames' payloads. */
async function costs(crowded: CrowdedHub): Promise<{ cpuS: number; bytes: number }> {
  const stat = await readFile(`/proc/${crowded.hubPid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { cpuS: ticks / TICKS_PER_S, bytes: await crowded.bytes() };
}

const TICKS_PER_S = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
