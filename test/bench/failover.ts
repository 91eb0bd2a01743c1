// failover: from a cut link to the same service running on another node, with `disconnect: replace`.
import { startFleet } from "../lab/fleet.ts";
import { BASE } from "../lab/images.ts";
import { until } from "../lab/wait.ts";
import { EngineEvents } from "./events.ts";
import { type Bench, median, round } from "./figures.ts";

const RUNS = 5;
const AFTER_S = 10;
const WITHIN_MS = 60_000;

export const failover: Bench = {
  name: "failover",
  says: `a cut link → running elsewhere, with after: ${AFTER_S}s`,
  async run(say) {
    await using fleet = await startFleet({ nodes: 3 });
    if (fleet.lab.limited !== null) throw new Error(`links cannot be cut here: ${fleet.lab.limited}`);
    const events = await Promise.all(
      fleet.nodes.map(async (node) => fleet.lab.use(await EngineEvents.start(node.engine.socketPath))),
    );
    const compose = {
      services: {
        web: {
          image: BASE.name,
          stop_grace_period: "0s",
          "x-skerry": { disconnect: { policy: "replace", after: `${AFTER_S}s` } },
        },
      },
    };
    await fleet.apply("failover", JSON.stringify(compose));
    await until("the service is good", () => fleet.allGood("failover"), WITHIN_MS);
    const taken: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      const { body } = await fleet.hub.call("GET", "/v1/workloads?app=failover");
      const at = fleet.nodes.findIndex((node) => node.name === body.items[0].node.name);
      const since = performance.now();
      await fleet.node(at + 1).site.network?.cut();
      const others = events.filter((_, index) => index !== at);
      const started = await Promise.any(
        others.map((one) => one.when("start", /^failover-web-1$/, 1, since, WITHIN_MS)),
      );
      taken.push((started - since) / 1000);
      say(`running elsewhere after ${round(taken.at(-1) ?? 0)} s`);
      await fleet.node(at + 1).site.network?.heal();
      await fleet.allReady(WITHIN_MS);
      const gone = async (): Promise<boolean> => (await fleet.node(at + 1).engine.api.find("failover-web-1")) === null;
      await until("the old copy is gone", gone, WITHIN_MS);
      await until("the service is good", () => fleet.allGood("failover"), WITHIN_MS);
    }
    return {
      after_s: AFTER_S,
      failover_s: round(median(taken)),
      slowest_s: round(Math.max(...taken)),
      runs: taken.map((each) => round(each)),
    };
  },
};
