// heal: from the kill of a container to its running again, beside a script that starts it the moment the engine says "die".
import { startFleet } from "../lab/fleet.ts";
import { BASE } from "../lab/images.ts";
import { sleep } from "../lab/wait.ts";
import { EngineEvents } from "./events.ts";
import { type Bench, median, round } from "./figures.ts";

const RUNS = 9;
const WITHIN_MS = 30_000;
/** A run this long is a stable one, so that each kill is the first failure and none waits for a back-off. */
const STABLE_MS = 3_000;

export const heal: Bench = {
  name: "heal",
  says: "kill → running, beside a script that starts the container as soon as the engine says that it died",
  async run(say) {
    await using fleet = await startFleet({ nodes: 1 });
    const { engine } = fleet.node(1);
    const events = fleet.lab.use(await EngineEvents.start(engine.socketPath));
    await engine.api.run({ name: "byhand", image: BASE.name });
    const window = `${STABLE_MS / 1000}s`;
    const compose = { services: { web: { image: BASE.name, deploy: { restart_policy: { window } } } } };
    const appliedAt = performance.now();
    await fleet.apply("heal", JSON.stringify(compose));
    await events.when("start", /^heal-web-1$/, 1, appliedAt, WITHIN_MS);
    const raw: number[] = [];
    const healed: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      await sleep(STABLE_MS + 500);
      raw.push(
        await timed(async (since) => {
          await engine.api.kill("byhand");
          await events.when("die", /^byhand$/, 1, since, WITHIN_MS);
          await engine.api.start("byhand");
          return events.when("start", /^byhand$/, 1, since, WITHIN_MS);
        }),
      );
      healed.push(
        await timed(async (since) => {
          await engine.api.kill("heal-web-1");
          return events.when("start", /^heal-web-1$/, 1, since, WITHIN_MS);
        }),
      );
      say(`raw ${round(raw.at(-1) ?? 0)} s, heal ${round(healed.at(-1) ?? 0)} s`);
    }
    return { raw_s: round(median(raw)), heal_s: round(median(healed)) };
  },
};

async function timed(work: (sinceMs: number) => Promise<number>): Promise<number> {
  const since = performance.now();
  return ((await work(since)) - since) / 1000;
}
