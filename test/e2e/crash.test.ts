// kill -9 of the hub and of an agent at every point of an apply: nothing is lost, doubled or half-done.
import { join } from "node:path";
import { expect, test } from "vitest";
import { startEngineProxy } from "../lab/engineproxy.ts";
import type { Answer } from "../lab/fleet.ts";
import { KILL_POINTS, killAtCall } from "../lab/killpoint.ts";
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

/** One slot changes, so that a round is short; two others run well and must never notice. */
const fileBesideSteady = (round: number): string =>
  compose({
    steady: service({ deploy: { mode: "global" } }),
    moved: service({ environment: { ROUND: String(round) }, deploy: { replicas: 1 } }),
  });

/** After so long without a call of the hub's nothing of an apply is under way: agents tell what turned four times a second. */
const QUIET_MS = 700;
/** Far more calls of one kind than an apply makes: a sweep that comes here would never end by itself. */
const MAX_CALLS = 40;

/** The changed container runs, and nothing else of its slot is left; told by the engines, for a question to the hub would be one more call. */
async function moved(round: number): Promise<boolean> {
  const found: string[] = [];
  for (const { engine } of fleet().nodes) {
    for (const { Id, Names, State } of await engine.api.containers()) {
      if (!Names[0]?.startsWith("/sweep-moved-")) continue;
      const right = (await engine.api.inspect(Id)).Config.Env?.includes(`ROUND=${round}`) === true;
      found.push(right ? State : "of another round");
    }
  }
  return found.length === 1 && found[0] === "running";
}

/** Agents that were just started try again at once when the hub is gone; those that lost it often wait up to a minute. */
async function freshAgents(): Promise<void> {
  await Promise.all(fleet().nodes.map((node) => node.killAgent()));
  for (const node of fleet().nodes) node.startAgent();
  await fleet().allReady();
  await untilGood(fleet(), "sweep");
}

/** Where to look for a call that was another's turn: Node wakes its own threads by writes, now and then one more. */
const NEARBY = [0, 1, -1, 2, 0, 1, -1, 2, 3];

/** Name and number, among those of its name, of the first call that fits. */
function placeOf(calls: readonly string[], met: RegExp): [call: string, when: number] {
  const index = calls.findIndex((line) => met.test(line));
  const call = calls[index]?.split("(", 1)[0];
  if (call === undefined) throw new Error(`no call of an apply fits ${met}`);
  return [call, calls.slice(0, index + 1).filter((line) => line.startsWith(`${call}(`)).length];
}

interface Round {
  readonly killed: boolean;
  /** The calls up to the end. */
  readonly calls: readonly string[];
}

/** One apply, with the hub killed at its n-th call of that name (null: it lives): then it is started again, and everything must come right by itself. */
async function roundWithKill(call: string, when: number | null, round: number): Promise<Round> {
  const before = (await fleet().hub.call("GET", "/v1/apps/sweep")).body.revision as number;
  const hub = fleet().hub.process;
  if (hub === null) throw new Error("the hub was not started");
  const trap = await killAtCall(fleet().lab, hub, call, when);
  const write = (): Promise<Answer> =>
    fleet().hub.call("PUT", "/v1/apps/sweep", { compose: fileBesideSteady(round) }, undefined, {
      "idempotency-key": `sweep-${round}`,
    });
  const answer = await write().catch(() => null);
  let seen = 0;
  let quietSince = performance.now();
  const overOrKilled = async (): Promise<boolean> => {
    if (!hub.running) return true;
    const { length } = await trap.calls();
    if (length !== seen || !(await moved(round))) quietSince = performance.now();
    seen = length;
    return performance.now() - quietSince > QUIET_MS;
  };
  await until(`the hub is killed at ${call} ${when}, or done`, overOrKilled, SOON_MS);
  const calls = await trap.calls();
  await trap.release();
  const killed = !hub.running;
  if (killed) {
    expect(await hub.exited).toEqual({ code: null, signal: "SIGKILL" });
    await fleet().hub.start();
  }
  // [I1] What was acknowledged is there, and what was not is done once: the client says it again under the same key.
  const { status, body } = answer ?? (await write());
  expect([status, body.revision]).toEqual([200, before + 1]);
  expect((await fleet().hub.call("GET", "/v1/apps/sweep")).body.revision).toBe(before + 1);
  await until(`the apply of round ${round} is carried out`, () => moved(round), SOON_MS);
  await untilGood(fleet(), "sweep");
  return { killed, calls };
}

test(
  "[I1] [I5] [I8] [I13] the hub is killed before each of its calls in an apply: when it stores and when it says something",
  async () => {
    await fleet().apply("sweep", fileBesideSteady(0));
    await untilGood(fleet(), "sweep");
    const steady = async (): Promise<unknown> =>
      [...(await fingerprints(fleet(), "sweep"))].filter(([name]) => name.includes("-steady-"));
    const before = await steady();
    expect(before).toHaveLength(2);
    let round = 1;
    const { calls: all } = await roundWithKill(KILL_POINTS.join(","), null, round);
    const made = KILL_POINTS.filter((call) => all.some((line) => line.startsWith(`${call}(`)));
    const deadly: string[] = [];
    const killedAt = async (call: string, when: number): Promise<boolean> => {
      round += 1;
      await freshAgents();
      const { killed, calls } = await roundWithKill(call, when, round);
      expect(await steady()).toEqual(before);
      if (!killed) return false;
      expect(calls).toHaveLength(when);
      deadly.push(calls.at(-1) ?? "");
      return true;
    };
    for (const call of made) {
      for (let when = 1; await killedAt(call, when); when += 1)
        expect(when, `calls of ${call} in one apply`).toBeLessThan(MAX_CALLS);
    }
    // It met what it is for: storing, and sending (what is sent cannot be told apart: it is encrypted). What nodes say meanwhile may put another
    // call at that place: then it is looked for nearby.
    for (const met of [/^fd?a?t?a?sync\(/, /^(?:write|writev|sendto|sendmsg)\(/]) {
      const isMet = (): boolean => deadly.some((each) => met.test(each));
      const [call, usually] = placeOf(all, met);
      for (const off of NEARBY) if (!isMet()) await killedAt(call, Math.max(1, usually + off));
      expect(isMet(), String(met)).toBe(true);
    }
    await removeApp(fleet(), "sweep");
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
