// Agents whose wall clocks are wrong by decades, and jump while they run: everything goes as with right ones.
import { afterAll, expect, test } from "vitest";
import type { FleetNode } from "../lab/fleet.ts";
import { stays, until } from "../lab/wait.ts";
import { WrongClock, watchShared } from "../lab/wrongclock.ts";
import {
  compose,
  fingerprints,
  fleetForThisFile,
  removeApp,
  runningEverywhere,
  runningOn,
  SOON_MS,
  service,
  untilGood,
  workloads,
} from "./site.ts";

/** The first machine begins in 1970, as one without a clock of its own; the second twenty years ahead. */
const BEGIN = ["-56y", "+20y"] as const;
/** Over the years in which things could overflow or look expired, ahead and back, and to the truth in between. */
const JUMPS = ["+11y", "-25y", "+0", "+70y", "-56y", "+20y"] as const;
/** So long that a machine which stands still for some seconds ends no lease. */
const AFTER_S = 8;
const REBOOT_MS = 120_000;

const clocks: WrongClock[] = [];
// Before the fleet, so that it is done after it.
afterAll(watchShared());
const fleet = fleetForThisFile(
  {
    nodes: 2,
    clocks: (number, lab) => {
      const clock = new WrongClock(lab.folder, `n${number}`, BEGIN[number - 1] ?? "+0");
      clocks.push(clock);
      return clock;
    },
  },
  "restarted",
);

const jump = (offset: string): void => {
  for (const clock of clocks) clock.jump(offset);
};

/** The year in the agent's newest line of log. */
const yearOf = ({ agent }: FleetNode): number =>
  Number(/"time":"\+?(\d+)-/.exec(agent?.lines.findLast((line) => line.includes('"time":')) ?? "")?.[1]);

const thisYear = (): number => new Date().getUTCFullYear();

async function heals(node: FleetNode, container: string): Promise<void> {
  const before = await node.engine.api.fingerprint(container);
  await node.engine.api.kill(container);
  await until(
    `${container} runs again on ${node.name}`,
    async () => {
      const now = await node.engine.api.find(container);
      return now?.State.Running === true && now.State.Pid !== before.pid;
    },
    SOON_MS,
  );
}

test("[I24] machines in 1970 and twenty years ahead join, apply and heal", async () => {
  for (const [index, node] of fleet().nodes.entries()) {
    const offset = Number.parseInt(BEGIN[index] ?? "", 10);
    // Years of 365 days, so a year's end may lie between.
    expect(Math.abs(yearOf(node) - (thisYear() + offset))).toBeLessThanOrEqual(1);
  }
  await fleet().apply("still", compose({ web: service({ deploy: { mode: "global" } }) }));
  await fleet().apply("healed", compose({ web: service({ deploy: { mode: "global" } }) }));
  await untilGood(fleet(), "still");
  await untilGood(fleet(), "healed");
  for (const node of fleet().nodes) await heals(node, "healed-web-1");
  await untilGood(fleet(), "healed");
});

test("[I8] [I24] clocks that jump by years, ahead and back, restart nothing, end no lease and hold nothing up", async () => {
  const before = await fingerprints(fleet(), "still");
  expect(before.size).toBe(2);
  const eventsBefore = (await fleet().hub.call("GET", "/v1/events?limit=500")).body.items.length;
  for (const offset of JUMPS) {
    jump(offset);
    for (const node of fleet().nodes) {
      // Removed, not killed: a repair tells nothing about back-off, which has a test of its own.
      await node.engine.api.remove("healed-web-1");
      await until(
        `it is made anew after ${offset}`,
        async () => (await runningOn(node, "healed")).length === 1,
        SOON_MS,
      );
    }
    await untilGood(fleet(), "still");
    expect(await fingerprints(fleet(), "still")).toEqual(before);
  }
  const { items } = (await fleet().hub.call("GET", "/v1/events?limit=500")).body;
  const since = items.slice(eventsBefore).map((event: { kind: string }) => event.kind);
  expect(since).not.toContain("node-unreachable");
  expect(since).not.toContain("link-lost");
});

test("[I24] the wait of a crash loop is neither cut short nor drawn out by a jump", async () => {
  // Each run ends at once: the first restart at once, then waits of up to 1, 2, 4, 8 and 16 s, each half of that at least.
  await fleet().apply("loop", compose({ web: service({ command: ["false"], deploy: { mode: "global" } }) }));
  const attempts = async (): Promise<readonly number[]> =>
    (await workloads(fleet(), "loop")).map((each) => (each as unknown as { restarts: number }).restarts);
  /** On both nodes: by so many restarts at least (at most) more than there were. */
  const grown = async (by: "least" | "most", more: number, since: readonly number[]): Promise<boolean> => {
    const all = await attempts();
    return since.every((count, node) =>
      by === "least" ? (all[node] ?? 0) >= count + more : (all[node] ?? 0) <= count + more,
    );
  };
  await until("three restarts", () => grown("least", 3, [0, 0]), SOON_MS);
  jump("+70y");
  const ahead = await attempts();
  // The fifth restart comes 4 s after the fourth at least: in 3 s there is one. One more may have been made before and not be told yet. Waits
  // that the jump had ended would be many.
  await stays("no burst of restarts", () => grown("most", 2, ahead), 3_000);
  jump("-56y");
  const back = await attempts();
  // The wait before the seventh is 32 s at most.
  await until("it is tried again, as it would have been", () => grown("least", 1, back), SOON_MS);
  await removeApp(fleet(), "loop");
});

test("[I16] [I24] a fence goes by the time that passes, not by the clock", async () => {
  const web = service({ "x-skerry": { disconnect: { policy: "fence", after: `${AFTER_S}s` } } });
  await fleet().apply("single", compose({ web }));
  await untilGood(fleet(), "single");
  const before = await fingerprints(fleet(), "single");
  for (const offset of ["+70y", "-56y", "+20y"]) {
    jump(offset);
    const seen: (readonly string[])[] = [];
    const runsOn = async (): Promise<boolean> => {
      seen.push(await runningEverywhere(fleet(), "single"));
      return seen.at(-1)?.length === 1;
    };
    await stays("it runs on, on one node", runsOn, 1_500).catch((error: Error) => {
      const said = fleet().nodes.map(({ name, agent }) => `${name}: ${agent?.lines.slice(-8).join("\n  ")}`);
      throw new Error(`${error.message}: ${JSON.stringify(seen.at(-1))} after ${offset}\n${said.join("\n")}`);
    });
  }
  expect(await fingerprints(fleet(), "single")).toEqual(before);
  const node = fleet().nodes.find(({ name }) => [...before.keys()][0]?.startsWith(`${name}/`));
  const other = fleet().nodes.find((each) => each !== node);
  if (node === undefined || other === undefined) throw new Error("it runs on no node");
  await node.site.network?.cut();
  // Back by a year: by the wall clock its lease would last that year.
  jump("+19y");
  await until("the node stops its copy", async () => (await runningOn(node, "single")).length === 0, SOON_MS);
  const stopped = await node.engine.api.find("single-web-1");
  await until("it runs elsewhere", async () => (await runningOn(other, "single")).length === 1, SOON_MS);
  const started = await other.engine.api.find("single-web-1");
  expect(Date.parse(started?.State.StartedAt ?? "")).toBeGreaterThanOrEqual(
    Date.parse(stopped?.State.FinishedAt ?? ""),
  );
  await node.site.network?.heal();
  await fleet().allReady(90_000);
  await removeApp(fleet(), "single");
});

test("[I8] [I9] [I24] without the hub, agents start again in other years, touch nothing, heal, and survive a power cut", async () => {
  const before = await fingerprints(fleet(), "still");
  await fleet().hub.kill();
  for (const offset of ["-56y", "+70y"]) {
    await Promise.all(fleet().nodes.map((node) => node.killAgent()));
    jump(offset);
    for (const node of fleet().nodes) node.startAgent();
    for (const node of fleet().nodes) {
      await until("it says what it runs", async () => (await node.status()).workloads.length === 2, SOON_MS);
      await node.engine.api.remove("healed-web-1");
      await until("it heals offline", async () => (await runningOn(node, "healed")).length === 1, SOON_MS);
    }
    expect(await fingerprints(fleet(), "still")).toEqual(before);
  }
  const [first] = fleet().nodes;
  if (first === undefined) throw new Error("no node");
  await first.powerCut();
  jump("-56y");
  await first.powerUp();
  await until(
    "everything of it runs again",
    async () => (await runningOn(first, "still")).length + (await runningOn(first, "healed")).length === 2,
    REBOOT_MS,
  );
  const rebooted = await fingerprints(fleet(), "still");
  await fleet().hub.start();
  await fleet().allReady(90_000);
  await untilGood(fleet(), "still");
  await untilGood(fleet(), "healed");
  expect(await fingerprints(fleet(), "still")).toEqual(rebooted);
});

test("[I24] (H24) a revoked node stays revoked, wherever its clock is set", async () => {
  const node = fleet().node(2);
  const failure = async (): Promise<string> => (await node.status()).link.failure?.kind ?? "";
  const running = await runningOn(node, "still");
  await fleet().skerry(["node", "revoke", node.name, "--yes"]);
  for (const offset of ["-56y", "-1y", "+70y"]) {
    await node.killAgent();
    jump(offset);
    node.startAgent();
    await until(`it is refused at ${offset}`, async () => (await failure()) === "revoked", SOON_MS);
    expect((await fleet().hub.call("GET", `/v1/nodes/${node.name}`)).status).toBe(404);
  }
  // It is nobody's enemy that its containers run on.
  expect(await runningOn(node, "still")).toEqual(running);
});
