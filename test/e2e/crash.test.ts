// kill -9 of the hub and of an agent at every point of an apply: nothing is lost, doubled or half-done.
import { join } from "node:path";
import { expect, test } from "vitest";
import { startEngineProxy } from "../lab/engineproxy.ts";
import { sleep, until } from "../lab/wait.ts";
import {
  compose,
  fingerprints,
  fleetForThisFile,
  removeApp,
  runningEverywhere,
  SOON_MS,
  service,
  untilGood,
} from "./site.ts";

const fleet = fleetForThisFile({ nodes: 2 });
/** An apply of two services takes about a second: kills at these times hit accept, create, start and report. */
const KILL_AGENT_AFTER_MS = [0, 10, 30, 60, 100, 160, 240, 350, 500, 800];
/** The hub's part is done within some 50 ms. Fewer: after each, the agents come back in their own jittered time. */
const KILL_HUB_AFTER_MS = [0, 4, 8, 16, 32, 120];

/** Each kill waits for everything to be right again. */
const KILLS_WITHIN_MS = 400_000;

const file = (round: number): string =>
  compose({
    one: service({ environment: { ROUND: String(round) }, deploy: { mode: "global" } }),
    two: service({ environment: { ROUND: String(round) }, deploy: { replicas: 2 } }),
  });

async function rightAgain(round: number): Promise<void> {
  await untilGood(fleet(), "crash", SOON_MS * 2);
  const running = await runningEverywhere(fleet(), "crash");
  expect(running).toEqual(["crash-one-1", "crash-one-1", "crash-two-1", "crash-two-2"]);
  for (const node of fleet().nodes) {
    const ours = (await node.engine.api.containers()).filter((each) => each.Names[0]?.startsWith("/crash-"));
    // [I13] no half-made container is left beside the running ones.
    expect(ours.filter((each) => each.State !== "running")).toEqual([]);
    for (const each of ours) {
      expect((await node.engine.api.inspect(each.Id)).Config.Env).toContain(`ROUND=${round}`);
    }
  }
}

test(
  "[I5] [I13] the agent is killed at every point of an apply",
  async () => {
    await fleet().apply("crash", file(0));
    await untilGood(fleet(), "crash");
    for (const [index, delayMs] of KILL_AGENT_AFTER_MS.entries()) {
      await fleet().apply("crash", file(index + 1));
      await sleep(delayMs);
      await fleet().node(1).killAgent();
      fleet().node(1).startAgent();
      await rightAgain(index + 1);
    }
  },
  KILLS_WITHIN_MS,
);

/** The engine calls that replace a container, in their order, and the one that a new app begins with. */
const STEPS: readonly (readonly [string, string, RegExp])[] = [
  ["make the network", "POST", /^\/networks\/create/],
  ["stop", "POST", /^\/containers\/[^/]+\/stop/],
  ["remove", "DELETE", /^\/containers\//],
  ["create", "POST", /^\/containers\/create/],
  ["start", "POST", /^\/containers\/[^/]+\/start/],
];

test(
  "[I5] [I13] the agent is killed between every step of an apply: before the engine saw the call, and after it was done",
  async () => {
    const node = fleet().node(1);
    const proxy = fleet().lab.use(
      await startEngineProxy(join(fleet().lab.runDir, "proxy.sock"), node.engine.socketPath),
    );
    await node.killAgent();
    node.dockerSocket = proxy.socketPath;
    node.startAgent();
    let round = 1_000;
    await fleet().apply("crash", file(round));
    await rightAgain(round);
    for (const [step, method, path] of STEPS) {
      for (const kind of ["hang", "break-answer"] as const) {
        // Only a new app makes a network.
        if (step === "make the network") await removeApp(fleet(), "crash");
        const from = proxy.calls.length;
        proxy.on(method, path, { kind }, 1);
        round += 1;
        await fleet().apply("crash", file(round));
        const asked = (): boolean =>
          proxy.calls
            .slice(from)
            .some(
              (call) => call.method === method && path.test(call.path) && (kind === "hang" || call.status !== null),
            );
        await until(`the agent asks to ${step} (${kind})`, asked, SOON_MS);
        await node.killAgent();
        proxy.heal();
        node.startAgent();
        await rightAgain(round);
      }
    }
    await node.killAgent();
    node.dockerSocket = node.engine.socketPath;
    node.startAgent();
  },
  KILLS_WITHIN_MS,
);

test(
  "[I1] [I5] the hub is killed at every point of an apply: what it acknowledged is there",
  async () => {
    for (const [index, delayMs] of KILL_HUB_AFTER_MS.entries()) {
      const round = 100 + index;
      const applying = fleet()
        .apply("crash", file(round))
        .then(
          (answer) => answer.body.revision as number,
          () => null,
        );
      await sleep(delayMs);
      await fleet().hub.kill();
      const acknowledged = await applying;
      await fleet().hub.start();
      await fleet().allReady(90_000);
      if (acknowledged === null) await fleet().apply("crash", file(round));
      const { body } = await fleet().hub.call("GET", "/v1/apps/crash");
      if (acknowledged !== null) expect(body.revision).toBeGreaterThanOrEqual(acknowledged);
      await rightAgain(round);
    }
  },
  KILLS_WITHIN_MS,
);

test("[I8] hub and agents are killed at rest and started again: not one container is touched", async () => {
  const before = await fingerprints(fleet(), "crash");
  await fleet().hub.kill();
  for (const node of fleet().nodes) await node.killAgent();
  for (const node of fleet().nodes) node.startAgent();
  await fleet().hub.start();
  await fleet().allReady(90_000);
  await untilGood(fleet(), "crash");
  await until("every agent has accepted", async () => fleet().allGood("crash"), SOON_MS);
  expect(await fingerprints(fleet(), "crash")).toEqual(before);
});
