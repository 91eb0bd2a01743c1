// The engine restarts, dies, hangs: with and without live-restore. The agent survives, reports, and puts things right.
import { expect, test } from "vitest";
import { stays, until } from "../lab/wait.ts";
import { compose, fingerprints, fleetForThisFile, runningOn, SOON_MS, service, untilGood } from "./site.ts";

const fleet = fleetForThisFile({ nodes: 1 }, "restarted");
const node = () => fleet().node(1);

/** How the node says that the last run of each of the app's workloads ended, sorted. */
async function lastEnds(app: string): Promise<readonly string[]> {
  const { ended } = await node().status();
  const ours = ended.filter(({ id }: { id: string }) => id.startsWith(`${app}/`));
  return ours.map(({ id, runs }: { id: string; runs: { words: string }[] }) => `${id}: ${runs[0]?.words}`).sort();
}

test("[I10] an engine that is restarted without live-restore loses its containers, and the agent starts them again", async () => {
  await fleet().apply("engine", compose({ one: service(), two: service() }));
  await untilGood(fleet(), "engine");
  await node().engine.restart();
  await until("both run again", async () => (await runningOn(node(), "engine")).length === 2, SOON_MS);
  await untilGood(fleet(), "engine");
});

test("[N193] what the engine's restart ended is said to have been ended by it, and by nobody else", async () => {
  const words = "ended by its engine, which was stopped or restarted (exit 137)";
  expect(await lastEnds("engine")).toEqual([`engine/one/1: ${words}`, `engine/two/1: ${words}`]);
});

test("[I10] an engine that is killed without live-restore: the same", async () => {
  await node().engine.kill();
  await node().engine.start();
  await until("both run again", async () => (await runningOn(node(), "engine")).length === 2, SOON_MS);
  await untilGood(fleet(), "engine");
  for (const end of await lastEnds("engine")) expect(end).toContain("ended by its engine");
});

test("[I8] an engine that is killed with live-restore keeps its containers, and the agent leaves them alone", async () => {
  node().engine.setLiveRestore(true);
  await node().engine.restart();
  await until("both run again", async () => (await runningOn(node(), "engine")).length === 2, SOON_MS);
  await untilGood(fleet(), "engine");
  const before = await fingerprints(fleet(), "engine");
  await node().engine.kill();
  await node().engine.start();
  await untilGood(fleet(), "engine");
  await stays("nothing is restarted", async () => (await runningOn(node(), "engine")).length === 2, 3_000);
  expect(await fingerprints(fleet(), "engine")).toEqual(before);
});

test("[I23] an engine that hangs is reported, nothing piles up, and it is well again when it answers", async () => {
  const before = await fingerprints(fleet(), "engine");
  await node().engine.pause();
  await until(
    "the node says that its engine does not answer",
    async () => {
      const { body } = await fleet().hub.call("GET", `/v1/nodes/${node().name}`);
      return JSON.stringify(body.conditions).includes("engine");
    },
    120_000,
  );
  node().engine.resume();
  await untilGood(fleet(), "engine", 120_000);
  expect(await fingerprints(fleet(), "engine")).toEqual(before);
});
