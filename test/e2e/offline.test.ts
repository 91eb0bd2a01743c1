// The hub is gone: nodes heal, reboot and carry on; it comes back and changes nothing.
import { expect, test } from "vitest";
import { until } from "../lab/wait.ts";
import {
  compose,
  fingerprints,
  fleetForThisFile,
  runningEverywhere,
  runningOn,
  SOON_MS,
  service,
  untilGood,
} from "./site.ts";

const fleet = fleetForThisFile({}, "restarted");
const REBOOT_MS = 120_000;

test("[I8] [I9] the hub is killed; a node heals, another is rebooted and starts everything; the hub comes back and restarts nothing", async () => {
  const file = compose(
    {
      db: service({ volumes: ["kept:/data"], deploy: { mode: "global" } }),
      web: service({ depends_on: ["db"], deploy: { mode: "global" } }),
    },
    { volumes: { kept: {} } },
  );
  await fleet().apply("far", file);
  await untilGood(fleet(), "far");
  await fleet().node(1).engine.api.exec("far-db-1", ["sh", "-c", "echo precious > /data/file"]);
  await fleet().hub.kill();

  const first = fleet().node(1);
  const before = await first.engine.api.fingerprint("far-web-1");
  await first.engine.api.kill("far-web-1");
  await until(
    "it heals without the hub",
    async () => {
      const now = await first.engine.api.find("far-web-1");
      return now?.State.Running && now.State.Pid !== before.pid;
    },
    SOON_MS,
  );

  const second = fleet().node(2);
  await second.powerCut();
  await second.powerUp();
  await until("everything of it runs", async () => (await runningOn(second, "far")).length === 2, REBOOT_MS);
  const status = await second.status();
  expect(JSON.stringify(status)).toContain("far/web");

  await until("all run", async () => (await runningEverywhere(fleet(), "far")).length === 6, SOON_MS);
  const all = await fingerprints(fleet(), "far");
  await fleet().hub.start();
  await fleet().allReady(90_000);
  await untilGood(fleet(), "far");
  expect(await fingerprints(fleet(), "far")).toEqual(all);
  const { output } = await first.engine.api.exec("far-db-1", ["cat", "/data/file"]);
  expect(output).toContain("precious");
});

test("[I22] what happened on nodes while the hub was away is told afterwards, once", async () => {
  const { body } = await fleet().hub.call("GET", "/v1/events?limit=500&app=far");
  const exits = body.items.filter(
    (event: { kind: string; workload: string; node: { name: string } }) =>
      event.kind === "container-exited" &&
      event.workload.startsWith("far/web/") &&
      event.node.name === fleet().node(1).name,
  );
  expect(exits).toHaveLength(1);
});

test("[I4] what was applied while a node was off reaches it when it is back, straight at the newest revision", async () => {
  const third = fleet().node(3);
  await third.killAgent();
  const file = (title: string): string =>
    compose(
      {
        db: service({ volumes: ["kept:/data"], deploy: { mode: "global" } }),
        web: service({ depends_on: ["db"], environment: { TITLE: title }, deploy: { mode: "global" } }),
      },
      { volumes: { kept: {} } },
    );
  await fleet().apply("far", file("second"));
  await fleet().apply("far", file("third"));
  const db = await third.engine.api.fingerprint("far-db-1");
  third.startAgent();
  await until(
    "it runs the newest",
    async () => (await third.engine.api.find("far-web-1"))?.Config.Env?.includes("TITLE=third"),
    SOON_MS,
  );
  await untilGood(fleet(), "far");
  expect(await third.engine.api.fingerprint("far-db-1")).toEqual(db);
});

test("[I14] a lost ledger is rebuilt from labels without restarting anything", async () => {
  const first = fleet().node(1);
  const before = await fingerprints(fleet(), "far");
  await first.killAgent();
  await first.loseLedger();
  first.startAgent();
  await fleet().allReady(90_000);
  await untilGood(fleet(), "far");
  expect(await fingerprints(fleet(), "far")).toEqual(before);
});

test("[I33] a hub that starts with an empty database takes nothing away", async () => {
  const before = await fingerprints(fleet(), "far");
  await fleet().hub.stop();
  await fleet().hub.setAside();
  await fleet().hub.start();
  await until(
    "an agent says that this hub does not know it",
    async () =>
      /not know|unknown|refused|wrong server/i.test(
        JSON.stringify((await fleet().node(1).status()).link ?? (await fleet().node(1).status())),
      ),
    SOON_MS,
  );
  expect(await fingerprints(fleet(), "far")).toEqual(before);
  await fleet().hub.stop();
  await fleet().hub.bringBack();
  await fleet().hub.start();
  await fleet().allReady(120_000);
  await untilGood(fleet(), "far");
  expect(await fingerprints(fleet(), "far")).toEqual(before);
});
