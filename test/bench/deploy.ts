// deploy: from `apply` (the API call) to running, one container on one engine and 30 on three, beside the same done by hand:
// make a network, create the containers in it, start them, all at once. Running is the engine's own "start" event.

import { type Fleet, startFleet } from "../lab/fleet.ts";
import { BASE } from "../lab/images.ts";
import { EngineEvents } from "./events.ts";
import { type Bench, median, round } from "./figures.ts";

const RUNS_OF_ONE = 9;
const RUNS_OF_THIRTY = 3;
const PER_ENGINE = 10;
const WITHIN_MS = 120_000;

export const deploy: Bench = {
  name: "deploy",
  says: "apply → running, one container and 30 on three engines, beside raw engine calls",
  async run(say) {
    await using fleet = await startFleet({ nodes: 3, labels: (number) => ({ number: String(number) }) });
    const events = await Promise.all(
      fleet.nodes.map(async (node) => fleet.lab.use(await EngineEvents.start(node.engine.socketPath))),
    );
    const raw: number[] = [];
    const applied: number[] = [];
    const raw30: number[] = [];
    const applied30: number[] = [];
    // In turns, so that a slow minute of the machine hits both.
    for (let run = 0; run < RUNS_OF_ONE; run++) {
      raw.push(await byHand(fleet, events, `raw${run}`, 1, 1));
      applied.push(await byApply(fleet, events, `one${run}`, 1, 1));
      say(`one container: raw ${round(raw.at(-1) ?? 0)} s, apply ${round(applied.at(-1) ?? 0)} s`);
    }
    for (let run = 0; run < RUNS_OF_THIRTY; run++) {
      raw30.push(await byHand(fleet, events, `raws${run}`, 3, PER_ENGINE));
      applied30.push(await byApply(fleet, events, `many${run}`, 3, PER_ENGINE));
      say(`30 containers: raw ${round(raw30.at(-1) ?? 0)} s, apply ${round(applied30.at(-1) ?? 0)} s`);
    }
    return {
      raw_s: round(median(raw)),
      apply_s: round(median(applied)),
      ratio: round(median(applied) / median(raw), 2),
      raw30_s: round(median(raw30)),
      apply30_s: round(median(applied30)),
      ratio30: round(median(applied30) / median(raw30), 2),
    };
  },
};

async function byHand(
  fleet: Fleet,
  events: readonly EngineEvents[],
  tag: string,
  engines: number,
  each: number,
): Promise<number> {
  const startedAt = performance.now();
  const nodes = fleet.nodes.slice(0, engines);
  await Promise.all(
    nodes.map(async ({ engine }) => {
      await engine.api.call("POST", "/networks/create", { Name: tag, Driver: "bridge", CheckDuplicate: true });
      const names = Array.from({ length: each }, (_, index) => `${tag}-${index}`);
      await Promise.all(
        names.map((name) => engine.api.run({ name, image: BASE.name, host: { NetworkMode: tag, LogConfig: LOGGING } })),
      );
    }),
  );
  const seconds = await running(events.slice(0, engines), new RegExp(`^${tag}-`), each, startedAt);
  await Promise.all(
    nodes.map(async ({ engine }) => {
      for (let index = 0; index < each; index++) await engine.api.remove(`${tag}-${index}`);
      await engine.api.call("DELETE", `/networks/${tag}`);
    }),
  );
  return seconds;
}

const LOGGING = { Type: "json-file", Config: { "max-size": "10m", "max-file": "3" } };

async function byApply(
  fleet: Fleet,
  events: readonly EngineEvents[],
  app: string,
  engines: number,
  each: number,
): Promise<number> {
  const compose = {
    services: {
      web: {
        image: BASE.name,
        stop_grace_period: "0s",
        deploy: {
          replicas: engines * each,
          placement: {
            max_replicas_per_node: each,
            ...(engines === 1 ? { constraints: ["node.labels.number == 1"] } : {}),
          },
        },
      },
    },
  };
  const startedAt = performance.now();
  // JSON is YAML.
  await fleet.apply(app, JSON.stringify(compose));
  const seconds = await running(events.slice(0, engines), new RegExp(`^${app}-`), each, startedAt);
  const before = performance.now();
  await fleet.hub.call("DELETE", `/v1/apps/${app}`);
  await Promise.all(
    events.slice(0, engines).map((one) => one.when("destroy", new RegExp(`^${app}-`), each, before, WITHIN_MS)),
  );
  return seconds;
}

async function running(events: readonly EngineEvents[], name: RegExp, each: number, sinceMs: number): Promise<number> {
  const ends = await Promise.all(events.map((one) => one.when("start", name, each, sinceMs, WITHIN_MS)));
  return (Math.max(...ends) - sinceMs) / 1000;
}
