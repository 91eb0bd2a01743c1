// A Compose file becomes containers on real engines: placement, scaling, refusals with reasons, names, volumes, ports, environment.
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
} from "./site.ts";

const fleet = fleetForThisFile();

test("[I11] a global service runs on every matching node, and applying the same file again touches nothing", async () => {
  const file = compose({
    web: service({ deploy: { mode: "global", placement: { constraints: ["node.labels.number != 3"] } } }),
  });
  await fleet().apply("everywhere", file);
  await untilGood(fleet(), "everywhere");
  expect(await runningOn(fleet().node(1), "everywhere")).toEqual(["everywhere-web-1"]);
  expect(await runningOn(fleet().node(2), "everywhere")).toEqual(["everywhere-web-1"]);
  expect(await runningOn(fleet().node(3), "everywhere")).toEqual([]);
  const before = await fingerprints(fleet(), "everywhere");
  const again = await fleet().apply("everywhere", file);
  expect(again.body).toMatchObject({ changed: false, revision: 1 });
  expect(await fingerprints(fleet(), "everywhere")).toEqual(before);
  await removeApp(fleet(), "everywhere");
});

test("[I10] scaling up spreads over the nodes and moves nothing; scaling down removes the highest numbers", async () => {
  const scaled = (replicas: number): string => compose({ web: service({ deploy: { replicas } }) });
  await fleet().apply("scaled", scaled(3));
  await untilGood(fleet(), "scaled");
  for (const node of fleet().nodes) expect(await runningOn(node, "scaled")).toHaveLength(1);
  const three = await fingerprints(fleet(), "scaled");
  await fleet().apply("scaled", scaled(6));
  await until("six run", async () => (await runningEverywhere(fleet(), "scaled")).length === 6, SOON_MS);
  const six = await fingerprints(fleet(), "scaled");
  for (const [name, fingerprint] of three) expect(six.get(name)).toEqual(fingerprint);
  await fleet().apply("scaled", scaled(2));
  await until("two run", async () => (await runningEverywhere(fleet(), "scaled")).length === 2, SOON_MS);
  expect(await runningEverywhere(fleet(), "scaled")).toEqual(["scaled-web-1", "scaled-web-2"]);
  await removeApp(fleet(), "scaled");
});

test("[I8] a new revision replaces only the services that changed", async () => {
  const file = (title: string): string =>
    compose(
      { page: service({ environment: { TITLE: title } }), store: service({ volumes: ["kept:/data"] }) },
      { volumes: { kept: {} } },
    );
  await fleet().apply("changed", file("one"));
  await untilGood(fleet(), "changed");
  const before = await fingerprints(fleet(), "changed");
  await fleet().apply("changed", file("two"));
  await until(
    "the page is replaced",
    async () => {
      const now = await fingerprints(fleet(), "changed");
      return (
        now.size === 2 && [...now].some(([name, print]) => name.endsWith("page-1") && before.get(name)?.id !== print.id)
      );
    },
    SOON_MS,
  );
  await untilGood(fleet(), "changed");
  const after = await fingerprints(fleet(), "changed");
  const store = [...before.keys()].find((name) => name.endsWith("store-1")) ?? "";
  expect(after.get(store)).toEqual(before.get(store));
  await removeApp(fleet(), "changed");
});

test("[I15] removing an app names the volumes that stay, and they do stay", async () => {
  await fleet().apply(
    "stays",
    compose({ db: service({ volumes: ["data:/data"], deploy: { mode: "global" } }) }, { volumes: { data: {} } }),
  );
  await untilGood(fleet(), "stays");
  const { body } = await fleet().hub.call("DELETE", "/v1/apps/stays");
  expect(JSON.stringify(body)).toContain("stays_data");
  await until("its containers are gone", async () => (await runningEverywhere(fleet(), "stays")).length === 0, SOON_MS);
  for (const node of fleet().nodes) {
    expect((await node.engine.api.volumes()).map((volume) => volume.Name)).toContain("stays_data");
  }
});

test("services of one app find each other by name on a node, and an environment, a port and a command arrive as written", async () => {
  const file = compose({
    web: service({
      command: ["sh", "-c", "echo hello-$$WHO > /www/index.html; exec httpd -f -p 80 -h /www"],
      environment: { WHO: "there" },
      ports: ["18080:80"],
      init: true,
      deploy: { placement: { constraints: ["node.labels.number == 2"] } },
    }),
    client: service({ depends_on: ["web"], deploy: { placement: { constraints: ["node.labels.number == 2"] } } }),
  });
  await fleet().apply("named", file);
  await untilGood(fleet(), "named");
  const { api } = fleet().node(2).engine;
  await until(
    "the client reaches web by its name",
    async () => (await api.exec("named-client-1", ["wget", "-qO-", "http://web/"])).output.includes("hello-there"),
    SOON_MS,
  );
  const { NetworkSettings } = await api.inspect("named-web-1");
  expect(NetworkSettings.Ports["80/tcp"]?.[0]?.HostPort).toBe("18080");
  await removeApp(fleet(), "named");
});

test("depends_on: a service waits until its dependency is healthy, and until one has completed", async () => {
  const where = { placement: { constraints: ["node.labels.number == 1"] } };
  const file = compose({
    migrate: service({ command: ["sh", "-c", "sleep 1"], restart: "no", deploy: where }),
    db: service({
      command: ["sh", "-c", "sleep 2; touch /tmp/ready; while :; do sleep 60; done"],
      healthcheck: { test: ["CMD", "test", "-e", "/tmp/ready"], interval: "500ms", retries: 100 },
      deploy: where,
    }),
    web: service({
      deploy: where,
      depends_on: { db: { condition: "service_healthy" }, migrate: { condition: "service_completed_successfully" } },
    }),
  });
  await fleet().apply("ordered", file);
  const { api } = fleet().node(1).engine;
  await until("web runs", async () => (await api.find("ordered-web-1"))?.State.Running, SOON_MS);
  const [web, db, migrate] = await Promise.all(
    ["web", "db", "migrate"].map((name) => api.inspect(`ordered-${name}-1`)),
  );
  expect(db?.State.Health?.Status).toBe("healthy");
  expect(migrate?.State).toMatchObject({ Running: false, ExitCode: 0 });
  expect(Date.parse(web?.State.StartedAt ?? "")).toBeGreaterThan(Date.parse(migrate?.State.FinishedAt ?? ""));
  await untilGood(fleet(), "ordered");
  await removeApp(fleet(), "ordered");
});

test("what no node can take is refused per node with the reason: label, memory, port", async () => {
  const nowhere = (name: string, more: Record<string, unknown>): Promise<unknown> =>
    fleet().apply(name, compose({ web: service(more) }));
  await nowhere("no-label", { deploy: { placement: { constraints: ["node.labels.site == shop"] } } });
  await nowhere("no-memory", { deploy: { resources: { reservations: { memory: "900G" } } } });
  const why = async (app: string): Promise<string> => (await fleet().skerry(["why", app])).stdout;
  await until("why names the label", async () => (await why("no-label")).includes("site"), SOON_MS);
  expect(await why("no-label")).toMatch(/3 nodes/);
  expect(await why("no-memory")).toMatch(/needs 921600 MB, .* free/);
  await fleet().apply("port-one", compose({ web: service({ ports: ["18081:80"], deploy: { mode: "global" } }) }));
  await untilGood(fleet(), "port-one");
  await nowhere("port-two", { ports: ["18081:80"] });
  await until("why names the port", async () => (await why("port-two")).includes("18081"), SOON_MS);
  for (const app of ["no-label", "no-memory", "port-two", "port-one"]) await removeApp(fleet(), app);
});

test("a cordoned node keeps what it runs and gets nothing new; --dry-run says so and changes nothing", async () => {
  const file = (replicas: number): string => compose({ web: service({ deploy: { replicas } }) });
  await fleet().apply("cordoned", file(3));
  await untilGood(fleet(), "cordoned");
  await fleet().skerry(["cordon", fleet().node(1).name]);
  const before = await fingerprints(fleet(), "cordoned");
  const dry = await fleet().hub.call("PUT", "/v1/apps/cordoned", { compose: file(9), dryRun: true });
  expect(dry.body.dryRun).toBe(true);
  expect(JSON.stringify(dry.body.nodes)).toContain("start");
  expect(await fingerprints(fleet(), "cordoned")).toEqual(before);
  await fleet().apply("cordoned", file(9));
  await until("nine run", async () => (await runningEverywhere(fleet(), "cordoned")).length === 9, SOON_MS);
  expect(await runningOn(fleet().node(1), "cordoned")).toHaveLength(1);
  await fleet().skerry(["uncordon", fleet().node(1).name]);
  await removeApp(fleet(), "cordoned");
});
