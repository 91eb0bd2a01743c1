// What operators want beside the file, on real engines: it survives reboots without the hub, reaches nodes that were away, and is
// shown with since when, by whom and why. What runs is asked of the engines.
import { expect, test } from "vitest";
import { until } from "../lab/wait.ts";
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

const fleet = fleetForThisFile({}, "restarted");
const REBOOT_MS = 120_000;
/** Its back-off has grown to half a minute by then: 1 + 2 + 4 + 8 + 16 s, and what the machine adds. */
const BACKED_OFF_MS = 120_000;
/** A back-off that lasts so long cannot be over by chance while the restart is on its way. */
const LONG_BACK_OFF_MS = 18_000;

const isGone = async (app: string, within = SOON_MS): Promise<void> => {
  await until(`nothing of ${app} runs`, async () => (await runningEverywhere(fleet(), app)).length === 0, within);
};

test("[I9] what was stopped stays stopped through a reboot without the hub; what was not starts again", async () => {
  const global = { mode: "global" };
  await fleet().apply("rest", compose({ quiet: service({ deploy: global }), loud: service({ deploy: global }) }));
  await untilGood(fleet(), "rest");
  const first = fleet().node(1);
  const second = fleet().node(2);
  await second.killAgent();
  const { stdout } = await fleet().skerry(["stop", "rest/loud", "--reason", "the fan"]);
  expect(stdout).toContain("3 workloads");
  await until(
    "it is stopped on the first",
    async () => !(await runningOn(first, "rest")).includes("rest-loud-1"),
    SOON_MS,
  );
  expect(await runningOn(second, "rest")).toEqual(["rest-loud-1", "rest-quiet-1"]);
  const shown = (await workloads(fleet(), "rest")).find(({ id }) => String(id).startsWith("rest/loud/"));
  expect(shown?.["stop"]).toMatchObject({ target: "rest/loud", by: "admin", reason: "the fan" });

  // It was away when it was said: it is told when it is back.
  second.startAgent();
  await until("and on the second", async () => (await runningOn(second, "rest")).join() === "rest-quiet-1", SOON_MS);
  await untilGood(fleet(), "rest");
  await fleet().hub.kill();
  await first.powerCut();
  await first.powerUp();
  await until(
    "the other one runs again",
    async () => (await runningOn(first, "rest")).includes("rest-quiet-1"),
    REBOOT_MS,
  );
  const status = JSON.stringify(await first.status());
  expect(status).toContain("stopped");
  expect(await runningOn(first, "rest")).toEqual(["rest-quiet-1"]);

  await fleet().hub.start();
  await fleet().allReady(90_000);
  await untilGood(fleet(), "rest");
  expect((await runningEverywhere(fleet(), "rest")).filter((name) => name === "rest-loud-1")).toEqual([]);
  await fleet().skerry(["start", "rest"]);
  await until("all run", async () => (await runningEverywhere(fleet(), "rest")).length === 6, SOON_MS);
  await removeApp(fleet(), "rest");
});

test("[H122] a restart stops and starts once what runs, and tries at once what waits after failures", async () => {
  const where = { placement: { constraints: ["node.labels.number == 2"] } };
  const file = compose(
    {
      picky: service({
        command: ["sh", "-c", "[ -e /data/ok ] || exit 3; while :; do sleep 60; done"],
        volumes: ["flag:/data"],
        deploy: where,
      }),
      helper: service({ volumes: ["flag:/data"], deploy: where }),
    },
    { volumes: { flag: {} } },
  );
  await fleet().apply("again", file);
  const { api } = fleet().node(2).engine;
  const picky = async () => (await workloads(fleet(), "again")).find(({ id }) => String(id) === "again/picky/1");
  const nextTryMs = async (): Promise<number> => {
    const match = /try \d+ in (\d+) s/.exec(String((await picky())?.["reason"]));
    return match === null ? 0 : Number(match[1]) * 1_000;
  };
  let left = 0;
  await until(
    "its back-off is long",
    async () => {
      left = await nextTryMs();
      return left > LONG_BACK_OFF_MS;
    },
    BACKED_OFF_MS,
  );
  const byItselfAtMs = Date.now() + left - 3_000;
  await api.exec("again-helper-1", ["touch", "/data/ok"]);
  const before = await api.fingerprint("again-helper-1");
  await fleet().skerry(["restart", "again/picky"]);
  await until("it runs", async () => (await api.find("again-picky-1"))?.State.Running, left - 3_000);
  expect(Date.now()).toBeLessThan(byItselfAtMs);
  expect(await api.fingerprint("again-helper-1")).toEqual(before);
  await untilGood(fleet(), "again");

  const once = await api.fingerprint("again-picky-1");
  await fleet().skerry(["restart", "again"]);
  await until(
    "it was restarted",
    async () => (await api.fingerprint("again-picky-1").catch(() => once)).startedAt !== once.startedAt,
    SOON_MS,
  );
  await untilGood(fleet(), "again");
  const settled = await api.fingerprint("again-picky-1");
  // The agent says the same again after its own restart: the restart was carried out, and is not carried out twice.
  await fleet().node(2).killAgent();
  fleet().node(2).startAgent();
  await fleet().allReady(90_000);
  await untilGood(fleet(), "again");
  expect(await api.fingerprint("again-picky-1")).toEqual(settled);
  await removeApp(fleet(), "again");
});

test("[N198] a restart of a dependency takes its dependents with restart: true along, in order, and no others", async () => {
  const on = (restart: boolean) => ({ depends_on: { db: { condition: "service_started", restart } } });
  const where = { deploy: { placement: { constraints: ["node.labels.number == 2"] } } };
  const file = compose({
    db: service(where),
    app: service({ ...where, ...on(true) }),
    web: service({ ...where, ...on(false) }),
  });
  await fleet().apply("chain", file);
  await untilGood(fleet(), "chain");
  const { api } = fleet().node(2).engine;
  const startsOf = async () => {
    const found = await Promise.all(["db", "app", "web"].map((name) => api.find(`chain-${name}-1`)));
    return found.map((one) => (one?.State.Running === true ? Date.parse(one.State.StartedAt) : Number.NaN));
  };
  const before = await startsOf();
  await fleet().skerry(["restart", "chain/db"]);
  await until(
    "both run anew",
    async () => (await startsOf()).slice(0, 2).every((at, which) => at > (before[which] ?? 0)),
    SOON_MS,
  );
  await untilGood(fleet(), "chain");
  const [db = 0, app = 0, web] = await startsOf();
  expect(app).toBeGreaterThan(db);
  expect(web).toBe(before[2]);
  const { body } = await fleet().hub.call("GET", "/v1/events?app=chain&limit=500");
  const kinds = body.items.map(({ kind }: { kind: string }) => kind);
  expect(kinds.filter((kind: string) => kind === "restarted")).toHaveLength(1);
  expect(kinds).not.toContain("container-exited");
  await removeApp(fleet(), "chain");
});

test("[H125] scaling restarts nothing, and a paused app waits for its pause to end", async () => {
  await fleet().apply("wide", compose({ web: service({ deploy: { replicas: 2 } }) }));
  await untilGood(fleet(), "wide");
  const two = await fingerprints(fleet(), "wide");
  await fleet().skerry(["scale", "wide/web", "4"]);
  await until("four run", async () => (await runningEverywhere(fleet(), "wide")).length === 4, SOON_MS);
  await fleet().skerry(["pause", "wide", "--reason", "a wedding"]);
  await fleet().skerry(["scale", "wide/web", "1"]);
  await untilGood(fleet(), "wide");
  expect(await runningEverywhere(fleet(), "wide")).toHaveLength(4);
  const four = await fingerprints(fleet(), "wide");
  for (const [name, print] of two) expect(four.get(name)).toEqual(print);
  expect((await fleet().skerry(["app", "show", "wide"])).stdout).toContain("by admin: a wedding");
  await fleet().skerry(["unpause", "wide"]);
  await until("one runs", async () => (await runningEverywhere(fleet(), "wide")).length === 1, SOON_MS);
  await removeApp(fleet(), "wide");
});

test("[H131] a drain moves what may move, a copy at a time; what is bound stays and says so, until the deadline stops it", async () => {
  const file = compose(
    {
      web: service({ deploy: { replicas: 6, update_config: { parallelism: 1, monitor: "0s" } } }),
      db: service({ volumes: ["data:/data"], deploy: { placement: { constraints: ["node.labels.number == 1"] } } }),
    },
    { volumes: { data: {} } },
  );
  await fleet().apply("moving", file);
  await untilGood(fleet(), "moving");
  const first = fleet().node(1);
  expect(await runningOn(first, "moving")).toHaveLength(3);
  let fewest = 7;
  const watched = until(
    "nothing that may move is left there",
    async () => {
      const all = await runningEverywhere(fleet(), "moving");
      fewest = Math.min(fewest, all.filter((name) => name.includes("-web-")).length);
      return (await runningOn(first, "moving")).join() === "moving-db-1" && all.length === 7;
    },
    REBOOT_MS,
  );
  const { stdout } = await fleet().skerry(["drain", first.name, "--reason", "new card", "--wait", "--timeout", "2m"]);
  await watched;
  // One is stopping while the next starts elsewhere: two at most are missing when one looks, and never more.
  expect(fewest).toBeGreaterThanOrEqual(4);
  expect(stdout).toContain("moving/db/1: stays: `disconnect: keep` binds it");
  await untilGood(fleet(), "moving");

  await fleet().skerry(["drain", first.name, "--deadline", "1s", "--wait", "--timeout", "2m"]);
  expect(await runningOn(first, "moving")).toEqual([]);
  const { body } = await fleet().hub.call("GET", `/v1/nodes/${first.name}`);
  expect(body.availabilitySaid).toMatchObject({ by: "admin", reason: "new card" });
  expect(body.placements[0].stop.target).toBe(`node/${first.name}`);
  await fleet().skerry(["uncordon", first.name]);
  await until("it runs again", async () => (await runningOn(first, "moving")).join() === "moving-db-1", SOON_MS);
  await removeApp(fleet(), "moving");
});

test("[H141] a slot of higher priority takes the room of a lower one, as the dry run said", async () => {
  const on = { placement: { constraints: ["node.labels.number == 3"] } };
  const file = (priority: number): string =>
    compose({ web: service({ ports: ["18090:80"], deploy: on, "x-skerry": { priority } }) });
  await fleet().apply("low", file(0));
  await untilGood(fleet(), "low");
  const plan = await fleet().apply("high", file(10), { dryRun: true });
  expect(plan.body.pushesOut).toMatchObject([{ workload: "low/web/1", to: null }]);
  await fleet().apply("high", file(10));
  await untilGood(fleet(), "high");
  expect(await runningOn(fleet().node(3), "high")).toEqual(["high-web-1"]);
  await isGone("low");
  const [waiting] = await workloads(fleet(), "low");
  expect(waiting).toMatchObject({ state: "unplaced", reason: expect.stringContaining("18090") });
  await removeApp(fleet(), "high");
  await untilGood(fleet(), "low");
  await removeApp(fleet(), "low");
});

test("[H144] when a node is lost the others are not overloaded: what does not fit waits, and says so", async () => {
  const { body } = await fleet().hub.call("GET", "/v1/nodes?limit=10");
  const memoryBytes = Math.min(...body.items.map((node: { facts: { memoryBytes: number } }) => node.facts.memoryBytes));
  const reservations = { memory: String(Math.floor(memoryBytes * 0.6)) };
  const file = compose({
    web: service({
      deploy: { replicas: 3, resources: { reservations } },
      "x-skerry": { disconnect: { policy: "replace", after: "5s" } },
    }),
  });
  await fleet().apply("full", file);
  await untilGood(fleet(), "full");
  const third = fleet().node(3);
  const before = await fingerprints(fleet(), "full");
  await third.killAgent();
  const stuck = await until(
    "the slot says why it has no other node",
    async () => (await workloads(fleet(), "full")).find(({ reason }) => /needs \d+ MB/.test(String(reason))),
    SOON_MS,
  );
  expect(String(stuck?.["reason"])).toMatch(
    /2 nodes: needs \d+ MB, at most \d+ MB free|2 nodes: needs \d+ MB, \d+ MB free/,
  );
  for (const number of [1, 2]) expect(await runningOn(fleet().node(number), "full")).toHaveLength(1);
  third.startAgent();
  await fleet().allReady(90_000);
  await untilGood(fleet(), "full");
  expect(await fingerprints(fleet(), "full")).toEqual(before);
  await removeApp(fleet(), "full");
});
