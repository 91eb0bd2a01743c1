// A new revision on three real engines: canaries wait, bad revisions go back by themselves (with the link cut too), windows and leases
// put a change off, and a service that starts before it stops loses no request.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { FleetNode } from "../lab/fleet.ts";
import { BASE, image } from "../lab/images.ts";
import { until } from "../lab/wait.ts";
import { compose, fingerprints, fleetForThisFile, removeApp, SOON_MS, service, untilGood } from "./site.ts";

const fleet = fleetForThisFile();
/** A container is not good before that; short, so that the tests are. */
const MONITOR = "1s";
/** Three nodes, one after another, each with a stop, a start and its monitor, on a busy machine. */
const ROLLED_MS = 120_000;

const RUNS = ["sh", "-c", "while :; do sleep 1; done"];

interface Wanted {
  readonly title: string;
  readonly update?: Readonly<Record<string, unknown>>;
  readonly ours?: Readonly<Record<string, unknown>>;
  readonly more?: Readonly<Record<string, unknown>>;
}

/** `web` on each node, one node at a time. */
const web = ({ title, update = {}, ours = {}, more = {} }: Wanted): string =>
  compose({
    web: service({
      command: RUNS,
      environment: { TITLE: title },
      deploy: {
        mode: "global",
        update_config: { parallelism: 1, monitor: MONITOR, failure_action: "rollback", ...update },
        rollback_config: { parallelism: 0, monitor: MONITOR },
      },
      "x-skerry": { rollout: { deadline: "15s" }, ...ours },
      ...more,
    }),
  });

const rollout = async (app: string) => (await fleet().hub.call("GET", `/v1/apps/${app}/rollout`)).body;

async function untilRollout(
  app: string,
  what: string,
  is: (view: Awaited<ReturnType<typeof rollout>>) => boolean,
  withinMs = ROLLED_MS,
): Promise<void> {
  await until(`${app}: ${what}`, async () => is(await rollout(app)), withinMs).catch(async (error: Error) => {
    const { stdout } = await fleet().skerry(["rollout", "status", app], {}, { mayFail: true });
    const history = await fleet().skerry(["rollout", "history", app], {}, { mayFail: true });
    throw new Error(`${error.message}\n${stdout}\n${history.stdout}`);
  });
}

const isDone = (view: { state: { kind: string } }): boolean => view.state.kind === "done";

/** The title of what runs under the workload's own name on that node; null: nothing does. */
async function titleOn(node: FleetNode, app: string): Promise<string | null> {
  const found = await node.engine.api.find(`${app}-web-1`);
  if (found === null || !found.State.Running) return null;
  return found.Config.Env?.find((line) => line.startsWith("TITLE="))?.slice("TITLE=".length) ?? null;
}

const titles = async (app: string): Promise<readonly (string | null)[]> =>
  await Promise.all(fleet().nodes.map((node) => titleOn(node, app)));

async function firstRevision(app: string, wanted: Wanted): Promise<void> {
  await fleet().apply(app, web(wanted));
  await untilGood(fleet(), app);
  await untilRollout(app, "the first revision is through", isDone);
}

const ids = async (app: string): Promise<readonly string[]> =>
  [...(await fingerprints(fleet(), app)).values()].map(({ id }) => id).sort();

test("a canary waits for an operator, and the others follow when it is resumed", async () => {
  const ours = { rollout: { canary: { constraint: "node.labels.number == 2" } } };
  await firstRevision("canary", { title: "one", ours });
  const file = join(fleet().lab.folder, "canary.yaml");
  await writeFile(file, web({ title: "two", ours }));
  const applied = await fleet().skerry(["apply", "canary", "-f", file, "--wait"], {}, { mayFail: true });
  expect([applied.code, applied.stderr]).toEqual([3, expect.stringContaining("skerry rollout resume canary")]);
  expect(await titles("canary")).toEqual(["one", "two", "one"]);
  await fleet().skerry(["rollout", "resume", "canary"]);
  const followed = await fleet().skerry(["rollout", "status", "canary", "-w", "--timeout", "2m"]);
  expect(followed.stdout).toContain("is done");
  expect(await titles("canary")).toEqual(["two", "two", "two"]);
  const diff = await fleet().skerry(["app", "diff", "canary", "1"]);
  expect(diff.stdout).toContain("environment: changes TITLE");
  await removeApp(fleet(), "canary");
});

const BAD: readonly (readonly [string, () => Promise<Partial<Wanted>>, RegExp])[] = [
  ["exits", async () => ({ more: { command: ["sh", "-c", "exit 3"] } }), /3/],
  [
    "hangs and is never ready",
    async () => ({ ours: { rollout: { deadline: "6s" }, probes: { readiness: { tcp: 8080, interval: "1s" } } } }),
    /ready|deadline|within/i,
  ],
  [
    "is unhealthy",
    async () => ({ more: { healthcheck: { test: ["CMD", "false"], interval: "1s", retries: 1 } } }),
    /healthy/,
  ],
  [
    "does not pull",
    async () => ({ more: { image: `${(await fleet().lab.registry()).host}/shop/nowhere:1` } }),
    /not found|nowhere|unknown/i,
  ],
];

test("a bad revision goes back by itself, whatever is bad about it: the old container runs, and the same is not tried again", async () => {
  await firstRevision("bad", { title: "good" });
  const before = await ids("bad");
  let revision = 1;
  for (const [what, how, reason] of BAD) {
    const file = web({ title: what, ...(await how()) });
    revision = (await fleet().apply("bad", file)).body.revision;
    await untilRollout("bad", `${what}: it is rolled back`, (view) => view.revision > revision && isDone(view));
    expect(await titles("bad"), what).toEqual(["good", "good", "good"]);
    expect(await ids("bad"), `${what}: the very containers from before`).toEqual(before);
    const { body } = await fleet().hub.call("GET", "/v1/apps/bad/rollouts");
    const failed = body.items.find((item: { revision: number }) => item.revision === revision);
    expect(failed.state, what).toMatchObject({ kind: "failed", next: revision + 1 });
    expect(failed.state.reason, what).toMatch(reason);
    const again = await fleet().hub.call("PUT", "/v1/apps/bad", { compose: file });
    expect([again.status, again.body.code], what).toEqual([409, "failed-before"]);
  }
  const retried = await fleet().apply("bad", web({ title: "exits", ...(await BAD[0]?.[1]()) }), { retry: true });
  expect(retried.body.changed).toBe(true);
  await untilRollout("bad", "tried again, it fails again", (view) => view.kind === "rollback" && isDone(view));
  expect(await ids("bad")).toEqual(before);
  await removeApp(fleet(), "bad");
}, 400_000);

test("failure_action: pause stops at the first bad node, names it, and undo goes back", async () => {
  await firstRevision("paused", { title: "good", update: { failure_action: "pause" } });
  const exits = { command: ["sh", "-c", "exit 3"] };
  await fleet().apply("paused", web({ title: "bad", update: { failure_action: "pause" }, more: exits }));
  await untilRollout("paused", "it is paused", (view) => view.state.kind === "paused");
  const { state } = await rollout("paused");
  const shown = await titles("paused");
  expect(shown.filter((title) => title === "good")).toHaveLength(2);
  expect(fleet().nodes.some((node) => state.reason.includes(node.name))).toBe(true);
  const watched = await fleet().skerry(["rollout", "status", "paused", "-w"], {}, { mayFail: true });
  expect(watched.code).toBe(3);
  await fleet().skerry(["rollout", "undo", "paused", "--reason", "it exits"]);
  await untilRollout("paused", "it went back", (view) => view.kind === "rollback" && isDone(view));
  expect(await titles("paused")).toEqual(["good", "good", "good"]);
  await removeApp(fleet(), "paused");
});

test("[N101] with its link cut, a node goes back by itself; the hub is told afterwards and counts it as that failure", async () => {
  const only = (title: string, command: readonly string[]): string => {
    const file = JSON.parse(web({ title, more: { command } }));
    file.services.web.deploy.placement = { constraints: ["node.labels.number == 1"] };
    return JSON.stringify(file);
  };
  const node = fleet().node(1);
  await fleet().apply("far", only("good", RUNS));
  await untilGood(fleet(), "far");
  await untilRollout("far", "the first revision is through", isDone);
  const before = await ids("far");
  // Good for long enough to be seen, and not long enough to pass.
  const { body } = await fleet().apply(
    "far",
    only("bad", ["sh", "-c", "sleep 8; exit 1"]).replace(`"monitor":"${MONITOR}"`, '"monitor":"12s"'),
  );
  await until("the new one runs there", async () => (await titleOn(node, "far")) === "bad", SOON_MS);
  await node.site.network?.cut();
  try {
    await until("it went back by itself", async () => (await titleOn(node, "far")) === "good", SOON_MS);
    expect((await rollout("far")).revision).toBe(body.revision);
    expect(await ids("far")).toEqual(before);
  } finally {
    await node.site.network?.heal();
  }
  await untilRollout("far", "it is rolled back", (view) => view.revision > body.revision && isDone(view));
  const { body: history } = await fleet().hub.call("GET", "/v1/apps/far/rollouts");
  expect(history.items[1].state).toMatchObject({ kind: "failed" });
  expect(await ids("far")).toEqual(before);
  await removeApp(fleet(), "far");
});

/** A minute that has not begun yet, far enough away that a rollout reaches the nodes before it. */
function nextMinute(): number {
  const now = new Date();
  return (now.getUTCMinutes() + (now.getUTCSeconds() > 35 ? 2 : 1)) % 60;
}

test("[N114] a closed window holds a change back until it opens, and --force does not wait", async () => {
  const farOff = (new Date().getUTCHours() + 12) % 24;
  const opens = (cron: string) => ({ update: { apply: { cron, duration: "1m" } } });
  const update = { parallelism: 0 };
  await firstRevision("window", { title: "one", update, ours: opens(`0 ${farOff} * * *`) });
  await fleet().apply("window", web({ title: "two", update, ours: opens(`${nextMinute()} * * * *`) }));
  const isHeld = (view: Awaited<ReturnType<typeof rollout>>): boolean =>
    view.services[0]?.slots.every((slot: { reason: string }) => slot.reason.includes("window"));
  await untilRollout("window", "all wait for the window", isHeld, SOON_MS);
  expect(await titles("window")).toEqual(["one", "one", "one"]);
  await untilRollout("window", "it opened", isDone, 180_000);
  expect(await titles("window")).toEqual(["two", "two", "two"]);
  const shut = web({ title: "three", update, ours: opens(`0 ${farOff} * * *`) });
  await fleet().apply("window", shut);
  await untilRollout("window", "all wait again", isHeld, SOON_MS);
  await fleet().apply("window", shut, { force: true });
  await untilRollout("window", "it is forced through", isDone);
  expect(await titles("window")).toEqual(["three", "three", "three"]);
  await removeApp(fleet(), "window");
}, 300_000);

test("[N116] a lease puts the update of its holder off, and runs out when the holder is gone", async () => {
  const ours = { update: { hold: true } };
  const update = { parallelism: 0 };
  await firstRevision("hold", { title: "one", update, ours });
  const lease = JSON.stringify({ owner: "till", reason: "a payment is under way", ttlSeconds: 10 });
  await fleet()
    .node(1)
    .engine.api.exec("hold-web-1", ["sh", "-c", `echo '${lease}' > /run/skerry/hold`]);
  const heldAt = performance.now();
  await fleet().apply("hold", web({ title: "two", update, ours }));
  await untilRollout(
    "hold",
    "it is held, by name",
    (view) => JSON.stringify(view.services).includes("a payment is under way"),
    SOON_MS,
  );
  await until("the others change meanwhile", async () => (await titleOn(fleet().node(2), "hold")) === "two", SOON_MS);
  expect(await titleOn(fleet().node(1), "hold")).toBe("one");
  // Nobody renews it.
  await untilRollout("hold", "the lease ran out", isDone);
  expect(performance.now() - heldAt).toBeGreaterThan(9_000);
  expect(await titles("hold")).toEqual(["two", "two", "two"]);
  await removeApp(fleet(), "hold");
});

const PAGE = `#!/bin/sh
# A plain proxy: one upstream by name, and one try; what hangs is lost too.
printf 'content-type: text/plain\\r\\n\\r\\n'
timeout 10 wget -q -O - http://web:8080/title || echo LOST
`;
/** In coming up: who is led to it before it is ready is refused, and with the old one stopped first everybody is. */
const SLOW_S = 3;
const LOAD =
  "while [ -e /tmp/on ]; do timeout 15 wget -q -O - http://127.0.0.1/cgi-bin/page || echo LOST; done; echo END";

test("[N124] [N135] start-first under load loses no request behind a proxy that tries once, and stop-first does", async () => {
  const proxy = await image({ ...BASE, name: "skerry-test/proxy:1", files: { "/www/cgi-bin/page": PAGE } });
  await Promise.all(fleet().nodes.map((node) => node.engine.api.load(proxy.archive)));
  const file = (title: string, order: string): string => {
    const app = JSON.parse(web({ title, update: { order, monitor: "2s", parallelism: 3 } }));
    app.services.web.command = [
      "sh",
      "-c",
      `sleep ${SLOW_S}; echo $$TITLE > /www/title; exec httpd -f -p 8080 -h /www`,
    ];
    app.services.web["x-skerry"].probes = { readiness: { tcp: 8080, interval: "1s" } };
    app.services.proxy = service({
      image: proxy.name,
      command: ["httpd", "-f", "-p", "80", "-h", "/www"],
      deploy: { mode: "global" },
    });
    return JSON.stringify(app);
  };
  const changed = async (title: string, order: string): Promise<string> => {
    const on = (command: string) =>
      Promise.all(fleet().nodes.map((node) => node.engine.api.exec("load-proxy-1", ["sh", "-c", command])));
    await on(`touch /tmp/on; (${LOAD}) > /tmp/load 2>/dev/null < /dev/null &`);
    const seen = async (): Promise<string> => (await on("cat /tmp/load")).map(({ output }) => output).join("\n");
    const lines = async (line: string): Promise<number> =>
      (await seen()).split("\n").filter((each) => each === line).length;
    await until("the load runs", async () => (await seen()).split("\n").length > 30, SOON_MS);
    await fleet().apply("load", file(title, order));
    await untilRollout("load", `${title} is through`, isDone);
    const webs = async (node: FleetNode): Promise<number> =>
      (await node.engine.api.containers()).filter(({ Names }) => Names[0]?.startsWith("/load-web")).length;
    const alone = async (): Promise<boolean> =>
      (await Promise.all(fleet().nodes.map(webs))).every((count) => count === 1);
    await until("the old ones are gone", alone, SOON_MS);
    const before = await lines(title);
    await until("the new one serves", async () => (await lines(title)) > before + 10, SOON_MS).catch(
      async (error: Error) => {
        throw new Error(`${error.message}\n${(await seen()).split("\n").slice(-20).join("\n")}`);
      },
    );
    await on("rm /tmp/on");
    await until("the load has ended", async () => (await lines("END")) === fleet().nodes.length, SOON_MS);
    return await seen();
  };
  await fleet().apply("load", file("one", "start-first"));
  await untilGood(fleet(), "load");
  await untilRollout("load", "the first revision is through", isDone);
  const gently = await changed("two", "start-first");
  expect(gently.split("\n").filter((line) => line === "one").length).toBeGreaterThan(10);
  expect(gently.split("\n").filter((line) => line === "two").length).toBeGreaterThan(10);
  expect(gently).not.toContain("LOST");
  // The load tells an outage when there is one.
  expect(await changed("three", "stop-first")).toContain("LOST");
  await removeApp(fleet(), "load");
}, 300_000);
